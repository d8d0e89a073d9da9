import { describe, expect, test } from 'vitest';
import { claim, readGeneration, release, requestFlush } from '../../src/core/lane-flush.ts';
import { ENV, Lane, T0 } from './lane-fixture.ts';

const STALE = { runId: 'another', incarnation: 'first' };

describe('claim and release', () => {
  test.each([
    { owner: '', untilMs: 0, held: true },
    { owner: 'me', untilMs: T0 + 9, held: true },
    { owner: 'you', untilMs: T0 + 1, held: false },
    { owner: 'you', untilMs: T0, held: true },
    { owner: 'you', untilMs: T0 - 1, held: true },
  ])('of "$owner" until $untilMs: $held', ({ owner, untilMs, held }) => {
    const lane = Lane.recovered();
    lane.table.writeHeader({ ...lane.header, owner, leaseUntilMs: untilMs });
    const before = lane.header;
    const result = claim(lane.table, ENV, 'me', 100);
    expect(result).toMatchObject({
      kind: 'claimed',
      held,
      header: held ? { owner: 'me', leaseUntilMs: T0 + 100 } : before,
    });
    expect(lane.header).toEqual((result as { header: unknown }).header);
  });

  test('only the owner gives a lease back', () => {
    const lane = Lane.recovered();
    release(lane.table, 'you');
    expect(lane.header).toMatchObject({ owner: 'me', leaseUntilMs: T0 + 500 });
    release(lane.table, 'me');
    expect(lane.header).toMatchObject({ owner: '', leaseUntilMs: 0 });
    const unknown = new Lane();
    release(unknown.table, 'me');
    expect(unknown.table.readHeader()).toBeUndefined();
  });

  test('a lane that is not as believed is neither claimed nor asked to flush', () => {
    const lane = Lane.recovered();
    const unrecovered = { kind: 'unrecovered', header: lane.header };
    expect(claim(lane.table, STALE, 'you', 100)).toEqual(unrecovered);
    expect(requestFlush(lane.table, STALE)).toEqual(unrecovered);
  });

  test('a flush is asked for up to the present seq', () => {
    const lane = Lane.recovered();
    lane.write({ a: '1', b: '1' });
    expect(requestFlush(lane.table, ENV)).toEqual({ kind: 'requested', seq: 2, header: lane.header });
    lane.write({ a: '2' });
    expect(lane.header).toMatchObject({ flushSeq: 2, seq: 3 });
  });
});

describe('cut', () => {
  test('is refused, stopped, unrecovered or empty, in this order', () => {
    expect(new Lane().tryCut()).toEqual({ kind: 'unrecovered', header: undefined });
    const lane = Lane.recovered();
    expect(lane.tryCut()).toEqual({ kind: 'empty', storedSeq: 0, seq: 0 });
    lane.write({ a: '1' });
    lane.table.writeHeader({ ...lane.header, stopped: 'why' });
    expect(lane.tryCut(2)).toEqual({ kind: 'refused', epoch: 1 });
    expect(lane.tryCut(1)).toEqual({ kind: 'stopped', reason: 'why' });
  });

  test('takes a seq of its own and starts the pending anew', () => {
    const lane = Lane.recovered();
    lane.write({ a: '11', b: '~' });
    const flight = lane.cut('digest');
    expect(flight).toEqual({
      generation: 1,
      cutSeq: 3,
      digest: 'digest',
      entries: 2,
      bytes: 3,
      tombstones: 1,
      sinceMs: T0,
      state: 'cut',
    });
    expect(lane.header).toMatchObject({
      seq: 3,
      generation: 1,
      flight,
      storedSeq: 0,
      pendingEntries: 0,
      pendingBytes: 0,
      pendingTombstones: 0,
      pendingSinceMs: 0,
    });
    lane.write({ c: '1' });
    expect(lane.tryCut(1, 'again')).toEqual({ kind: 'cut', flight });
  });
});

describe('readGeneration', () => {
  test('is refused for whom it does not belong to', () => {
    expect(readGeneration(new Lane().table, 'run', 1, 1, '', 9)).toEqual({ kind: 'refused', epoch: 0 });
    const lane = Lane.recovered();
    lane.write({ a: '1' });
    expect(readGeneration(lane.table, 'run', 1, 1, '', 9)).toEqual({ kind: 'refused', epoch: 1 });
    lane.cut();
    expect(readGeneration(lane.table, 'run', 2, 1, '', 9)).toEqual({ kind: 'refused', epoch: 1 });
    expect(readGeneration(lane.table, 'run', 1, 2, '', 9)).toEqual({ kind: 'refused', epoch: 1 });
    expect(readGeneration(lane.table, 'next run', 1, 1, '', 9)).toEqual({ kind: 'refused', epoch: 1 });
    expect(readGeneration(lane.table, 'run', 1, 1, '', 9)).toEqual({
      kind: 'rows',
      rows: [{ key: 'a', raw: '1' }],
      next: 'f',
    });
  });

  test.each([1, 2, 3, 4, 100])('gives marks, then frozen values, in pages of %i', (limit) => {
    const lane = Lane.recovered();
    lane.write({ a: '1', b: '1', c: '1', d: '1', e: '1' });
    lane.cut();
    lane.write({ b: '2', d: '2', new: '2' });
    const rows = lane.generation(limit);
    expect(rows.map(([key]) => key)).toEqual(['a', 'c', 'e', 'b', 'd']);
    expect(rows.every(([, raw]) => raw === '1')).toBe(true);
    expect(lane.generation(limit)).toEqual(rows);
  });
});

describe('acknowledge', () => {
  test('is refused for a lane, epoch or generation that is not this one', () => {
    const unknown = new Lane();
    unknown.table.nowMs = T0;
    const lane = Lane.recovered();
    expect(lane.acknowledge({ generation: 1 })).toEqual({ kind: 'refused', epoch: 1 });
    lane.write({ a: '1' });
    lane.cut();
    expect(lane.acknowledge({ epoch: 2 })).toEqual({ kind: 'refused', epoch: 1 });
    expect(lane.acknowledge({ generation: 2 })).toEqual({ kind: 'refused', epoch: 1 });
    expect(lane.acknowledge({ generation: 0 })).toEqual({ kind: 'refused', epoch: 1 });
  });

  test('of a lane that the front does not know is refused', () => {
    const lane = Lane.recovered();
    const { header } = lane;
    const empty = new Lane();
    Object.defineProperty(empty, 'header', { value: header });
    expect(empty.acknowledge({ generation: 0 })).toEqual({ kind: 'refused', epoch: 0 });
  });

  test('drops the flight at once when there is nothing to clean, whatever its size', () => {
    const lane = Lane.recovered();
    lane.write({ a: '1', b: '1', c: '1' });
    lane.cut();
    lane.write({ b: '2' });
    const result = lane.acknowledge({ limit: 1 });
    expect(result).toEqual({ kind: 'done', header: lane.header });
    expect(lane.header).toMatchObject({ flight: undefined, storedSeq: 4, pendingEntries: 1 });
    expect(lane.acknowledge()).toEqual({ kind: 'done', header: lane.header });
    expect(lane.table.hasFlight('a')).toBe(false);
  });

  test.each([
    { why: 'an expiry', over: { ttlMs: 50 }, rows: { a: '1', b: '1', c: '1' }, ttls: undefined },
    { why: 'tombstones', over: {}, rows: { a: '~', b: '1', c: '1' }, ttls: undefined },
    { why: 'expiries of their own', over: {}, rows: { a: '1', b: '1', c: '1' }, ttls: new Map([[0, 9]]) },
  ])('cleans in parts for $why', ({ over, rows, ttls }) => {
    const lane = Lane.recovered();
    lane.write(rows, { ttls });
    const flight = lane.cut();
    expect(lane.acknowledge({ ...over, limit: 2 })).toMatchObject({
      kind: 'more',
      header: { storedSeq: flight.cutSeq, flight: { ...flight, state: 'stored' } },
    });
    expect(lane.acknowledge({ ...over, limit: 2 })).toMatchObject({ kind: 'done', header: { flight: undefined } });
  });

  test('an exact multiple of the limit needs one step more', () => {
    const lane = Lane.recovered();
    lane.write({ a: '1', b: '1' });
    lane.cut();
    expect(lane.acknowledge({ ttlMs: 5, limit: 2 }).kind).toBe('more');
    expect(lane.acknowledge({ ttlMs: 5, limit: 2 }).kind).toBe('done');
  });

  test('a clean entry gets its own expiry before that of the cache; a tombstone goes', () => {
    const lane = Lane.recovered();
    lane.write(
      { a: '1', own: '1', gone: '~', goneToo: '~' },
      {
        ttls: new Map([
          [1, 70],
          [3, 70],
        ]),
      },
    );
    lane.cut();
    lane.acknowledge({ ttlMs: 50 });
    expect([lane.table.readExpiry('a'), lane.table.readExpiry('own')]).toEqual([T0 + 50, T0 + 70]);
    expect(lane.slots('gone', 'goneToo')).toEqual([undefined, undefined]);
    expect(lane.table.hasTtls()).toBe(false);
  });

  test('refused keys can be forgotten before the generation is stored for anybody', () => {
    const lane = Lane.recovered();
    lane.write({ a: '1', b: '1' });
    lane.cut();
    expect(lane.acknowledge({ deadKeys: ['a'], limit: 0 })).toMatchObject({
      kind: 'more',
      header: { storedSeq: 0, flight: { state: 'cut' } },
    });
    expect(lane.slots('a', 'b')).toEqual([undefined, '1']);
    expect(lane.acknowledge()).toMatchObject({ kind: 'done', header: { flight: undefined } });
  });

  test('a key that is written between two parts stays dirty', () => {
    const lane = Lane.recovered();
    lane.write({ a: '1', b: '1', c: '~' });
    lane.cut();
    lane.acknowledge({ ttlMs: 50, limit: 1 });
    lane.write({ a: '2', b: '2', c: '2' });
    expect(lane.acknowledge({ ttlMs: 50 }).kind).toBe('done');
    lane.table.nowMs += 1_000;
    expect(lane.slots('a', 'b', 'c')).toEqual(['2', '2', '2']);
  });

  test('a dead key is forgotten with its expiry, unless it was written again', () => {
    const lane = Lane.recovered();
    lane.write(
      { dead: '1', back: '1', good: '1' },
      {
        ttls: new Map([
          [0, 70],
          [1, 70],
        ]),
      },
    );
    lane.cut();
    lane.write({ back: '2' }, { ttls: new Map([[0, 90]]) });
    lane.acknowledge({ deadKeys: ['dead', 'back', 'never was'] });
    expect(lane.slots('dead', 'back', 'good')).toEqual([undefined, '2', '1']);
    lane.cut();
    lane.acknowledge();
    expect(lane.table.readExpiry('back')).toBe(T0 + 90);
    expect(lane.table.hasTtls()).toBe(false);
  });
});
