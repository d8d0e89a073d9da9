import { describe, expect, test } from 'vitest';
import { EPOCHS_KEPT, type Fence, type LaneHeader, unconfirmed } from '../../src/core/lane.ts';
import { adopt, confirm, NO_FENCE, recover } from '../../src/core/lane-recover.ts';
import { fence, Lane, recovery, T0 } from './lane-fixture.ts';

const ADOPTION = { lanes: 4, runId: 'run', incarnation: 'second' };

function pending(): Lane {
  const lane = Lane.recovered();
  lane.write({ z: '1' });
  lane.cut('one');
  lane.acknowledge();
  lane.write({ a: '1' });
  return lane;
}

/** What a front can be in when it is recovered. Generation 1 ended at seq 2; where there is a second, it is 'two'. */
const FRONTS = {
  empty: () => Lane.recovered(),
  pending,
  cut(): Lane {
    const lane = pending();
    lane.cut('two');
    lane.write({ a: '2', b: '2' });
    return lane;
  },
  stored(): Lane {
    const lane = pending();
    lane.write({ b: '1' });
    lane.cut('two');
    lane.acknowledge({ ttlMs: 9, limit: 1 });
    return lane;
  },
};

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

describe('a tentative recovery', () => {
  const tentative = { tentative: true };

  test('of a lane without a header takes nothing before it is confirmed', () => {
    const lane = new Lane();
    expect(recover(lane.table, recovery({ epoch: 3 }, tentative)).kind).toBe('created');
    expect(lane.header.runId).toBe(unconfirmed('run'));
    expect(lane.tryWrite({ a: '1' }).kind).toBe('unrecovered');
    expect(confirm(lane.table, 'run', 2)).toEqual({ kind: 'refused', epoch: 3 });
    expect(confirm(lane.table, 'run', 3)).toEqual({ kind: 'confirmed', header: lane.header });
    expect(lane.tryWrite({ a: '1' }).kind).toBe('accepted');
  });

  test('after another run takes nothing either, ahead or behind', () => {
    for (const fence of [{ epoch: 3 }, { epoch: 3, generation: 2, seq: 9 }]) {
      const lane = Lane.recovered();
      recover(lane.table, recovery(fence, { ...tentative, runId: 'next run' }));
      expect(lane.header.runId).toBe(unconfirmed('next run'));
    }
  });

  test('of a lane of the present run leaves it open: an old fence would have an old epoch', () => {
    const lane = Lane.recovered();
    recover(lane.table, recovery({ epoch: 3 }, tentative));
    expect(lane.header.runId).toBe('run');
  });

  test('is not confirmed once a later one came', () => {
    const lane = new Lane();
    recover(lane.table, recovery({ epoch: 3 }, tentative));
    recover(lane.table, recovery({ epoch: 4 }, tentative));
    expect(confirm(lane.table, 'run', 3)).toEqual({ kind: 'refused', epoch: 4 });
    expect(lane.header.runId).toBe(unconfirmed('run'));
  });

  test('is not confirmed in another run, by what belongs to the one before', () => {
    const lane = new Lane();
    recover(lane.table, recovery({ epoch: 3 }, tentative));
    expect(confirm(lane.table, 'next run', 3)).toEqual({ kind: 'refused', epoch: 3 });
  });

  test('is not confirmed when the front was emptied again', () => {
    expect(confirm(new Lane().table, 'run', 3)).toEqual({ kind: 'refused', epoch: 0 });
  });
});

describe('adopt', () => {
  test('opens a lane that nobody knows', () => {
    const lane = new Lane();
    lane.table.writeSlot('rest', '1');
    expect(adopt(lane.table, ADOPTION)).toEqual({ kind: 'adopted', header: lane.header });
    expect(lane.header).toMatchObject({
      lanes: 4,
      runId: 'run',
      incarnation: 'second',
      epoch: NO_FENCE.epoch,
      epochs: [{ epoch: 0, seq: 0 }],
      seq: 0,
      owner: '',
      leaseUntilMs: 0,
    });
    expect(lane.slots('rest')).toEqual([undefined]);
  });

  test('leaves a lane of the present run as it is', () => {
    const lane = new Lane();
    adopt(lane.table, ADOPTION);
    lane.table.writeSlot('a', '1');
    const before = lane.header;
    expect(adopt(lane.table, { ...ADOPTION, incarnation: 'third' })).toEqual({ kind: 'adopted', header: before });
    expect(lane.slots('a')).toEqual(['1']);
  });

  test('forgets the values of another run, and goes on from its seq', () => {
    const lane = FRONTS.stored();
    expect(adopt(lane.table, { ...ADOPTION, runId: 'next run' })).toEqual({ kind: 'adopted', header: lane.header });
    expect(lane.header).toMatchObject({
      runId: 'next run',
      incarnation: 'second',
      epoch: 1,
      seq: 5,
      storedSeq: 5,
      generation: 2,
      flight: undefined,
    });
    expect(lane.slots('a', 'b', 'z')).toEqual([undefined, undefined, undefined]);
  });

  test.each([
    { front: 'pending', entries: 1 },
    { front: 'cut', entries: 3 },
  ] as const)('refuses a lane that is $front', ({ front, entries }) => {
    const lane = FRONTS[front]();
    for (const runId of ['run', 'next run'])
      expect(adopt(lane.table, { ...ADOPTION, runId })).toEqual({ kind: 'pending', entries });
  });

  test('refuses another number of lanes', () => {
    expect(adopt(FRONTS.pending().table, { ...ADOPTION, lanes: 5 })).toEqual({ kind: 'lanes', lanes: 4 });
  });
});

describe('what is forgotten when the store was restored', () => {
  const slots = (lane: Lane) => ['z', 'a', 'b'].map((key) => lane.table.readSlot(key));

  test('is what is neither pending nor in flight', () => {
    const lane = FRONTS.cut();
    expect(recover(lane.table, recovery({ epoch: 2 }, { incarnation: 'second', forget: true })).kind).toBe('stopped');
    expect(slots(lane)).toEqual([undefined, '2', '2']);
    expect(lane.header).toMatchObject({ incarnation: 'second', epoch: 2, pendingEntries: 2, flight: { state: 'cut' } });
    expect(lane.generation()).toEqual([['a', '1']]);
  });

  test('is a flight, too, that turns out to be stored', () => {
    const lane = pending();
    lane.cut('two');
    lane.write({ b: '2' });
    expect(
      recover(
        lane.table,
        recovery({ epoch: 2, generation: 2, seq: 4, digest: 'two' }, { incarnation: 'second', forget: true }),
      ),
    ).toMatchObject({ kind: 'current', header: { incarnation: 'second' } });
    expect(slots(lane)).toEqual([undefined, undefined, '2']);
  });
});
