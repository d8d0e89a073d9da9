import { describe, expect, test } from 'vitest';
import { recover } from '../../src/core/lane-recover.ts';
import {
  doubtScores,
  fillScores,
  type LoadedScores,
  readFlightScores,
  readScores,
  type ScoreBatch,
  type ScoreOp,
  turned,
  WEIGHT_MAX,
  writeScores,
} from '../../src/core/lane-scores.ts';
import type { Unloaded } from '../../src/core/score-table.ts';
import { ENV, Lane, recovery, T0 } from './lane-fixture.ts';

type Op = readonly [op: ScoreOp, member: string, weight?: number];
type Rows = readonly (readonly [string, number])[];

function board(rows?: Rows, shape = 'scores'): Lane {
  const lane = new Lane();
  recover(lane.table, recovery({}, { shape }));
  if (rows !== undefined) load(lane, rows);
  return lane;
}

function act(lane: Lane, ops: readonly Op[], over: Partial<ScoreBatch> = {}) {
  const members = ops.map(([, member]) => member);
  return writeScores(lane.table, ENV, {
    ops: ops.map(([op]) => op),
    members,
    weights: ops.map(([, , weight = 0]) => weight),
    shape: 'scores',
    bytes: 16 * new Set(members).size,
    maxEntries: 100,
    maxBytes: 1_000,
    ...over,
  });
}

const fill = (lane: Lane, loaded: Partial<LoadedScores>) =>
  fillScores(lane.table, ENV, {
    generation: lane.header.generation,
    epoch: lane.header.epoch,
    shape: 'scores',
    ...loaded,
  });
const load = (lane: Lane, rows: Rows, over: Partial<LoadedScores> = {}) =>
  fill(lane, { page: { from: '', next: undefined, rows }, ...over });
const range = (lane: Lane) => readScores(lane.table, ENV, 'scores', { kind: 'range', from: 0, count: 10 });
const inFlight = (lane: Lane) => readFlightScores(lane.table, 'run', 1, lane.header.generation, '', 10);

describe('writeScores', () => {
  test('does what is asked in its order, and numbers what changes something', () => {
    const lane = board([['a', 5]]);
    expect(
      act(lane, [
        ['add', 'a', 1],
        ['best', 'a', 2],
        ['best', 'a', 3],
        ['set', 'b', 4],
        ['remove', 'b'],
        ['add', 'c', -1],
        ['best', 'd', 9],
      ]),
    ).toEqual({
      kind: 'accepted',
      seq: 6,
      epoch: 1,
      pending: 4,
      entries: 4,
      bytes: 64,
      accepted: 6,
      outcomes: [6, 2, 2, 4, undefined, -1, 9],
    });
    expect(range(lane)).toEqual({
      kind: 'rows',
      first: 0,
      rows: [
        ['c', -1],
        ['a', 2],
        ['d', 9],
      ],
    });
    lane.cut();
    expect(inFlight(lane)).toEqual({
      kind: 'scores',
      rows: [
        ['a', 2],
        ['b', null],
        ['c', -1],
        ['d', 9],
      ],
      next: '',
    });
  });

  test('remembers since when the oldest is pending', () => {
    const lane = board([]);
    act(lane, [['set', 'a', 1]]);
    lane.table.nowMs = T0 + 5;
    act(lane, [['set', 'b', 1]]);
    expect(lane.header.pendingSinceMs).toBe(T0);
    lane.cut();
    act(lane, [['set', 'a', 2]]);
    expect(lane.header.pendingSinceMs).toBe(T0 + 5);
  });

  test('what changes nothing leaves the lane as it is', () => {
    const lane = board([['a', 5]]);
    const before = lane.header;
    expect(
      act(lane, [
        ['best', 'a', 7],
        ['add', 'a', 0],
        ['remove', 'nobody'],
      ]),
    ).toMatchObject({ seq: 0, accepted: 0, bytes: 0, outcomes: [5, 5, undefined] });
    expect(act(lane, [])).toMatchObject({ accepted: 0, outcomes: [] });
    expect(lane.header).toBe(before);
  });

  test('what changes nothing after a cut stands where the last mutation does', () => {
    const lane = board([]);
    act(lane, [['set', 'a', 1]]);
    lane.cut();
    expect(act(lane, [['best', 'a', 2]])).toMatchObject({ seq: 1, accepted: 0 });
    expect(act(lane, [['set', 'b', 2]])).toMatchObject({ seq: 3 });
    expect(act(lane, [['best', 'a', 2]])).toMatchObject({ seq: 3, accepted: 0 });
  });

  test('refuses by itself what would leave the limit', () => {
    const lane = board([['a', WEIGHT_MAX]]);
    expect(
      act(lane, [
        ['add', 'a', 1],
        ['add', 'a', -1],
        ['add', 'b', -WEIGHT_MAX],
        ['add', 'b', -1],
      ]),
    ).toMatchObject({ accepted: 2, outcomes: ['beyond', WEIGHT_MAX - 1, -WEIGHT_MAX, 'beyond'] });
  });

  test('of a board that is not loaded takes what does not depend on it', () => {
    const lane = board();
    for (const op of ['add', 'best'] as const)
      expect(
        act(lane, [
          ['set', 'a', 1],
          [op, 'b', 1],
        ]),
      ).toEqual({ kind: 'unloaded', epoch: 1, complete: false, cursor: '', doubts: [] });
    expect(
      act(lane, [
        ['set', 'a', 1],
        ['remove', 'b'],
        ['remove', 'a'],
      ]),
    ).toMatchObject({ accepted: 3, pending: 2 });
    expect(range(lane)).toMatchObject({ kind: 'unloaded' });
  });

  test('takes no new member above the bounds, but changes of one that is pending', () => {
    const lane = board([]);
    act(lane, [['set', 'a', 1]]);
    expect(
      act(
        lane,
        [
          ['set', 'a', 1],
          ['set', 'b', 1],
          ['set', 'c', 1],
        ],
        { maxEntries: 2 },
      ),
    ).toEqual({ kind: 'full', entries: 1, bytes: 16, refused: [2] });
    const tooLong = act(lane, [['set', 'b', 1]], { maxBytes: 20 });
    expect(tooLong).toEqual({ kind: 'full', entries: 1, bytes: 16, refused: [0] });
    expect(act(lane, [['set', 'a', 2]], { maxBytes: 20, maxEntries: 0 })).toMatchObject({
      kind: 'accepted',
      entries: 1,
    });
  });

  test.each([
    ['', 'it holds documents, not a leaderboard'],
    ['scores.asc', 'it holds a leaderboard with the lowest first, not a leaderboard'],
  ])('refuses a lane of shape "%s"', (shape, reason) => {
    const lane = board(undefined, shape);
    expect(act(lane, [['set', 'a', 1]])).toEqual({ kind: 'stopped', reason });
    expect(fill(lane, {})).toEqual({ kind: 'stopped', reason });
    expect(range(lane)).toEqual({ kind: 'stopped', reason });
  });

  test('refuses a lane that is stopped, or not as the caller believes', () => {
    const lane = board();
    lane.table.writeHeader({ ...lane.header, stopped: 'why' });
    expect(act(lane, [['set', 'a', 1]])).toEqual({ kind: 'stopped', reason: 'why' });
    lane.table.writeHeader({ ...lane.header, incarnation: 'another' });
    const unrecovered = { kind: 'unrecovered', header: lane.header };
    expect(act(lane, [['set', 'a', 1]])).toEqual(unrecovered);
    expect(fill(lane, {})).toEqual(unrecovered);
    expect(range(lane)).toEqual(unrecovered);
    expect(doubtScores(lane.table, ENV, ['a'])).toEqual(unrecovered);
  });
});

describe('fillScores', () => {
  test('is told what was loaded in another epoch, and that a lane is stopped whose generation the store lacks', () => {
    const lane = board();
    expect(fill(lane, { epoch: 0 })).toEqual({ kind: 'stale' });
    expect(fill(lane, { generation: 7 })).toEqual({ kind: 'stale' });
    lane.table.writeHeader({ ...lane.header, stopped: 'why' });
    expect(fill(lane, { generation: 7 })).toEqual({ kind: 'stopped', reason: 'why' });
  });

  test('takes pages one after the other', () => {
    const lane = board();
    expect(
      fill(lane, {
        page: {
          from: '',
          next: 'b',
          rows: [
            ['a', 1],
            ['b', 2],
          ],
        },
      }),
    ).toEqual({ kind: 'filled', epoch: 1, complete: false, cursor: 'b', doubts: [] });
    expect(fill(lane, { page: { from: '', next: undefined, rows: [['x', 1]] } })).toMatchObject({
      complete: false,
      cursor: 'b',
    });
    expect(fill(lane, { page: { from: 'b', next: undefined, rows: [] } })).toMatchObject({ complete: true });
    expect(fill(lane, { page: { from: '', next: 'q', rows: [['x', 1]] } })).toMatchObject({ complete: true });
    expect(range(lane)).toEqual({
      kind: 'rows',
      first: 0,
      rows: [
        ['a', 1],
        ['b', 2],
      ],
    });
  });

  test('leaves alone what is pending, and what is in flight unless the rows have it', () => {
    const lane = board();
    act(lane, [
      ['set', 'flight', 1],
      ['remove', 'gone'],
    ]);
    lane.cut();
    act(lane, [['set', 'pending', 2]]);
    const rows: Rows = [
      ['flight', 100],
      ['gone', 100],
      ['pending', 100],
      ['row', 100],
    ];
    load(lane, rows, { generation: 0 });
    expect(range(lane)).toMatchObject({
      rows: [
        ['flight', 1],
        ['pending', 2],
        ['row', 100],
      ],
    });
  });

  test('rows from after the commit are as good', () => {
    const lane = board();
    act(lane, [['set', 'a', 1]]);
    lane.cut();
    load(
      lane,
      [
        ['a', 1],
        ['b', 3],
      ],
      { generation: 1 },
    );
    expect(range(lane)).toMatchObject({
      rows: [
        ['a', 1],
        ['b', 3],
      ],
    });
  });

  test.each([-1, 1])('what was loaded %i generations off is stale', (off) => {
    const lane = board();
    act(lane, [['set', 'a', 1]]);
    lane.cut();
    lane.acknowledge();
    expect(load(lane, [], { generation: 1 + off })).toEqual({ kind: 'stale' });
  });

  test('what was loaded in another epoch is stale', () => {
    const lane = board();
    expect(load(lane, [['a', 1]], { epoch: lane.header.epoch - 1 })).toEqual({ kind: 'stale' });
  });

  test('settles the doubts that it knows', () => {
    const lane = board([
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ]);
    act(lane, [['set', 'b', 2]]);
    lane.cut();
    act(lane, [['set', 'c', 2]]);
    doubtScores(lane.table, ENV, ['a', 'b', 'c', 'd']);
    const result = range(lane);
    expect(result).toMatchObject({
      kind: 'unloaded',
      epoch: 1,
      complete: true,
      doubts: [
        ['a', expect.any(String)],
        ['d', expect.any(String)],
      ],
    });
    const doubts = (result as Unloaded).doubts.map(([member, token]) => ({
      member,
      token,
      weight: member === 'a' ? 7 : undefined,
    }));
    doubtScores(lane.table, ENV, ['d']);
    expect(fill(lane, { doubts })).toMatchObject({ complete: true, doubts: [['d', expect.any(String)]] });
    expect(lane.table.scores.readWeight('a')).toBe(7);
  });
});

test('a refused score is in doubt, unless a later one replaces it', () => {
  const lane = board([
    ['a', 1],
    ['b', 1],
  ]);
  act(lane, [
    ['set', 'a', 2],
    ['set', 'b', 2],
  ]);
  lane.cut();
  act(lane, [['set', 'b', 3]]);
  lane.acknowledge({ deadKeys: ['a', 'b', 'nobody'] });
  expect(range(lane)).toMatchObject({ kind: 'unloaded', doubts: [['a', expect.any(String)]] });
});

describe('readScores', () => {
  const lane = board([
    ['a', 1],
    ['b', 2],
    ['c', 2],
    ['d', 3],
  ]);
  const read = (query: Parameters<typeof readScores>[3]) => readScores(lane.table, ENV, 'scores', query);

  test('gives ranges, surroundings and scores', () => {
    expect(read({ kind: 'range', from: 1, count: 2 })).toEqual({
      kind: 'rows',
      first: 1,
      rows: [
        ['b', 2],
        ['c', 2],
      ],
    });
    expect(read({ kind: 'around', member: 'd', count: 1 })).toEqual({
      kind: 'rows',
      first: 2,
      rows: [
        ['c', 2],
        ['d', 3],
      ],
    });
    expect(read({ kind: 'around', member: 'a', count: 1 })).toEqual({
      kind: 'rows',
      first: 0,
      rows: [
        ['a', 1],
        ['b', 2],
      ],
    });
    expect(read({ kind: 'around', member: 'x', count: 1 })).toEqual({ kind: 'rows', first: 0, rows: [] });
    expect(read({ kind: 'scores', members: ['x', 'c'] })).toEqual({ kind: 'rows', first: 0, rows: [['c', 2]] });
  });
});

test('a page of changes is given to whoever has the generation', () => {
  const lane = board([]);
  act(lane, [['set', 'a', 1]]);
  lane.cut();
  expect(readFlightScores(lane.table, 'run', 2, 1, '', 10)).toEqual({ kind: 'refused', epoch: 1 });
  expect(readFlightScores(new Lane().table, 'run', 1, 1, '', 10)).toEqual({ kind: 'refused', epoch: 0 });
});

test.each([
  ['scores', 5, -5],
  ['scores', -0.5, 0.5],
  ['scores', 0, 0],
  ['scores.asc', 5, 5],
] as const)('in a lane of shape %s the weight of %d is %d', (shape, score, weight) => {
  expect(turned(shape, score)).toBe(weight);
  expect(turned(shape, weight)).toBe(score);
});
