import { expect, test } from 'vitest';
import { LOAD_KEYS_MAX } from '../../src/engine/base/settings.ts';
import { MillraceError } from '../../src/index.ts';
import { UNRECOVERED } from '../../src/ports/front.ts';
import type { Store } from '../../src/ports/store.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Increments and totals, through every answer that the front can give. */

const down = () => new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'down');

test('increments of one turn are one sum of each key, and each caller is told the total of his own', async () => {
  await using bench = new EngineBench({}, 'counters');
  bench.store.rows.set('b', '40');
  const counters = bench.counters();
  const totals = [
    counters.increment('a'),
    counters.increment('b', 2),
    counters.increment('a', 10),
    counters.add('a', 100),
    counters.increment('a', -1),
  ];
  // Who wants a total waits until it is known, who wants none does not.
  expect(await bench.clock.until(Promise.all(totals))).toEqual([101, 42, 111, expect.anything(), 110]);
  expect(await bench.clock.until(counters.getMany(['a', 'b', 'c', 'a']))).toEqual(
    new Map([
      ['a', 110],
      ['b', 42],
      ['c', 0],
    ]),
  );
  expect(await bench.clock.until(counters.get('b'))).toBe(42);
  await bench.clock.until(counters.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '110', b: '42' });
});

test('increments of more keys than a step takes go in several, two under way at once', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters();
  await bench.clock.until(counters.ready());
  const gate = new Gate();
  const steps: number[] = [];
  bench.onFront.increment = async (go, _lane, { keys }) => {
    steps.push(keys.length);
    if (steps.length === 2) gate.open();
    await gate.pass();
    return go();
  };
  await bench.clock.until(Promise.all(Array.from({ length: 1_250 }, (_, n) => counters.add(`k${n}`))));
  expect(steps).toEqual([500, 500, 250]);
  await bench.clock.until(counters.flush());
  expect(bench.store.rows.size).toBe(1_250);
});

test('an increment beyond the limit is refused by itself', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters();
  const max = Number.MAX_SAFE_INTEGER;
  await bench.clock.until(counters.increment('a', max));
  const said = await bench.clock.until(
    Promise.all([
      counters.increment('b', 5).then(String),
      outcome(counters.add('a', -1)),
      outcome(counters.increment('a', 2)),
    ]),
  );
  expect(said).toEqual([
    '5',
    'written',
    expect.stringMatching(/^MILLRACE_VALUE .*would take it beyond .*nothing was added/),
  ]);
  expect(await bench.clock.until(counters.get('a'))).toBe(max - 1);
  expect(await bench.clock.until(outcome(counters.add('a', 2)))).toMatch(/^MILLRACE_VALUE/);
});

test('totals that the store cannot tell reject who wants them, and nobody else', async () => {
  await using bench = new EngineBench({}, 'counters');
  bench.store.rows.set('odd', '1.5');
  bench.store.rows.set('large', '9'.repeat(18));
  bench.store.rows.set('low', `-${'9'.repeat(18)}`);
  bench.store.rows.set('edge', String(Number.MAX_SAFE_INTEGER));
  const counters = bench.counters();
  await bench.clock.until(counters.add('edge', 1));
  const totals = ['odd', 'large', 'low', 'edge', 'fine'].map((key) =>
    counters.get(key).then(String, (error: MillraceError) => error.code),
  );
  expect(await bench.clock.until(Promise.all(totals))).toEqual([
    'MILLRACE_VALUE',
    'MILLRACE_VALUE',
    'MILLRACE_VALUE',
    'MILLRACE_VALUE',
    '0',
  ]);
});

test('an increment whose total cannot be loaded is not made; one that wants none is', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters();
  await bench.clock.until(counters.ready());
  bench.onTotals.load = () => Promise.reject(down());
  const said = await bench.clock.until(Promise.all([outcome(counters.increment('a')), outcome(counters.add('b'))]));
  expect(said).toEqual([expect.stringMatching(/^MILLRACE_STORE_UNAVAILABLE/), 'written']);
  delete bench.onTotals.load;
  await bench.clock.advance(60_000);
  expect(await bench.clock.until(counters.getMany(['a', 'b']))).toEqual(
    new Map([
      ['a', 0],
      ['b', 1],
    ]),
  );
});

test('a load from before a generation that is stored meanwhile is done again, but not for ever', async () => {
  await using bench = new EngineBench({}, 'counters');
  bench.store.rows.set('a', '1');
  const counters = bench.counters();
  await bench.clock.until(counters.ready());
  let stale = 4;
  bench.onFront.fillTotals = (go) => (stale-- > 0 ? Promise.resolve({ kind: 'stale' }) : go());
  expect(await bench.clock.until(counters.get('a'))).toBe(1);
  stale = Number.POSITIVE_INFINITY;
  expect(await bench.clock.until(outcome(counters.get('b')))).toMatch(
    /^MILLRACE_FRONT_UNAVAILABLE .*flushed again and again/,
  );
  bench.answerOnce('fillTotals', { kind: 'stopped', reason: 'it holds a log' });
  expect(await bench.clock.until(outcome(counters.get('c')))).toMatch(
    /^MILLRACE_LANE_STOPPED .*tells no totals: it holds a log/,
  );
});

test('a store that was said to hold counters and has no totals is found out', async () => {
  await using bench = new EngineBench({}, 'counters');
  const store: Store = {
    kind: 'memory',
    capabilities: bench.store.capabilities,
    holds: 'counters',
    attach: (attachment) => new MemoryStore().attach(attachment),
  };
  expect(await bench.clock.until(outcome(bench.counters({ store }).get('a')))).toMatch(
    /^MILLRACE_INTERNAL .*no totals/,
  );
});

test('a flush waits for increments that are on their way', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters();
  await bench.clock.until(counters.ready());
  const added = counters.add('a');
  await Promise.resolve();
  await bench.clock.until(counters.flush());
  expect(bench.store.rows.get('a')).toBe('1');
  await added;
});

test('many totals are loaded in parts, each key once', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters({ lanes: 2 });
  await bench.clock.until(counters.ready());
  const loads: number[] = [];
  bench.onTotals.load = async (go, _lanes, keys) => {
    loads.push(keys.length);
    // A lane of which the store has no fence yet.
    return { ...(await go()), generations: new Map() };
  };
  const keys = Array.from({ length: LOAD_KEYS_MAX + 1 }, (_, n) => `k${n}`);
  await bench.clock.until(Promise.all([counters.getMany(keys), counters.get('k0')]));
  expect(loads).toEqual([LOAD_KEYS_MAX, 1]);
});

test('a lane that must be recovered first is, whatever is asked of it', async () => {
  await using bench = new EngineBench({}, 'counters');
  bench.store.rows.set('a', '7');
  const counters = bench.counters();
  await bench.clock.until(counters.ready());
  bench.answerOnce('read', UNRECOVERED);
  expect(await bench.clock.until(counters.get('a'))).toBe(7);
  bench.answerOnce('readMany', UNRECOVERED);
  expect(await bench.clock.until(counters.getMany(['a']))).toEqual(new Map([['a', 7]]));
  bench.answerOnce('fillTotals', { kind: 'unrecovered', header: undefined });
  bench.answerOnce('header', { header: undefined, current: false });
  expect(await bench.clock.until(counters.get('b'))).toBe(0);
  bench.answerOnce('increment', { kind: 'unrecovered', header: undefined });
  expect(await bench.clock.until(counters.increment('a'))).toBe(8);
  // Where that fails, whoever asked is told.
  bench.answerOnce('increment', { kind: 'unrecovered', header: undefined });
  bench.onFront.header = () => Promise.reject(down());
  const [first, second] = [outcome(counters.increment('a')), outcome(counters.add('a'))];
  expect(await bench.clock.until(Promise.all([first, second]))).toEqual([
    expect.stringMatching(/^MILLRACE_STORE/),
    expect.stringMatching(/^MILLRACE_STORE/),
  ]);
});

test('a step whose answer is lost is not repeated, and one that the lane refuses says why', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters();
  await bench.clock.until(counters.ready());
  bench.onFront.increment = async (go) => {
    delete bench.onFront.increment;
    await go();
    throw new MillraceError('MILLRACE_FRONT_UNAVAILABLE', 'no answer');
  };
  expect(await bench.clock.until(outcome(counters.add('a')))).toMatch(/^MILLRACE_FRONT_UNAVAILABLE/);
  expect(await bench.clock.until(counters.get('a'))).toBe(1);
  bench.answerOnce('increment', { kind: 'stopped', reason: 'the store lost generations' });
  expect(await bench.clock.until(outcome(counters.add('a')))).toMatch(
    /^MILLRACE_LANE_STOPPED .*takes no writes: the store lost/,
  );
});

test('an increment in an epoch that another process began is answered, and the lane looked at', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counting = bench.counters({ flush: false });
  await bench.clock.until(counting.add('a'));
  const working = bench.counters();
  await bench.clock.until(working.ready());
  let looks = 0;
  bench.onFront.header = (go) => {
    looks++;
    return go();
  };
  await bench.clock.until(counting.add('a'));
  expect(looks).toBe(1);
  await bench.clock.until(working.flush());
  expect(bench.store.rows.get('a')).toBe('2');
});

test('increments that find no room wait for it a while', async () => {
  await using bench = new EngineBench({}, 'counters');
  const gate = new Gate();
  bench.store.hooks.beforeApply = () => gate.pass();
  const counters = bench.counters({ backpressure: { maxEntries: 4, maxWait: 500, maxWaiters: 6 } });
  await bench.clock.until(Promise.all([counters.add('p'), counters.add('q'), counters.add('r')]));
  const waiting = ['a', 'b', 'c'].map((key) => outcome(counters.add(key)));
  await bench.clock.advance(10);
  const more = ['d', 'e', 'f', 'g', 'h'].map((key) => outcome(counters.add(key)));
  await bench.clock.advance(10);
  expect(await bench.clock.until(more.at(-1) as Promise<string>)).toMatch(
    /^MILLRACE_FULL .* 6 writes wait for room already \(backpressure\.maxWaiters\)/,
  );
  expect(await waiting[0]).toBe('written');
  await bench.clock.advance(600);
  expect(await waiting[1]).toMatch(/^MILLRACE_FULL .* waited 500 ms for room \(backpressure\.maxWait\)/);
  gate.open();
  await bench.clock.until(counters.flush());
  const late = ['s', 't', 'u', 'v'].map((key) => outcome(counters.add(key)));
  expect(await bench.clock.until(Promise.all(late))).toEqual(Array.from({ length: 4 }, () => 'written'));
});

test('with onFull reject what does not fit is refused, and the rest is taken', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters({ lanes: 2, backpressure: { maxEntries: 3, onFull: 'reject' } });
  await bench.clock.until(counters.ready());
  await counters.pause();
  const said = await bench.clock.until(Promise.all(['a', 'b', 'c', 'd', 'e'].map((key) => outcome(counters.add(key)))));
  expect(said.filter((text) => text === 'written')).toHaveLength(3);
  for (const text of said.filter((each) => each !== 'written')) expect(text).toMatch(/^MILLRACE_FULL/);
  expect((await bench.clock.until(counters.stats())).refused).toBe(2);
});

test('what was cut and is not there any more is reported as lost', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters();
  const losses: number[] = [];
  counters.on('loss', ({ count }) => losses.push(count));
  await bench.clock.until(Promise.all([counters.add('a'), counters.add('b')]));
  bench.onFront.readDeltas = async (go) => {
    const page = await go();
    // A page can bring a key again, and there can be another after it.
    return page.kind === 'deltas' ? { ...page, rows: [...page.rows.slice(0, 1), ...page.rows.slice(0, 1)] } : page;
  };
  await bench.clock.until(counters.flush());
  expect(bench.store.rows.size).toBe(1);
  expect(losses).toEqual([1]);
});

test('deltas are read in pages, until another worker has the lane', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters({ flush: { maxDelay: '1h', batchSize: 200 } });
  await bench.clock.until(counters.ready());
  await counters.pause();
  await bench.clock.until(Promise.all(Array.from({ length: 1_200 }, (_, n) => counters.add(`k${n}`))));
  let pages = 0;
  bench.onFront.readDeltas = (go) => (++pages === 2 ? Promise.resolve({ kind: 'refused', epoch: 9 }) : go());
  await bench.clock.until(counters.resume());
  await bench.clock.until(counters.flush());
  expect(bench.store.rows.size).toBe(1_200);
  expect(pages).toBeGreaterThan(3);
});

test('sums that no double holds are exact, and one who wants no total is told none', async () => {
  await using bench = new EngineBench({}, 'counters');
  const counters = bench.counters();
  const max = Number.MAX_SAFE_INTEGER;
  const said = await bench.clock.until(Promise.all([max, max, -max, -max].map((by) => outcome(counters.add('a', by)))));
  expect(said).toEqual(Array.from({ length: 4 }, () => 'written'));
  expect(await bench.clock.until(counters.get('a'))).toBe(0);
  const [total] = await bench.clock.until(Promise.all([counters.increment('a', 3), counters.add('b', 4)]));
  expect(total).toBe(3);
  expect(await bench.clock.until(counters.get('b'))).toBe(4);
});

test('increments of a process that does not flush wait until another one has made room', async () => {
  await using bench = new EngineBench({ shared: true }, 'counters');
  const worker = bench.counters();
  const writer = bench.counters({ flush: false, backpressure: { maxEntries: 1 } });
  await bench.clock.until(Promise.all([worker.ready(), writer.ready()]));
  await bench.clock.until(worker.pause());
  await bench.clock.until(writer.increment('a', 1));
  const waiting = outcome(writer.increment('b', 1));
  await bench.clock.advance(500);
  expect(bench.store.rows.size).toBe(0);
  await bench.clock.until(worker.resume());
  await bench.clock.until(worker.flush());
  expect(await bench.clock.until(waiting)).toBe('written');
});
