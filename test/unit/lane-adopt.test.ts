import { describe, expect, test } from 'vitest';
import { unconfirmed } from '../../src/core/lane.ts';
import { adopt, confirm, NO_FENCE, recover } from '../../src/core/lane-recover.ts';
import { Lane, recovery } from './lane-fixture.ts';
import { FRONTS, pending } from './recovery-fronts.ts';

const ADOPTION = { lanes: 4, runId: 'run', incarnation: 'second' };

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
