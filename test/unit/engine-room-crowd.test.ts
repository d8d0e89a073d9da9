import { expect, test } from 'vitest';
import { LOAD_WAITERS_MAX } from '../../src/engine/base/settings.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Many that wait: for room, and for a leaderboard to be loaded. */

test('operations that change nothing leave their room to the next at once', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard({ keep: 'best', backpressure: { maxEntries: 1, maxWait: 1_000 } });
  await bench.clock.until(board.set('a', 100));
  await bench.clock.until(board.flush());
  const gate = new Gate();
  bench.store.hooks.beforeApply = () => gate.pass();
  await bench.clock.until(board.set('z', 1));
  const waiting = [
    board.set('new', 1),
    ...Array.from({ length: 200 }, (_, i) => board.set(i % 2 === 0 ? 'a' : 'z', 0)),
  ];
  const told = Promise.all(waiting.map(outcome));
  await bench.clock.advance(50);
  gate.open();
  expect(new Set(await bench.clock.until(told))).toEqual(new Set(['written']));
});

test('operations of one member that wait are one row again', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard({ backpressure: { maxEntries: 1 } });
  await bench.clock.until(board.add('z', 1));
  await bench.clock.until(Promise.all([...Array.from({ length: 300 }, () => board.add('a', 1)), board.flush()]));
  await bench.clock.until(board.flush());
  expect(bench.store.rows.get('a')).toBe('300');
  const { statements } = await bench.clock.until(board.stats());
  expect(statements).toBeLessThan(8);
});

test('as many as may be wait at one place, and are sent on', async () => {
  await using bench = new EngineBench({}, 'counters');
  const count = 150_000;
  const counters = bench.counters({ lanes: 1, backpressure: { maxEntries: 1, maxWaiters: count } });
  const gate = new Gate();
  bench.store.hooks.beforeApply = () => gate.pass();
  await bench.clock.until(counters.add('first'));
  const all = Promise.all(Array.from({ length: count }, () => counters.add('same')));
  await bench.clock.advance(10);
  gate.open();
  await bench.clock.until(all);
  await bench.clock.until(counters.flush());
  expect(bench.store.rows.get('same')).toBe(String(count));
}, 20_000);

test('what can never fit is told so, and holds up nobody', async () => {
  await using bench = new EngineBench({}, 'log');
  const log = bench.log<string>({ lanes: 1, backpressure: { maxBytes: 100, maxWait: 3_000 } });
  const large = outcome(log.append('x'.repeat(93)));
  const small = outcome(log.append('small'));
  await bench.clock.advance(1_000);
  expect(await large).toMatch(/^MILLRACE_FULL .*The value alone has more than backpressure\.maxBytes/);
  expect(await small).toBe('written');
});

test('nobody waits for a loading for longer than he may, however many wait', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('a', '1');
  const board = bench.leaderboard({ loadWait: 200 });
  await bench.clock.until(board.ready());
  const gate = new Gate();
  bench.onScores.load = async (go) => {
    await gate.pass();
    return go();
  };
  const first = outcome(board.add('a', 1));
  await bench.clock.advance(20);
  const rest = Promise.all(Array.from({ length: 1_000 }, (_, i) => outcome(board.add(`m${i}`, 1))));
  await bench.clock.advance(185);
  expect(await first).toMatch(/^MILLRACE_TIMEOUT/);
  await bench.clock.advance(30);
  expect(new Set((await rest).map((text) => text.split(' ')[0]))).toEqual(new Set(['MILLRACE_TIMEOUT']));
});

test('no more wait for a loading than may, also of those who asked in one turn', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('a', '1');
  const board = bench.leaderboard({ loadWait: 200, backpressure: { maxWaiters: 0 } });
  await bench.clock.until(board.ready());
  const gate = new Gate();
  bench.onScores.load = async (go) => {
    await gate.pass();
    return go();
  };
  const asked = Array.from({ length: LOAD_WAITERS_MAX + 500 }, () => outcome(board.add('a', 1)));
  await bench.clock.advance(5);
  gate.open();
  const told = await bench.clock.until(Promise.all(asked));
  expect(told.filter((text) => text === 'written')).toHaveLength(LOAD_WAITERS_MAX);
  expect(told.filter((text) => text.startsWith('MILLRACE_FULL'))).toHaveLength(500);
});

test('a document that can never fit is told so, with all that were to replace it', async () => {
  await using bench = new EngineBench();
  const cache = bench.open<string>({ backpressure: { maxBytes: 100, maxWait: 3_000 } });
  await bench.clock.until(cache.ready());
  const large = [outcome(cache.set('a', '€'.repeat(60))), outcome(cache.set('a', '€'.repeat(61)))];
  const small = outcome(cache.set('b', '1'));
  await bench.clock.advance(1_000);
  for (const text of await Promise.all(large)) expect(text).toMatch(/^MILLRACE_FULL .*The value alone has more/);
  expect(await small).toBe('written');
});

test('increments that waited for room, and whose totals are loaded then, are told them', async () => {
  await using bench = new EngineBench({}, 'counters');
  bench.store.rows.set('a', '5');
  const counters = bench.counters({ lanes: 1 });
  await bench.clock.until(counters.ready());
  const full = { kind: 'full', entries: 1, bytes: 9, refused: [0, 1] } as const;
  const answers = [full, full, { kind: 'unsettled', unknown: [0], beyond: [] } as const];
  bench.onFront.increment = async (go) => answers.shift() ?? go();
  const totals = [counters.increment('a'), counters.increment('b', 2)];
  expect(await bench.clock.until(Promise.all(totals))).toEqual([6, 2]);
  expect(answers).toEqual([]);
});

test('a write comes after an earlier one of its key that is on its way from the waiting room', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ backpressure: { maxEntries: 1 } });
  const hold = new Gate();
  bench.store.hooks.beforeApply = () => hold.pass();
  await bench.clock.until(cache.set('a', 1));
  const first = cache.set('b', 1);
  await bench.clock.advance(10);
  const away = new Gate();
  bench.onFront.write = async (go) => {
    delete bench.onFront.write;
    await away.pass();
    return go();
  };
  hold.open();
  await bench.clock.until(away.arrived);
  const second = cache.set('b', 2);
  away.open();
  await bench.clock.until(Promise.all([first, second]));
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '1', b: '2' });
});

test('a write that gives up on its way from the waiting room, and is refused, does not wait again', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ backpressure: { maxEntries: 1 } });
  const hold = new Gate();
  bench.store.hooks.beforeApply = () => hold.pass();
  await bench.clock.until(cache.set('a', 1));
  const given = new AbortController();
  const waiting = outcome(cache.set('b', 1, { signal: given.signal }));
  await bench.clock.advance(10);
  const away = new Gate();
  bench.onFront.write = async () => {
    await away.pass();
    delete bench.onFront.write;
    return { kind: 'full', entries: 1, bytes: 1, refused: [0] };
  };
  await bench.clock.until(away.arrived);
  given.abort();
  expect(await waiting).toMatch(/^MILLRACE_ABORTED .*What was already sent may still happen/);
  away.open();
  hold.open();
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '1' });
});
