import { expect, test } from 'vitest';
import type { WriteResult } from '../../src/core/lane-write.ts';
import { WRITE_BYTES_MAX } from '../../src/engine/base/settings.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Writes whose steps the front answers in another order, or in another life. */

/** A cache whose first step has to be sent again, once `restarted` is open; `later` answers those after it. */
async function withRepeated(
  bench: EngineBench,
  later: (go: () => Promise<WriteResult>, step: number) => Promise<WriteResult>,
) {
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  const restarted = new Gate();
  const sent: string[][] = [];
  bench.onFront.write = async (go, _lane, { keys, slots }) => {
    const step = sent.push(keys.map((key, i) => `${key}=${slots[i]}`));
    if (step > 1) return later(go, step);
    await restarted.pass();
    return { kind: 'unrecovered', header: undefined };
  };
  return { cache, sent, restarted };
}

test('a batch that is sent again writes nothing that a later one has replaced, and what came after waits', async () => {
  await using bench = new EngineBench();
  const taken = new Gate();
  const { cache, sent, restarted } = await withRepeated(bench, async (go, step) => {
    if (step === 2) await taken.pass();
    return go();
  });
  const first = cache.setMany([
    ['a', 1],
    ['b', 1],
  ]);
  await bench.clock.until(restarted.arrived);
  const second = cache.set('a', 2);
  await bench.clock.until(taken.arrived);
  const third = cache.set('b', 3);
  await bench.clock.advance(1);
  restarted.open();
  await bench.clock.advance(1);
  taken.open();
  await bench.clock.until(Promise.all([first, second, third]));
  expect(sent).toEqual([['a=1', 'b=1'], ['a=2'], ['b=1'], ['b=3']]);
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '2', b: '3' });
});

test('a batch that has to be sent again does not write over a later one that was not answered', async () => {
  await using bench = new EngineBench();
  const taken = new Gate();
  const { cache, sent, restarted } = await withRepeated(bench, async (go, step) => {
    if (step > 2) return go();
    await go();
    await taken.pass();
    throw new Error('the answer was lost');
  });
  const first = [outcome(cache.set('a', 1)), outcome(cache.set('b', 1))];
  await bench.clock.until(restarted.arrived);
  const second = outcome(cache.set('a', 2));
  await bench.clock.until(taken.arrived);
  restarted.open();
  await bench.clock.advance(1);
  taken.open();
  expect(await bench.clock.until(Promise.all([...first, second]))).toEqual([
    expect.stringMatching(/^MILLRACE_FRONT_UNAVAILABLE .*it was not written/),
    'written',
    expect.stringContaining('the answer was lost'),
  ]);
  expect(sent).toEqual([['a=1', 'b=1'], ['a=2'], ['b=1']]);
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '2', b: '1' });
});

test('writes of a key that has no room wait in their order, also when the earlier one had room at first', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ backpressure: { maxEntries: 6 } });
  await bench.clock.until(cache.ready());
  const sent: string[][] = [];
  // Two batches, both under way at once. Others take and leave what room there is.
  const refused = [[0, 1], [0, 1], [0, 1], [0, 1], [0]];
  const both = new Gate();
  bench.onFront.write = async (go, _lane, { keys, slots }) => {
    if (sent.push(keys.map((key, i) => `${key}=${slots[i]}`)) === 2) both.open();
    const places = refused.shift();
    await both.pass();
    return places === undefined ? go() : { kind: 'full', entries: 3, bytes: 10, refused: places };
  };
  const first = [cache.set('b', 1), cache.set('c', 1), cache.set('f', 1)];
  await bench.clock.advance(1);
  const second = [cache.set('f', 2), cache.set('d', 1)];
  await bench.clock.until(Promise.all([...first, ...second]));
  expect(sent.slice(0, 4)).toEqual([
    ['b=1', 'c=1', 'f=1'],
    ['f=2', 'd=1'],
    ['b=1', 'c=1', 'f=1'],
    ['f=2', 'd=1'],
  ]);
  expect(sent.flat().findLast((write) => write.startsWith('f'))).toBe('f=2');
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ b: '1', c: '1', f: '2', d: '1' });
});

test('a write that is repeated, and then has no room, waits before a later one of its key', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ backpressure: { maxEntries: 6 } });
  await bench.clock.until(cache.ready());
  const full = { kind: 'full', entries: 3, bytes: 10, refused: [0] } as const;
  const answers = [{ kind: 'unrecovered', header: undefined } as const, full, full, full, full];
  const both = new Gate();
  let sent = 0;
  bench.onFront.write = async (go) => {
    if (++sent === 2) both.open();
    const answer = answers.shift();
    await both.pass();
    return answer ?? go();
  };
  const first = cache.set('f', 1);
  await bench.clock.advance(1);
  const second = cache.set('f', 2);
  await bench.clock.until(Promise.all([first, second]));
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ f: '2' });
});

test('a front that was restarted before it could confirm a write says that the write may be lost', async () => {
  await using bench = new EngineBench({ acks: ['buffered', 'fsynced'], shared: true, durable: true });
  const cache = bench.open({ ack: 'fsynced' });
  await bench.clock.until(cache.set('a', 1));
  bench.onFront.header = async (go) => {
    const seen = await go();
    return seen.header === undefined
      ? seen
      : { current: true, header: { ...seen.header, epoch: 9, epochs: [{ epoch: 9, seq: 1 }] } };
  };
  const said = await bench.clock.until(
    Promise.all([outcome(cache.set('b', 1)), outcome(cache.set('c', 1, { ack: 'buffered' }))]),
  );
  expect(said).toEqual([
    expect.stringMatching(/^MILLRACE_LOST .*before it could confirm the write as 'fsynced'/),
    'written',
  ]);
});

test('a lone write to a front that others share goes at the end of its turn; several go together later', async () => {
  await using bench = new EngineBench({ shared: true });
  const { clock } = bench;
  const turns: string[] = [];
  const ends: (() => void)[] = [];
  const cache = bench.open({
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (ms, task) => clock.after(ms, task),
      soon: (task) => clock.soon(task),
      turnEnd: (task) => void ends.push(task),
    },
  });
  await clock.until(cache.ready());
  bench.onFront.write = (go, _lane, { keys }) => {
    turns.push(keys.join());
    return go();
  };
  const end = async (): Promise<void> => {
    await clock.advance(0);
    for (const task of ends.splice(0)) task();
  };
  const lone = cache.set('a', 1);
  await end();
  expect(turns).toEqual(['a']);
  await clock.until(lone);
  await end();
  const both = Promise.all([cache.set('b', 1), cache.set('c', 1)]);
  await end();
  expect(turns).toEqual(['a']);
  await clock.until(both);
  expect(turns).toEqual(['a', 'b,c']);
});

test('write-through statements are bounded in bytes', async () => {
  await using bench = new EngineBench();
  const cache = bench.open<string>({ policy: 'write-through' });
  await bench.clock.until(Promise.all(['a', 'b', 'c'].map((key) => cache.set(key, 'x'.repeat(WRITE_BYTES_MAX * 0.7)))));
  expect(bench.store.batches.map(({ rows }) => rows.length)).toEqual([1, 1, 1]);
});
