import { describe, expect, test } from 'vitest';
import { type AppendBatch, append, readLog } from '../../src/core/lane-log.ts';
import { recover } from '../../src/core/lane-recover.ts';
import { ENV, Lane, recovery, T0 } from './lane-fixture.ts';

function log(shape = 'log'): Lane {
  const lane = new Lane();
  recover(lane.table, recovery({}, { shape }));
  return lane;
}

const put = (lane: Lane, entries: readonly string[], over: Partial<AppendBatch> = {}) =>
  append(lane.table, ENV, {
    entries,
    bytes: entries.join('').length,
    shape: 'log',
    maxEntries: 100,
    maxBytes: 1_000,
    ...over,
  });

describe('append', () => {
  test('keeps the order, and numbers each entry', () => {
    const lane = log();
    expect(put(lane, ['a', 'b'])).toEqual({ kind: 'accepted', seq: 2, epoch: 1, pending: 2, entries: 2, bytes: 2 });
    lane.table.nowMs = T0 + 5;
    expect(put(lane, ['a'])).toMatchObject({ seq: 3, pending: 3, bytes: 3 });
    expect(lane.header.pendingSinceMs).toBe(T0);
    lane.cut();
    expect(readLog(lane.table, 'run', 1, 1, 0, 10)).toEqual({ kind: 'entries', entries: ['a', 'b', 'a'] });
    expect(readLog(lane.table, 'run', 1, 1, 1, 1)).toEqual({ kind: 'entries', entries: ['b'] });
  });

  test('an entry that comes during a flush waits for the next', () => {
    const lane = log();
    put(lane, ['a']);
    lane.cut();
    put(lane, ['b']);
    expect(readLog(lane.table, 'run', 1, 1, 0, 10)).toEqual({ kind: 'entries', entries: ['a'] });
    lane.acknowledge();
    lane.cut();
    expect(readLog(lane.table, 'run', 1, 2, 0, 10)).toEqual({ kind: 'entries', entries: ['b'] });
  });

  test('an empty batch changes nothing', () => {
    const lane = log();
    const before = lane.header;
    expect(put(lane, [])).toMatchObject({ kind: 'accepted', seq: 0 });
    expect(lane.header).toEqual(before);
  });

  test('takes a batch as a whole or not at all', () => {
    const lane = log();
    put(lane, ['aaaa']);
    expect(put(lane, ['b', 'c'], { maxEntries: 2 })).toEqual({ kind: 'full', entries: 1, bytes: 4, refused: [1] });
    expect(put(lane, ['b'], { maxEntries: 0 })).toEqual({ kind: 'full', entries: 1, bytes: 4, refused: [0] });
    expect(put(lane, ['bbbb'], { maxBytes: 7 })).toEqual({ kind: 'full', entries: 1, bytes: 4, refused: [0] });
    const mixed = put(lane, ['b', 'ccccc', 'd'], { maxBytes: 8, maxEntries: 9 });
    expect(mixed).toMatchObject({ kind: 'full', refused: [1, 2] });
    expect(put(lane, ['bbbb'], { maxEntries: 2, maxBytes: 8 })).toMatchObject({ kind: 'accepted', entries: 2 });
  });

  test('refuses a lane that is stopped, of another shape, or not as the caller believes', () => {
    expect(put(log('counters'), ['a'])).toEqual({ kind: 'stopped', reason: 'it holds counters, not a log' });
    const lane = log();
    lane.table.writeHeader({ ...lane.header, stopped: 'why' });
    expect(put(lane, ['a'])).toEqual({ kind: 'stopped', reason: 'why' });
    lane.table.writeHeader({ ...lane.header, runId: 'another' });
    expect(put(lane, ['a'])).toEqual({ kind: 'unrecovered', header: lane.header });
  });
});

test('entries are given to whoever has the generation', () => {
  const lane = log();
  put(lane, ['a']);
  lane.cut();
  expect(readLog(lane.table, 'run', 2, 1, 0, 10)).toEqual({ kind: 'refused', epoch: 1 });
  expect(readLog(new Lane().table, 'run', 1, 1, 0, 10)).toEqual({ kind: 'refused', epoch: 0 });
});
