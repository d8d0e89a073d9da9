import { expect, test } from 'vitest';
import { LOAD_SCORES_MAX, LOAD_WAITERS_MAX } from '../../src/engine/base/settings.ts';
import { type Leaderboard, MillraceError } from '../../src/index.ts';
import type { Store } from '../../src/ports/store.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Scores and ranks, through every answer that the front can give. */

const down = () => new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'down');
const rows = (bench: EngineBench): Record<string, string> => Object.fromEntries(bench.store.rows);
const top = async (bench: EngineBench, board: Leaderboard): Promise<unknown> =>
  (await bench.clock.until(board.top(10))).map(({ member, score }) => [member, score]);

test('scores of one turn are done in their order, and each caller is told his own', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('b', '40');
  const board = bench.leaderboard();
  const scores = [board.add('a', 1), board.set('a', 5), board.add('a', 0.5), board.add('b', 2), board.set('c', 7)];
  expect((await bench.clock.until(Promise.all(scores))).map(({ score }) => score)).toEqual([1, 5, 5.5, 42, 7]);
  await bench.clock.until(board.remove('c'));
  expect(await top(bench, board)).toEqual([
    ['b', 42],
    ['a', 5.5],
  ]);
  await bench.clock.until(board.flush());
  expect(rows(bench)).toEqual({ a: '5.5', b: '42' });
  await bench.clock.until(board.remove('b'));
  await bench.clock.until(board.flush());
  expect(rows(bench)).toEqual({ a: '5.5' });
});

test('of more than a step takes, one step follows the other', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard();
  await bench.clock.until(board.ready());
  let underWay = 0;
  const seen: [number, number][] = [];
  bench.onFront.writeScores = async (go, _lane, { ops }) => {
    underWay++;
    seen.push([ops.length, underWay]);
    const result = await go();
    underWay--;
    return result;
  };
  await bench.clock.until(Promise.all(Array.from({ length: 600 }, (_, n) => board.set(`m${n % 150}`, n))));
  expect(seen).toEqual([
    [250, 1],
    [250, 1],
    [100, 1],
  ]);
});

test('a score beyond the limit is refused by itself', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard();
  const max = Number.MAX_SAFE_INTEGER;
  const said = await bench.clock.until(
    Promise.all([outcome(board.set('a', max)), outcome(board.add('a', 1)), outcome(board.add('a', -1))]),
  );
  expect(said).toEqual(['written', expect.stringMatching(/^MILLRACE_VALUE .*would leave/), 'written']);
  expect(await bench.clock.until(board.score('a'))).toBe(max - 1);
});

test('a best that is none takes no place, and is stored when what it lost to is', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard({ keep: 'best', order: 'asc' });
  expect((await bench.clock.until(board.set('a', 5))).score).toBe(5);
  const worse = await bench.clock.until(board.set('a', 6));
  expect(worse.score).toBe(5);
  await bench.clock.until(board.flush());
  await bench.clock.until(worse.stored());
  expect((await bench.clock.until(board.stats())).accepted).toBe(1);
  expect(rows(bench)).toEqual({ a: '5' });
});

test('a board of several pages is loaded once for all who wait', async () => {
  await using bench = new EngineBench({}, 'scores');
  const count = 2 * LOAD_SCORES_MAX + 1;
  for (let n = 0; n < count; n++) bench.store.rows.set(`m${n}`, String(n));
  const board = bench.leaderboard();
  let loads = 0;
  bench.onScores.load = (go) => {
    loads++;
    return go();
  };
  const [best, rank, added] = await bench.clock.until(
    Promise.all([board.top(1), board.rank('m0'), board.add('m0', count)]),
  );
  expect([best, rank, added.score]).toEqual([[expect.objectContaining({ rank: 1 })], expect.any(Number), count]);
  expect(loads).toBe(3);
  expect((await bench.clock.until(board.stats())).loads).toBe(3);
});

test('what needs a board that cannot be loaded is told so, and what does not goes on', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard();
  await bench.clock.until(board.ready());
  bench.onScores.load = () => Promise.reject(down());
  const said = await bench.clock.until(
    Promise.all([
      outcome(board.set('a', 1)),
      outcome(board.add('a', 1)),
      outcome(board.set('a', 3)),
      outcome(board.top(1)),
    ]),
  );
  expect(said).toEqual([
    'written',
    expect.stringMatching(/^MILLRACE_STORE_UNAVAILABLE/),
    'written',
    expect.stringMatching(/^MILLRACE_STORE_UNAVAILABLE/),
  ]);
  delete bench.onScores.load;
  await bench.clock.advance(60_000);
  expect(await top(bench, board)).toEqual([['a', 3]]);
});

test('nobody waits for a loading for ever; that it is not loaded is no want of room', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('a', '1');
  const board = bench.leaderboard({ loadWait: 50, backpressure: { maxWaiters: 0 } });
  await bench.clock.until(board.ready());
  const gate = new Gate();
  bench.onScores.load = async (go) => {
    await gate.pass();
    return go();
  };
  const waiting = outcome(board.add('a', 1));
  const reading = outcome(board.rank('a'));
  await bench.clock.advance(1);
  const later = [board.set('b', 1), board.set('c', 1), board.set('d', 1)].map(outcome);
  expect(await bench.clock.until(Promise.all([waiting, reading]))).toEqual([
    expect.stringMatching(/^MILLRACE_TIMEOUT .*loadWait/),
    expect.stringMatching(/^MILLRACE_TIMEOUT/),
  ]);
  expect(await bench.clock.until(Promise.all(later))).toEqual(['written', 'written', 'written']);
  gate.open();
  expect(await top(bench, board)).toEqual([
    ['a', 1],
    ['b', 1],
    ['c', 1],
    ['d', 1],
  ]);
});

test('so many wait for a loading, and no more', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('a', '1');
  const board = bench.leaderboard({ loadWait: 50 });
  await bench.clock.until(board.ready());
  const gate = new Gate();
  bench.onScores.load = async (go) => {
    await gate.pass();
    return go();
  };
  const first = outcome(board.add('a', 1));
  await bench.clock.advance(1);
  const waiting = Array.from({ length: LOAD_WAITERS_MAX }, () => outcome(board.set('b', 1)));
  expect(await bench.clock.until(waiting.at(-1) as Promise<string>)).toMatch(
    /^MILLRACE_FULL .* 10000 mutations wait for the leaderboard to be loaded already/,
  );
  gate.open();
  expect(await bench.clock.until(Promise.all([first, waiting[0]]))).toEqual(['written', 'written']);
});

test('a page from before a generation that is stored meanwhile is read again, but not for ever', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('a', '1');
  const board = bench.leaderboard();
  await bench.clock.until(board.ready());
  let stale = 4;
  bench.onFront.fillScores = (go) => (stale-- > 0 ? Promise.resolve({ kind: 'stale' }) : go());
  stale = Number.POSITIVE_INFINITY;
  expect(await bench.clock.until(outcome(board.top(1)))).toMatch(
    /^MILLRACE_FRONT_UNAVAILABLE .*flushed again and again/,
  );
  stale = 4;
  expect(await top(bench, board)).toEqual([['a', 1]]);
});

test('a lane that is stopped tells nothing, and takes nothing in', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard();
  await bench.clock.until(board.ready());
  const stopped = { kind: 'stopped', reason: 'it holds a log' } as const;
  bench.answerOnce('readScores', stopped);
  expect(await bench.clock.until(outcome(board.top(1)))).toMatch(
    /^MILLRACE_LANE_STOPPED .*cannot be read: it holds a log/,
  );
  bench.answerOnce('fillScores', stopped);
  expect(await bench.clock.until(outcome(board.top(1)))).toMatch(/^MILLRACE_LANE_STOPPED/);
  bench.answerOnce('writeScores', stopped);
  expect(await bench.clock.until(outcome(board.set('a', 1)))).toMatch(/^MILLRACE_LANE_STOPPED .*takes no writes/);
});

test('a lane that is not recovered is, before it is read, filled, or written to', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('a', '1');
  const board = bench.leaderboard();
  await bench.clock.until(board.ready());
  const unrecovered = { kind: 'unrecovered', header: undefined } as const;
  bench.answerOnce('readScores', unrecovered);
  bench.answerOnce('fillScores', unrecovered);
  expect(await top(bench, board)).toEqual([['a', 1]]);
  bench.answerOnce('writeScores', unrecovered);
  expect((await bench.clock.until(board.add('a', 1))).score).toBe(2);
});

test('what a store refused is read anew', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('a', '1');
  const board = bench.leaderboard({ retry: { attempts: 1 } });
  bench.store.hooks.refuse = ({ key }) => (key === 'b' || key === 'a' ? '23514' : undefined);
  const [receipt] = await bench.clock.until(Promise.all([board.add('a', 9), board.set('b', 9), board.set('c', 9)]));
  await bench.clock.until(board.flush());
  expect(await bench.clock.until(outcome(receipt?.stored()))).toMatch(/^MILLRACE_REJECTED/);
  expect(await top(bench, board)).toEqual([
    ['c', 9],
    ['a', 1],
  ]);
  expect((await bench.clock.until(board.deadLetters.list())).map(({ key, value }) => [key, value])).toEqual([
    ['a', 10],
    ['b', 9],
  ]);
});

test('a board that is loaded by the time it is looked at needs no page', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard();
  expect(await top(bench, board)).toEqual([]);
  let loads = 0;
  bench.onScores.load = (go) => {
    loads++;
    return go();
  };
  bench.answerOnce('readScores', { kind: 'unloaded', epoch: 1, complete: false, cursor: '', doubts: [] });
  expect(await top(bench, board)).toEqual([]);
  expect(loads).toBe(0);
  // Twice: somebody emptied the front between the loading and the reading.
  let call = 0;
  bench.onFront.readScores = (go) =>
    [1, 3].includes((call += 1))
      ? Promise.resolve({ kind: 'unloaded', epoch: 1, complete: false, cursor: '', doubts: [] })
      : go();
  expect(await top(bench, board)).toEqual([]);
  expect(await bench.clock.until(board.stats())).toMatchObject({ misses: 3, hits: 0 });
  expect(call).toBe(5);
});

test('rows that nobody can name are left out, and scores that are none stop the loading', async () => {
  await using bench = new EngineBench({}, 'scores');
  bench.store.rows.set('', '1');
  bench.store.rows.set('x'.repeat(513), '2');
  bench.store.rows.set('a', 'NaN');
  const board = bench.leaderboard();
  const warnings: string[] = [];
  board.on('warning', ({ message }) => warnings.push(message));
  expect(await bench.clock.until(outcome(board.top(1)))).toMatch(/^MILLRACE_VALUE .*"a"/);
  bench.store.rows.set('a', '3');
  expect(await top(bench, board)).toEqual([['a', 3]]);
  expect(warnings.filter((message) => message.includes('not on the leaderboard')).length).toBeGreaterThanOrEqual(2);
});

test('a page of changes may bring one again, and what is gone is told as lost', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard();
  const losses: number[] = [];
  board.on('loss', ({ count }) => losses.push(count));
  await bench.clock.until(Promise.all([board.set('a', 1), board.set('b', 2), board.set('c', 3)]));
  bench.onFront.readFlightScores = async (_go, _lane, _epoch, _generation, cursor) =>
    cursor === ''
      ? {
          kind: 'changes',
          rows: [
            ['a', -1],
            ['b', -2],
          ],
          next: 'again',
        }
      : { kind: 'changes', rows: [['b', -2]], next: '' };
  await bench.clock.until(board.flush());
  expect([rows(bench), losses]).toEqual([{ a: '1', b: '2' }, [1]]);
});

test('who has lost the lane to another worker stores nothing', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard();
  await bench.clock.until(board.set('a', 1));
  bench.answerOnce('readFlightScores', { kind: 'refused', epoch: 2 });
  await bench.clock.until(board.flush());
  expect(rows(bench)).toEqual({ a: '1' });
});

test('a store that was said to hold a leaderboard and has no scores is found out', async () => {
  await using bench = new EngineBench({}, 'scores');
  const store: Store = {
    kind: 'memory',
    capabilities: bench.store.capabilities,
    holds: 'scores',
    attach: (attachment) => new MemoryStore().attach(attachment),
  };
  expect(await bench.clock.until(outcome(bench.leaderboard({ store }).top(1)))).toMatch(
    /^MILLRACE_INTERNAL .*no scores/,
  );
});

test('a flush and a closing wait for scores that are on their way', async () => {
  await using bench = new EngineBench({}, 'scores');
  const board = bench.leaderboard();
  await bench.clock.until(board.ready());
  const added = board.add('a', 1);
  await Promise.resolve();
  await bench.clock.until(board.flush());
  expect(rows(bench)).toEqual({ a: '1' });
  const last = board.add('a', 1);
  await Promise.resolve();
  await bench.clock.until(board.close());
  expect(rows(bench)).toEqual({ a: '2' });
  await Promise.all([added, last]);
});
