import { describe, expect, test } from 'vitest';
import {
  fillTotals,
  type IncrementBatch,
  increment,
  type LoadedTotals,
  readDeltas,
  SUM_MAX,
} from '../../src/core/lane-deltas.ts';
import { recover } from '../../src/core/lane-recover.ts';
import { invalidate } from '../../src/core/lane-slots.ts';
import { ENV, Lane, recovery, T0 } from './lane-fixture.ts';

function counters(shape = 'counters'): Lane {
  const lane = new Lane();
  recover(lane.table, recovery({}, { shape }));
  return lane;
}

function add(lane: Lane, sums: Readonly<Record<string, bigint>>, over: Partial<IncrementBatch> = {}) {
  const keys = Object.keys(sums);
  return increment(lane.table, ENV, {
    accepted: keys.length,
    keys,
    sums: Object.values(sums),
    wanted: keys.map(() => false),
    shape: 'counters',
    limit: SUM_MAX,
    mayExpire: false,
    bytes: 16 * keys.length,
    maxEntries: 100,
    maxBytes: 1_000,
    ...over,
  });
}

const fill = (lane: Lane, stored: Readonly<Record<string, bigint>>, over: Partial<LoadedTotals> = {}) =>
  fillTotals(lane.table, ENV, {
    keys: Object.keys(stored),
    stored: Object.values(stored),
    generation: lane.header.generation,
    epoch: lane.header.epoch,
    invalidations: lane.header.invalidations,
    shape: 'counters',
    limit: SUM_MAX,
    ttlMs: undefined,
    ...over,
  });

const inFlight = (lane: Lane) => readDeltas(lane.table, 'run', 1, lane.header.generation, '', 10);

describe('increment', () => {
  test('sums up what is pending of a key, and numbers each increment', () => {
    const lane = counters();
    expect(add(lane, { a: 2n, b: 1n }, { accepted: 3 })).toEqual({
      kind: 'accepted',
      seq: 3,
      epoch: 1,
      pending: 2,
      entries: 2,
      bytes: 32,
      totals: [undefined, undefined],
    });
    expect(add(lane, { a: -5n })).toMatchObject({ kind: 'accepted', seq: 4, pending: 2, bytes: 32 });
    expect([lane.table.shapes.counters.readPending('a'), lane.table.shapes.counters.readPending('b')]).toEqual([
      -3n,
      1n,
    ]);
    lane.cut();
    expect(inFlight(lane)).toEqual({
      kind: 'deltas',
      rows: [
        ['a', -3n],
        ['b', 1n],
      ],
      next: '',
    });
  });

  test('remembers since when the oldest is pending', () => {
    const lane = counters();
    add(lane, { a: 1n });
    lane.table.nowMs = T0 + 5;
    add(lane, { b: 1n });
    expect(lane.header.pendingSinceMs).toBe(T0);
  });

  test('an empty batch changes nothing', () => {
    const lane = counters();
    const before = lane.header;
    expect(add(lane, {})).toMatchObject({ kind: 'accepted', seq: 0, pending: 0, bytes: 0, totals: [] });
    expect(lane.header).toEqual(before);
  });

  test('keeps a known total in step with its expiry, and tells it where it is wanted', () => {
    const lane = counters();
    fill(lane, { a: 10n, b: 20n }, { ttlMs: 50 });
    expect(add(lane, { a: 1n, b: 2n }, { wanted: [true, false] })).toMatchObject({ totals: [11n, undefined] });
    expect(lane.slots('a', 'b')).toEqual(['11', '22']);
    expect(lane.table.readExpiry('a')).toBe(T0 + 50);
  });

  test('adds nothing while a wanted total is not known', () => {
    const lane = counters();
    expect(add(lane, { a: 1n, b: 1n }, { wanted: [false, true] })).toEqual({
      kind: 'unsettled',
      unknown: [1],
      beyond: [],
    });
    expect(lane.header.seq).toBe(0);
    expect(lane.table.shapes.counters.readPending('a')).toBeUndefined();
  });

  test('keeps deltas and totals within the limit', () => {
    const lane = counters();
    add(lane, { a: 90n }, { limit: 100n });
    fill(lane, { b: -95n }, { limit: 100n });
    expect(add(lane, { a: 11n, b: -6n, c: 100n }, { limit: 100n })).toEqual({
      kind: 'unsettled',
      unknown: [],
      beyond: [0, 1],
    });
    expect(add(lane, { a: 10n, b: -5n }, { limit: 100n })).toMatchObject({ kind: 'accepted' });
  });

  test('takes no new key above the bounds, but more of a key that is pending', () => {
    const lane = counters();
    add(lane, { a: 1n });
    expect(add(lane, { a: 1n, b: 1n, c: 1n }, { maxEntries: 2 })).toEqual({
      kind: 'full',
      entries: 1,
      bytes: 16,
      refused: [2],
    });
    expect(add(lane, { b: 1n }, { maxBytes: 20 })).toEqual({ kind: 'full', entries: 1, bytes: 16, refused: [0] });
    expect(add(lane, { a: 1n }, { maxBytes: 20 })).toMatchObject({ kind: 'accepted', entries: 1 });
    expect(add(lane, { a: 1n }, { maxEntries: 0 })).toMatchObject({ kind: 'accepted', entries: 1 });
  });

  test.each([
    ['', 'it holds documents, not counters'],
    ['log', 'it holds a log, not counters'],
    ['counters.2', 'it holds counters with 2 decimals, not counters'],
  ])('refuses a lane of shape "%s"', (shape, reason) => {
    expect(add(counters(shape), { a: 1n })).toEqual({ kind: 'stopped', reason });
    expect(fill(counters(shape), { a: 1n })).toEqual({ kind: 'stopped', reason });
  });

  test('refuses a lane that is stopped, or not as the caller believes', () => {
    const lane = counters();
    lane.table.writeHeader({ ...lane.header, stopped: 'why' });
    expect(add(lane, { a: 1n })).toEqual({ kind: 'stopped', reason: 'why' });
    expect(fill(lane, { a: 1n })).toEqual({ kind: 'totals', totals: [1n] });
    expect(fill(lane, { b: 1n }, { generation: 7 })).toEqual({ kind: 'stopped', reason: 'why' });
    lane.table.writeHeader({ ...lane.header, incarnation: 'another' });
    expect(add(lane, { a: 1n })).toEqual({ kind: 'unrecovered', header: lane.header });
    expect(fill(lane, { a: 1n })).toEqual({ kind: 'unrecovered', header: lane.header });
  });
});

describe('fillTotals', () => {
  test('adds what is in flight if what was loaded is from before it, and what is pending always', () => {
    const lane = counters();
    add(lane, { a: 1n });
    lane.cut();
    add(lane, { a: 2n });
    expect(fill(lane, { a: 100n, b: 7n }, { generation: 0 })).toEqual({ kind: 'totals', totals: [103n, 7n] });
    expect(lane.slots('a', 'b')).toEqual(['103', '7']);
  });

  test('leaves out what is in flight if the store has it already', () => {
    const lane = counters();
    add(lane, { a: 1n });
    lane.cut();
    add(lane, { a: 2n });
    expect(fill(lane, { a: 101n }, { generation: 1 })).toEqual({ kind: 'totals', totals: [103n] });
  });

  test('a total that is there wins, whoever loaded another', () => {
    const lane = counters();
    fill(lane, { a: 5n });
    add(lane, { a: 1n });
    expect(fill(lane, { a: 99n })).toEqual({ kind: 'totals', totals: [6n] });
  });

  test.each([-1, 1, 2])('what was loaded %i generations off is stale', (off) => {
    const lane = counters();
    add(lane, { a: 1n });
    lane.cut();
    lane.acknowledge();
    expect(fill(lane, { a: 1n }, { generation: 1 + off })).toEqual({ kind: 'stale' });
    expect(lane.slots('a')).toEqual([undefined]);
  });

  test.each([{ invalidations: 0 }, { epoch: 0 }, { epoch: 2 }])(
    'what was loaded before totals were invalidated is stale: %o',
    (before) => {
      const lane = counters();
      invalidate(lane.table, ENV, ['b']);
      expect(lane.header.invalidations).toBe(1);
      expect(fill(lane, { a: 1n }, before)).toEqual({ kind: 'stale' });
      expect(fill(lane, { a: 1n })).toEqual({ kind: 'totals', totals: [1n] });
    },
  );

  test('forgetting what was refused invalidates totals, and nothing else of acknowledging does', () => {
    const lane = counters('counters.2');
    add(lane, { a: 1n }, { shape: 'counters.2' });
    lane.cut();
    lane.acknowledge({ deadKeys: ['a'], limit: 0 });
    expect(lane.header).toMatchObject({ invalidations: 1, flight: { state: 'cut' } });
    lane.acknowledge();
    expect(lane.header).toMatchObject({ invalidations: 1, flight: undefined });
  });

  test('a total beyond the limit is none', () => {
    const lane = counters();
    add(lane, { a: 60n, b: SUM_MAX });
    expect(fill(lane, { a: 50n }, { limit: 100n })).toEqual({ kind: 'totals', totals: [undefined] });
    lane.cut();
    expect(fill(lane, { b: SUM_MAX }, { generation: 0 })).toEqual({ kind: 'totals', totals: [undefined] });
    expect(lane.slots('a', 'b')).toEqual([undefined, undefined]);
  });
});

test('a page of deltas is given to whoever has the generation', () => {
  const lane = counters();
  add(lane, { a: 1n });
  lane.cut();
  expect(readDeltas(lane.table, 'run', 2, 1, '', 10)).toEqual({ kind: 'refused', epoch: 1 });
  expect(readDeltas(lane.table, 'another', 1, 1, '', 10)).toEqual({ kind: 'refused', epoch: 1 });
  expect(readDeltas(lane.table, 'run', 1, 2, '', 10)).toEqual({ kind: 'refused', epoch: 1 });
  expect(readDeltas(new Lane().table, 'run', 1, 1, '', 10)).toEqual({ kind: 'refused', epoch: 0 });
});
