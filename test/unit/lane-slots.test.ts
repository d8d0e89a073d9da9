import { describe, expect, test } from 'vitest';
import { beginFill, beginIntent, beginRefresh, endFill, finishIntent, invalidate } from '../../src/core/lane-slots.ts';
import { fillSlot, intentSlot, readSlot, refreshSlot } from '../../src/core/slot.ts';
import { ENV, Lane, T0 } from './lane-fixture.ts';

/** A lane with one slot, 'k'. */
function withSlot(raw: string | undefined, expiresAtMs?: number): Lane {
  const lane = Lane.recovered();
  if (raw !== undefined) lane.table.writeSlot('k', raw, expiresAtMs);
  return lane;
}

const see = ({ table }: Lane) => ({ raw: table.readSlot('k'), expiresAtMs: table.readExpiry('k') });

describe('slots are written so that they can be told apart', () => {
  test.each([
    [undefined, { kind: 'empty' }],
    ['', { kind: 'empty' }],
    ['~', { kind: 'tombstone' }],
    ['?t', { kind: 'filling', token: 't' }],
    ['^t:{"a":"b:c"}', { kind: 'refreshing', token: 't', json: '{"a":"b:c"}' }],
    ['!a', { kind: 'intent', tokens: ['a'], contended: false }],
    ['!!a,b', { kind: 'intent', tokens: ['a', 'b'], contended: true }],
    ['!!', { kind: 'intent', tokens: [], contended: true }],
    ['"~"', { kind: 'value', json: '"~"' }],
    ['-1', { kind: 'value', json: '-1' }],
    ['null', { kind: 'value', json: 'null' }],
  ])('%s', (raw, slot) => expect(readSlot(raw)).toEqual(slot));

  test('and back', () => {
    expect([fillSlot('t'), refreshSlot('t', '1'), intentSlot(['a'], false), intentSlot(['a', 'b'], true)]).toEqual([
      '?t',
      '^t:1',
      '!a',
      '!!a,b',
    ]);
  });
});

test('no step touches a lane that is not as the caller believes', () => {
  const { table } = withSlot('1');
  const env = { ...ENV, incarnation: 'another' };
  const unrecovered = { kind: 'unrecovered', header: table.readHeader() };
  expect(beginFill(table, env, ['k'], 't', 9)).toEqual(unrecovered);
  expect(beginRefresh(table, env, ['k'], 't')).toEqual(unrecovered);
  expect(endFill(table, env, ['k'], 't', ['2'], 9)).toEqual(unrecovered);
  expect(beginIntent(table, env, ['k'], 't', 9)).toEqual(unrecovered);
  expect(finishIntent(table, env, ['k'], 't', ['2'], [9])).toEqual(unrecovered);
  expect(invalidate(table, env, ['k'])).toEqual(unrecovered);
  expect(table.readSlot('k')).toBe('1');
});

describe('beginFill', () => {
  test.each(['1', '~', '?other', '^other:1', '!w', '!!v,w'])('gives back %s', (raw) => {
    const lane = withSlot(raw);
    expect(beginFill(lane.table, ENV, ['k'], 't', 9)).toEqual({ kind: 'slots', slots: [raw] });
    expect(see(lane)).toEqual({ raw, expiresAtMs: undefined });
  });

  test.each([undefined, T0, T0 - 1])('takes an empty slot, or one that expired at %s', (expiresAtMs) => {
    const lane = withSlot(expiresAtMs === undefined ? undefined : '1', expiresAtMs);
    expect(beginFill(lane.table, ENV, ['k'], 't', 9)).toEqual({ kind: 'slots', slots: [undefined] });
    expect(see(lane)).toEqual({ raw: '?t', expiresAtMs: T0 + 9 });
  });
});

describe('beginRefresh', () => {
  test('takes a value that expires, which stays and expires as before', () => {
    const lane = withSlot('1', T0 + 9);
    expect(beginRefresh(lane.table, ENV, ['k'], 't')).toEqual({ kind: 'slots', slots: [undefined] });
    expect(see(lane)).toEqual({ raw: '^t:1', expiresAtMs: T0 + 9 });
  });

  test.each([
    ['1', undefined, '1'],
    ['~', undefined, '~'],
    ['?other', T0 + 9, '?other'],
    ['^other:1', T0 + 9, '^other:1'],
    ['!w', T0 + 9, '!w'],
    ['1', T0, ''],
    [undefined, undefined, ''],
  ])('leaves %s until %s alone', (raw, expiresAtMs, given) => {
    const lane = withSlot(raw, expiresAtMs);
    expect(beginRefresh(lane.table, ENV, ['k'], 't')).toEqual({ kind: 'slots', slots: [given] });
    expect(lane.slots('k')).toEqual([given === '' ? undefined : raw]);
  });
});

describe('endFill', () => {
  test.each(['?t', '^t:1'])('fills %s', (raw) => {
    for (const ttlMs of [50, undefined]) {
      const lane = withSlot(raw, T0 + 9);
      expect(endFill(lane.table, ENV, ['k'], 't', ['2'], ttlMs)).toEqual({ kind: 'slots', slots: [undefined] });
      expect(see(lane)).toEqual({ raw: '2', expiresAtMs: ttlMs === undefined ? undefined : T0 + ttlMs });
    }
    const lane = withSlot(raw, T0 + 9);
    expect(endFill(lane.table, ENV, ['k'], 't', [undefined], 50)).toEqual({ kind: 'slots', slots: [undefined] });
    expect(see(lane)).toEqual({ raw: undefined, expiresAtMs: undefined });
  });

  test.each(['1', '~', '?other', '^other:1', '!t', '!!t'])('leaves %s alone', (raw) => {
    const lane = withSlot(raw, T0 + 9);
    expect(endFill(lane.table, ENV, ['k'], 't', ['2'], 50)).toEqual({ kind: 'slots', slots: [raw] });
    expect(see(lane)).toEqual({ raw, expiresAtMs: T0 + 9 });
  });

  test('leaves a slot whose token ran out empty', () => {
    const lane = withSlot('?t', T0);
    expect(endFill(lane.table, ENV, ['k'], 't', ['2'], 50)).toEqual({ kind: 'slots', slots: [''] });
    expect(lane.slots('k')).toEqual([undefined]);
  });
});

describe('beginIntent', () => {
  test.each([
    [undefined, '!w'],
    ['1', '!w'],
    ['~', '!w'],
    ['?t', '!w'],
    ['^t:1', '!w'],
    ['!a', '!!a,w'],
    ['!!a,b', '!!a,b,w'],
  ])('makes %s %s', (before, after) => {
    const lane = withSlot(before, before === undefined ? undefined : T0 + 9);
    expect(beginIntent(lane.table, ENV, ['k'], 'w', 50)).toEqual({ kind: 'done' });
    expect(see(lane)).toEqual({ raw: after, expiresAtMs: T0 + 50 });
  });
});

describe('finishIntent', () => {
  test.each([
    // Alone all the time: it publishes, or empties what it deleted or does not know.
    { before: '!w', committed: '2', ttlMs: 50, after: { raw: '2', expiresAtMs: T0 + 50 } },
    { before: '!w', committed: '2', ttlMs: undefined, after: { raw: '2', expiresAtMs: undefined } },
    { before: '!w', committed: undefined, ttlMs: 50, after: { raw: undefined, expiresAtMs: undefined } },
    // Not alone, now or before: the last leaves the slot empty.
    { before: '!!w', committed: '2', ttlMs: 50, after: { raw: undefined, expiresAtMs: undefined } },
    { before: '!!a,w', committed: '2', ttlMs: 50, after: { raw: '!!a', expiresAtMs: T0 + 9 } },
    { before: '!!w,w', committed: '2', ttlMs: 50, after: { raw: undefined, expiresAtMs: undefined } },
    { before: '!!w,a,b', committed: undefined, ttlMs: 50, after: { raw: '!!a,b', expiresAtMs: T0 + 9 } },
    // Its own intent ran out: what took its place may be older than what it committed.
    { before: '!a', committed: '2', ttlMs: 50, after: { raw: '!!a', expiresAtMs: T0 + 9 } },
    { before: '1', committed: '2', ttlMs: 50, after: { raw: undefined, expiresAtMs: undefined } },
    { before: '?t', committed: '2', ttlMs: 50, after: { raw: undefined, expiresAtMs: undefined } },
    { before: '^t:1', committed: '2', ttlMs: 50, after: { raw: undefined, expiresAtMs: undefined } },
    { before: '~', committed: '2', ttlMs: 50, after: { raw: undefined, expiresAtMs: undefined } },
    { before: undefined, committed: '2', ttlMs: 50, after: { raw: undefined, expiresAtMs: undefined } },
  ])('of $committed over $before leaves $after.raw', ({ before, committed, ttlMs, after }) => {
    const lane = withSlot(before, T0 + 9);
    expect(finishIntent(lane.table, ENV, ['k'], 'w', [committed], [ttlMs])).toEqual({ kind: 'done' });
    expect(see(lane)).toEqual(after);
  });
});

test.each(['1', '~', '?t', '^t:1', '!w', undefined])('invalidate empties %s', (raw) => {
  const lane = withSlot(raw, T0 + 9);
  expect(invalidate(lane.table, ENV, ['k', 'other'])).toEqual({ kind: 'done' });
  expect(see(lane)).toEqual({ raw: undefined, expiresAtMs: undefined });
});

test('invalidate leaves what is dirty, pending or in flight, as it is', () => {
  const lane = Lane.recovered();
  lane.write({ flown: '1', both: '1' });
  lane.cut();
  lane.write({ both: '2', pending: '~' });
  lane.table.writeSlot('clean', '3');
  expect(invalidate(lane.table, ENV, ['flown', 'both', 'pending', 'clean'])).toEqual({ kind: 'done' });
  expect(lane.slots('flown', 'both', 'pending', 'clean')).toEqual(['1', '2', '~', undefined]);
});
