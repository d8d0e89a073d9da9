import { expect, test } from 'vitest';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** What becomes of writes whose callers give up. */

const WITHDRAWN = /^MILLRACE_ABORTED .*nothing of it was written/;
const TOO_LATE = /^MILLRACE_ABORTED .*may still happen/;

test('a write is taken back until it is sent, and only that one', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  const one = new AbortController();
  const writes = [cache.set('a', 1, { ttl: 5 }), cache.set('a', 2, { signal: one.signal }), cache.set('b', 1)].map(
    outcome,
  );
  one.abort();
  expect(await bench.clock.until(Promise.all(writes))).toEqual([
    'written',
    expect.stringMatching(WITHDRAWN),
    'written',
  ]);
  expect(await bench.clock.until(cache.getMany(['a', 'b']))).toEqual(
    new Map([
      ['a', 1],
      ['b', 1],
    ]),
  );
});

test('a signal that is aborted before it is given writes nothing', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  expect(await bench.clock.until(outcome(cache.set('a', 1, { signal: AbortSignal.abort('no') })))).toMatch(WITHDRAWN);
  // It can also be aborted while the first write waits for the front to be attached.
  const late = new AbortController();
  const first = bench.open({ name: 'late' });
  const write = outcome(first.set('a', 1, { signal: late.signal }));
  late.abort();
  expect(await bench.clock.until(write)).toMatch(WITHDRAWN);
  expect(await bench.clock.until(first.get('a'))).toBeUndefined();
});

test('who gives up after the write was sent is told that it may happen, and it is not sent again', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  const gate = new Gate();
  const sent: string[][] = [];
  bench.onFront.write = async (go, _lane, batch) => {
    sent.push([...batch.keys]);
    if (sent.length > 1) return go();
    await gate.pass();
    return { kind: 'unrecovered', header: undefined };
  };
  const given = new AbortController();
  const up = outcome(cache.set('a', 1, { signal: given.signal }));
  const kept = outcome(cache.set('b', 1));
  await bench.clock.until(gate.arrived);
  given.abort();
  expect(await bench.clock.until(up)).toMatch(TOO_LATE);
  gate.open();
  expect(await bench.clock.until(kept)).toBe('written');
  expect(sent).toEqual([['a', 'b'], ['b']]);
});

test('a write-through whose caller gives up goes on', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ policy: 'write-through' });
  await bench.clock.until(cache.ready());
  const gate = new Gate();
  bench.store.hooks.beforeCommit = () => gate.pass();
  const given = new AbortController();
  const write = outcome(cache.set('a', 1, { signal: given.signal }));
  await bench.clock.until(gate.arrived);
  given.abort();
  expect(await bench.clock.until(write)).toMatch(TOO_LATE);
  const late = AbortSignal.abort();
  expect(await bench.clock.until(outcome(cache.flush({ signal: late })))).toMatch(TOO_LATE);
  gate.open();
  await bench.clock.until(cache.flush());
  expect(bench.store.rows.get('a')).toBe('1');
});

test('a flush that is given up while the store is down leaves nobody waiting, and nothing that asks', async () => {
  await using bench = new EngineBench({ shared: true });
  const cache = bench.open({ flush: false });
  await bench.clock.until(cache.set('a', 1));
  const idle = bench.clock.tasks;
  let looks = 0;
  bench.onFront.header = (go) => {
    looks++;
    return go();
  };
  const given = Array.from({ length: 100 }, () => new AbortController());
  const flushes = given.map(({ signal }) => outcome(cache.flush({ signal })));
  const written = outcome(cache.set('b', 1, { ack: 'stored', signal: (given[0] as AbortController).signal }));
  await bench.clock.advance(200);
  expect(looks).toBeGreaterThan(2);
  for (const one of given) one.abort();
  for (const said of await bench.clock.until(Promise.all([...flushes, written]))) expect(said).toMatch(TOO_LATE);
  await bench.clock.advance(200);
  expect(bench.clock.tasks).toBe(idle);
  // Also who had given up before it came to waiting.
  const late = AbortSignal.abort();
  expect(await bench.clock.until(outcome(cache.flush({ signal: late })))).toMatch(TOO_LATE);
  await bench.clock.advance(200);
  expect(bench.clock.tasks).toBe(idle);
});

test('who gives up waiting for a letter is not waited for any more', async () => {
  await using bench = new EngineBench();
  bench.store.hooks.refuse = () => '23514';
  const cache = bench.open({ retry: { attempts: 100, minDelay: '1m', maxDelay: '1m' } });
  await bench.clock.until(cache.ready());
  const idle = bench.clock.tasks;
  let asked = 0;
  bench.onLetters.find = (go) => {
    asked++;
    return go();
  };
  const [one, other] = [new AbortController(), new AbortController()];
  const writes = [one, other].map(({ signal }) => outcome(cache.set('a', 1, { ack: 'stored', signal })));
  await bench.clock.advance(2_000);
  expect(asked).toBeGreaterThan(1);
  one.abort();
  await bench.clock.advance(2_000);
  other.abort();
  for (const said of await bench.clock.until(Promise.all(writes))) expect(said).toMatch(TOO_LATE);
  await bench.clock.advance(2_000);
  asked = 0;
  await bench.clock.advance(10_000);
  expect(asked).toBe(0);
  expect(bench.clock.tasks).toBeLessThanOrEqual(idle + 1);
});
