import { describe, expect, test } from 'vitest';
import { bytesOf, entriesOf, oldestSinceMs } from '../../src/core/lane.ts';
import { write } from '../../src/core/lane-write.ts';
import { Lane, T0 } from './lane-fixture.ts';

describe('write', () => {
  test('refuses a lane that is not as the caller believes', () => {
    const batch = { accepted: 1, keys: ['a'], slots: ['1'], ttls: undefined, maxEntries: 9, maxBytes: 9 };
    const unknown = new Lane();
    expect(unknown.tryWrite({ a: '1' })).toEqual({ kind: 'unrecovered', header: undefined });
    const lane = Lane.recovered();
    for (const env of [
      { runId: 'another', incarnation: 'first' },
      { runId: 'run', incarnation: 'another' },
    ]) {
      expect(write(lane.table, env, batch)).toEqual({ kind: 'unrecovered', header: lane.header });
    }
    expect(lane.slots('a')).toEqual([undefined]);
  });

  test('refuses a stopped lane', () => {
    const lane = Lane.recovered();
    lane.table.writeHeader({ ...lane.header, stopped: 'why' });
    expect(lane.tryWrite({ a: '1' })).toEqual({ kind: 'stopped', reason: 'why' });
  });

  test('a pending key whose value was removed behind its back counts with what is written now', () => {
    const lane = Lane.recovered();
    lane.write({ a: '1' });
    lane.table.removeSlot('a');
    expect(lane.write({ a: '333' })).toMatchObject({ pending: 1, entries: 1, bytes: 4 });
    expect(lane.slots('a')).toEqual(['333']);
    lane.table.removeSlot('a');
    expect(lane.tryWrite({ a: '55' }, { maxBytes: 5 })).toEqual({ kind: 'full', entries: 1, bytes: 4, refused: [0] });
    expect(lane.tryWrite({ a: '55' }, { maxBytes: 6 })).toMatchObject({ kind: 'accepted', bytes: 6 });
  });

  test('gives each mutation a seq and counts each key once', () => {
    const lane = Lane.recovered();
    expect(lane.write({ a: '1', b: '22' }, { accepted: 5 })).toEqual({
      kind: 'accepted',
      seq: 5,
      epoch: 1,
      pending: 2,
      entries: 2,
      bytes: 3,
    });
    lane.table.nowMs += 10;
    expect(lane.write({ a: '333', c: '333' })).toEqual({
      kind: 'accepted',
      seq: 7,
      epoch: 1,
      pending: 3,
      entries: 3,
      bytes: 8,
    });
    expect(lane.header).toMatchObject({ pendingEntries: 3, pendingBytes: 8, pendingSinceMs: T0, pendingTombstones: 0 });
    expect(lane.write({}, { accepted: 0 })).toMatchObject({ seq: 7, bytes: 8 });
  });

  test('never counts too few tombstones', () => {
    const lane = Lane.recovered();
    lane.write({ a: '~', b: '1' });
    lane.write({ a: '1' });
    expect(lane.header.pendingTombstones).toBe(1);
  });

  test.each([
    { limit: { maxEntries: 2 }, rows: { a: '9', b: '9' }, result: { kind: 'accepted' } },
    {
      limit: { maxEntries: 2 },
      rows: { a: '9', c: '9' },
      result: { kind: 'full', entries: 2, bytes: 2, refused: [1] },
    },
    {
      limit: { maxEntries: 3 },
      rows: { c: '9', d: '9' },
      result: { kind: 'full', entries: 2, bytes: 2, refused: [1] },
    },
    { limit: { maxEntries: 3 }, rows: { a: '9', c: '9' }, result: { kind: 'accepted' } },
    { limit: { maxEntries: 1 }, rows: { c: '9' }, result: { kind: 'full', entries: 2, bytes: 2, refused: [0] } },
    { limit: { maxEntries: 1 }, rows: { a: '9', b: '9' }, result: { kind: 'accepted' } },
    { limit: { maxBytes: 2 }, rows: { a: '99' }, result: { kind: 'full', entries: 2, bytes: 2, refused: [0] } },
    { limit: { maxBytes: 3 }, rows: { a: '99' }, result: { kind: 'accepted' } },
    { limit: { maxBytes: 1 }, rows: { a: '9', b: '' }, result: { kind: 'accepted' } },
    {
      limit: { maxBytes: 4 },
      rows: { c: '99', d: '9', a: '999', b: '' },
      result: { kind: 'full', entries: 2, bytes: 2, refused: [1, 2] },
    },
    { limit: { maxBytes: 2 }, rows: { c: '9' }, result: { kind: 'full', entries: 2, bytes: 2, refused: [0] } },
    { limit: { maxBytes: 3 }, rows: { c: '9' }, result: { kind: 'accepted' } },
  ])('with $limit, $rows is $result.kind', ({ limit, rows, result }) => {
    const lane = Lane.recovered();
    lane.write({ a: '1', b: '1' });
    const before = lane.header;
    expect(lane.tryWrite(rows as unknown as Record<string, string>, limit)).toMatchObject(result);
    expect(lane.header === before, 'nothing is written unless all is').toBe(result.kind === 'full');
  });

  test('keeps the value of the cut once, and only while the store may not have it', () => {
    const lane = Lane.recovered();
    lane.write({ a: '1', b: '1', c: '1' });
    lane.cut();
    lane.write({ a: '2' });
    lane.write({ a: '3' });
    expect(lane.generation().toSorted()).toEqual([
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ]);
    lane.acknowledge({ limit: 1, ttlMs: 5 });
    lane.write({ b: '2', c: '2' });
    expect(lane.table.scanFrozen('', 10).rows).toEqual([]);
    expect(lane.acknowledge({ ttlMs: 5 }).kind).toBe('done');
    expect(lane.slots('a', 'b', 'c')).toEqual(['3', '2', '2']);
  });

  test('freezes nothing for a key whose value was removed behind its back', () => {
    const lane = Lane.recovered();
    lane.write({ a: '1' });
    lane.cut();
    lane.table.removeSlot('a');
    expect(lane.generation()).toEqual([['a', undefined]]);
    lane.write({ a: '2' });
    expect(lane.generation()).toEqual([]);
  });

  test('takes the expiry of a slot away, and an expiry of its own with the value it belonged to', () => {
    const lane = Lane.recovered();
    lane.table.writeSlot('a', '0', T0 + 5);
    lane.write({ a: '1', b: '1' }, { ttls: new Map([[1, 70]]) });
    expect(lane.table.readExpiry('a')).toBeUndefined();
    lane.write({ a: '2', b: '2' }, { ttls: new Map([[0, 90]]) });
    lane.cut();
    lane.acknowledge();
    expect([lane.table.readExpiry('a'), lane.table.readExpiry('b')]).toEqual([T0 + 90, undefined]);
  });
});

test('what occupies a lane, and since when, counts the flight until it is stored', () => {
  const lane = Lane.recovered();
  const figures = () => [entriesOf(lane.header), bytesOf(lane.header), oldestSinceMs(lane.header)];
  expect(figures()).toEqual([0, 0, 0]);
  lane.write({ a: '11', b: '11' });
  expect(figures()).toEqual([2, 4, T0]);
  lane.cut();
  lane.table.nowMs = T0 + 7;
  lane.write({ a: '222' });
  expect(figures()).toEqual([3, 7, T0]);
  lane.acknowledge({ limit: 1, ttlMs: 5 });
  expect(lane.header.flight?.state).toBe('stored');
  expect(figures()).toEqual([1, 3, T0 + 7]);
});
