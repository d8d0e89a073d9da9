import { describe, expect, test } from 'vitest';
import { EPOCHS_KEPT, type Fence, type LaneHeader } from '../../src/core/lane.ts';
import { recover } from '../../src/core/lane-recover.ts';
import { fence, Lane, recovery, T0 } from './lane-fixture.ts';
import { FRONTS } from './recovery-fronts.ts';

interface Case {
  readonly front: keyof typeof FRONTS;
  readonly fence: Partial<Fence>;
  readonly result: object;
  readonly header?: Partial<LaneHeader>;
}

const CASES: readonly Case[] = [
  // Nothing ever happened.
  { front: 'empty', fence: { generation: 0, seq: 0 }, result: { kind: 'current', dropped: 0 }, header: { seq: 0 } },
  {
    front: 'empty',
    fence: { generation: 1, seq: 2 },
    result: { kind: 'behind', dropped: 0 },
    header: { seq: 2, generation: 1, storedSeq: 2 },
  },
  { front: 'empty', fence: { generation: 1, seq: 0 }, result: { kind: 'stopped', reason: /never cut/ } },
  // Something is pending, nothing in flight.
  {
    front: 'pending',
    fence: { generation: 1, seq: 2, digest: 'one' },
    result: { kind: 'current', dropped: 0 },
    header: { seq: 3, storedSeq: 2, pendingEntries: 1 },
  },
  {
    front: 'pending',
    fence: { generation: 0, seq: 0 },
    result: { kind: 'stopped', reason: /lost generations 1 to 1 / },
  },
  {
    front: 'pending',
    fence: { generation: 1, seq: 1 },
    result: { kind: 'stopped', reason: /ends at seq 1 in the store but at 2 in the front/ },
  },
  {
    front: 'pending',
    fence: { generation: 2, seq: 3 },
    result: { kind: 'stopped', reason: /the store has generation 2, which the front at generation 1 never cut/ },
  },
  {
    front: 'pending',
    fence: { generation: 1, seq: 4 },
    result: { kind: 'behind', dropped: 1 },
    header: { seq: 4, generation: 1, pendingEntries: 0 },
  },
  {
    front: 'pending',
    fence: { generation: 7, seq: 40 },
    result: { kind: 'behind', dropped: 1 },
    header: { seq: 40, generation: 7 },
  },
  // A generation is cut, and the store may have it.
  {
    front: 'cut',
    fence: { generation: 1, seq: 2, digest: 'one' },
    result: { kind: 'current' },
    header: { seq: 6, storedSeq: 2, pendingEntries: 2 },
  },
  {
    front: 'cut',
    fence: { generation: 2, seq: 4, digest: 'two' },
    result: { kind: 'current' },
    header: { seq: 6, storedSeq: 4, pendingEntries: 2 },
  },
  {
    front: 'cut',
    fence: { generation: 2, seq: 4, digest: 'other' },
    result: { kind: 'stopped', reason: /generation 2 in the store is not the one/ },
  },
  {
    front: 'cut',
    fence: { generation: 2, seq: 5, digest: 'two' },
    result: { kind: 'stopped', reason: /generation 2 in the store is not the one/ },
  },
  {
    front: 'cut',
    fence: { generation: 1, seq: 3 },
    result: { kind: 'stopped', reason: /ends at seq 3 in the store but at 2/ },
  },
  { front: 'cut', fence: { generation: 0, seq: 0 }, result: { kind: 'stopped', reason: /lost generations 1 to 1 / } },
  {
    front: 'cut',
    fence: { generation: 3, seq: 6 },
    result: { kind: 'stopped', reason: /has generation 3, which the front at generation 2 never cut/ },
  },
  {
    front: 'cut',
    fence: { generation: 3, seq: 7 },
    result: { kind: 'behind', dropped: 3 },
    header: { seq: 7, generation: 3, flight: undefined, pendingEntries: 0 },
  },
  // The store has the generation, and it is being cleaned up.
  {
    front: 'stored',
    fence: { generation: 2, seq: 5, digest: 'two' },
    result: { kind: 'current' },
    header: { seq: 5, storedSeq: 5 },
  },
  {
    front: 'stored',
    fence: { generation: 1, seq: 2 },
    result: { kind: 'stopped', reason: /lost generations 2 to 2 / },
  },
  {
    front: 'stored',
    fence: { generation: 2, seq: 4 },
    result: { kind: 'stopped', reason: /ends at seq 4 in the store but at 5/ },
  },
  { front: 'stored', fence: { generation: 3, seq: 5 }, result: { kind: 'stopped', reason: /has generation 3, which/ } },
  {
    front: 'stored',
    fence: { generation: 3, seq: 9 },
    result: { kind: 'behind', dropped: 0 },
    header: { seq: 9, generation: 3, flight: undefined },
  },
];

describe('recover', () => {
  test.each(CASES)('$front at $fence: $result', ({ front, fence, result, header = {} }) => {
    const lane = FRONTS[front]();
    const before = lane.header;
    const found = recover(lane.table, recovery({ epoch: 9, ...fence }, { runId: 'next run', incarnation: 'second' }));
    const { reason } = result as { reason?: RegExp };
    expect(found).toMatchObject(reason === undefined ? { ...result, header: lane.header } : { kind: 'stopped' });
    expect('reason' in found ? found.reason : '').toMatch(reason ?? /^$/);
    expect(lane.header).toMatchObject(
      found.kind === 'stopped' ? { flight: before.flight, seq: before.seq, storedSeq: before.storedSeq } : {},
    );
    expect(lane.header).toMatchObject({ ...header, runId: 'next run', epoch: 9, owner: 'me', leaseUntilMs: T0 + 500 });
    const seqOfEpoch = found.kind === 'behind' ? fence.seq : before.seq;
    const kept = { empty: undefined, pending: '1', cut: '2', stored: '1' }[front];
    // The first epoch began at 0: another that begins there tells enough.
    expect(lane.header.epochs).toEqual([...(seqOfEpoch === 0 ? [] : before.epochs), { epoch: 9, seq: seqOfEpoch }]);
    expect(lane.header.incarnation).toBe(found.kind === 'behind' ? 'second' : 'first');
    expect(lane.header.stopped).toBe(found.kind === 'stopped' ? found.reason : '');
    expect(lane.slots('a')).toEqual([found.kind === 'behind' ? undefined : kept]);
    expect(lane.table.hasPending('a')).toBe(found.kind !== 'behind' && (front === 'pending' || front === 'cut'));
    expect(lane.table.hasFlight('b')).toBe(found.kind !== 'behind' && front === 'stored');
    const repeated = recover(lane.table, recovery({ epoch: 9, ...fence }, { runId: 'next run', incarnation: 'third' }));
    expect(repeated.kind).toBe(found.kind === 'behind' ? 'current' : found.kind);
  });

  test('the flight that the store has is stored, and what it kept is let go', () => {
    const lane = FRONTS.cut();
    expect(lane.table.scanFrozen('', 9).rows).toEqual([['a', '1']]);
    recover(lane.table, recovery({ epoch: 2, generation: 2, seq: 4, digest: 'two' }));
    expect(lane.header.flight?.state).toBe('stored');
    expect(lane.table.scanFrozen('', 9).rows).toEqual([]);
    recover(lane.table, recovery({ epoch: 3, generation: 2, seq: 4, digest: 'two' }));
    expect(lane.header).toMatchObject({ epoch: 3, storedSeq: 4, flight: { state: 'stored' } });
  });

  test('a flight that the store does not have is kept with what it kept', () => {
    const lane = FRONTS.cut();
    recover(lane.table, recovery({ epoch: 2, generation: 1, seq: 2, digest: 'one' }));
    expect(lane.header.flight?.state).toBe('cut');
    expect(lane.generation()).toEqual([['a', '1']]);
  });

  test.each([
    { fence: fence(), kind: 'created' },
    { fence: fence({ generation: 1 }), kind: 'behind' },
    { fence: fence({ seq: 1 }), kind: 'behind' },
  ])('a lane that the front does not know, at $fence: $kind', ({ fence, kind }) => {
    const lane = new Lane();
    lane.table.writeSlot('rest', 'of what was there');
    expect(recover(lane.table, recovery(fence))).toEqual({ kind, header: lane.header, dropped: 0 });
    expect(lane.header).toMatchObject({
      lanes: 4,
      runId: 'run',
      incarnation: 'first',
      epochs: [{ epoch: 1, seq: fence.seq }],
      seq: fence.seq,
      storedSeq: fence.seq,
      generation: fence.generation,
      flight: undefined,
      flushSeq: 0,
      stopped: '',
    });
    expect(lane.slots('rest')).toEqual([undefined]);
  });

  test('another number of lanes comes before everything else, an older epoch after it', () => {
    const lane = Lane.recovered();
    recover(lane.table, recovery({ epoch: 5 }));
    const before = lane.header;
    expect(recover(lane.table, recovery({ epoch: 4, seq: 99 }, { lanes: 5 }))).toEqual({ kind: 'lanes', lanes: 4 });
    expect(recover(lane.table, recovery({ epoch: 4, seq: 99 }))).toEqual({ kind: 'refused', epoch: 5 });
    expect(lane.header).toBe(before);
  });

  test('without an owner nobody has the lease', () => {
    const lane = Lane.recovered();
    for (const over of [{ epoch: 2 }, { epoch: 3, seq: 9 }]) {
      recover(lane.table, recovery(over, { owner: '' }));
      expect(lane.header).toMatchObject({ epoch: over.epoch, owner: '', leaseUntilMs: 0 });
    }
  });

  test('a lane that was stopped goes on when the store is put right', () => {
    const lane = FRONTS.pending();
    expect(recover(lane.table, recovery({ epoch: 2 })).kind).toBe('stopped');
    expect(recover(lane.table, recovery({ epoch: 3, generation: 1, seq: 2 })).kind).toBe('current');
    expect(lane.header.stopped).toBe('');
  });

  test('remembers a bounded number of epochs', () => {
    const lane = Lane.recovered();
    for (let epoch = 2; epoch <= EPOCHS_KEPT + 5; epoch++)
      recover(lane.table, recovery({ epoch, generation: epoch, seq: 10 * epoch }, { runId: `run ${epoch}` }));
    expect(lane.header.epochs.map(({ epoch }) => epoch)).toEqual(Array.from({ length: EPOCHS_KEPT }, (_, i) => i + 6));
  });
});

describe('epochs', () => {
  test('of the same run are not remembered: nothing was lost between them', () => {
    const lane = Lane.recovered();
    recover(lane.table, recovery({ epoch: 2 }));
    expect(lane.header).toMatchObject({ epoch: 2, epochs: [{ epoch: 1, seq: 0 }] });
  });

  test('that the store remembers outlive a front that was emptied', () => {
    const lane = new Lane();
    recover(
      lane.table,
      recovery({
        epoch: 7,
        generation: 4,
        seq: 40,
        epochs: [
          { epoch: 3, seq: 11 },
          { epoch: 5, seq: 20 },
        ],
      }),
    );
    expect(lane.header.epochs).toEqual([
      { epoch: 3, seq: 11 },
      { epoch: 5, seq: 20 },
      { epoch: 7, seq: 40 },
    ]);
  });

  test('that began where a later one did are told by that', () => {
    const lane = new Lane();
    recover(
      lane.table,
      recovery({
        epoch: 7,
        generation: 4,
        seq: 20,
        epochs: [
          { epoch: 3, seq: 11 },
          { epoch: 5, seq: 20 },
          { epoch: 6, seq: 31 },
        ],
      }),
    );
    expect(lane.header.epochs).toEqual([
      { epoch: 3, seq: 11 },
      { epoch: 7, seq: 20 },
    ]);
  });

  test('that were never confirmed are not remembered', () => {
    const lane = new Lane();
    recover(lane.table, recovery({ epoch: 3, generation: 1, seq: 4 }, { tentative: true }));
    recover(
      lane.table,
      recovery({ epoch: 5, generation: 2, seq: 9, epochs: [{ epoch: 2, seq: 0 }] }, { tentative: true }),
    );
    expect(lane.header.epochs).toEqual([
      { epoch: 2, seq: 0 },
      { epoch: 5, seq: 9 },
    ]);
  });

  test('of front and store are merged in a front that was reset', () => {
    const lane = Lane.recovered();
    recover(
      lane.table,
      recovery({ epoch: 9, generation: 4, seq: 40, epochs: [{ epoch: 4, seq: 11 }] }, { runId: 'next run' }),
    );
    expect(lane.header.epochs).toEqual([
      { epoch: 1, seq: 0 },
      { epoch: 4, seq: 11 },
      { epoch: 9, seq: 40 },
    ]);
  });
});
