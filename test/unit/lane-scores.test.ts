import { describe, expect, test } from 'vitest';
import { doubtScores, readFlightScores, readScores, turned, WEIGHT_MAX } from '../../src/core/lane-scores.ts';
import { ENV, Lane, T0 } from './lane-fixture.ts';
import { act, board, fill, inFlight, range } from './lane-scores-fixture.ts';

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
      kind: 'changes',
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
    expect(read({ kind: 'members', members: ['x', 'c'] })).toEqual({ kind: 'rows', first: 0, rows: [['c', 2]] });
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
