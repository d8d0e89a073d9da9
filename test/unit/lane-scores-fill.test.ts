import { describe, expect, test } from 'vitest';
import { doubtScores } from '../../src/core/lane-scores.ts';
import type { Unloaded } from '../../src/core/score-table.ts';
import { ENV } from './lane-fixture.ts';
import { act, board, fill, load, type Rows, range } from './lane-scores-fixture.ts';

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
    expect(lane.table.shapes.scores.readWeight('a')).toBe(7);
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
