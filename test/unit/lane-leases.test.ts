import { expect, test } from 'vitest';
import { systemRandom } from '../../src/clock-and-random.ts';
import { defer } from '../../src/core/deferred.ts';
import type { EngineContext } from '../../src/engine/base/context.ts';
import { FlushLane } from '../../src/engine/flushing/flush-lane.ts';
import { LaneLeases, type LaneLeasesParts } from '../../src/engine/flushing/lane-leases.ts';
import type { LetterRetry } from '../../src/engine/flushing/letter-retry.ts';
import type { Recovery } from '../../src/engine/flushing/recovery.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const FLUSH = { maxDelayMs: 1_000, leaseMs: 1_000 } as LaneLeasesParts['flush'];

test('what an earlier epoch is answered late does not disturb who takes the lane again', async () => {
  const recovered = defer<Awaited<ReturnType<Recovery['recover']>>>();
  const front = { header: async () => ({ header: undefined, current: false }) };
  const context = {
    front,
    clock: new VirtualClock(),
    random: systemRandom,
    frontIsShared: false,
  } as unknown as EngineContext;
  const recovery = { recover: () => recovered.promise } as unknown as Recovery;
  const letters = { taken: async () => undefined } as unknown as LetterRetry;
  const lane = new FlushLane(0);
  const leases = new LaneLeases({
    context,
    flush: FLUSH,
    lanes: [lane],
    watermarks: [],
    recovery,
    letters,
    onWork: () => undefined,
  });

  const taken = leases.recover(lane);
  await new Promise((resolve) => setImmediate(resolve));
  expect(lane.state).toBe('taking');
  leases.disown(lane);
  recovered.resolve({ isOurs: true, header: { epoch: 2, storedSeq: 7, pendingEntries: 0, flushSeq: 0 } } as never);
  await taken;
  expect([lane.state, lane.epoch, lane.storedSeq]).toEqual(['idle', 2, 7]);
});
