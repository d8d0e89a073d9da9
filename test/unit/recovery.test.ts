import { expect, test } from 'vitest';
import type { LaneHeader } from '../../src/core/lane.ts';
import type { EngineContext, StoreWith } from '../../src/engine/base/context.ts';
import { Recovery } from '../../src/engine/flushing/recovery.ts';
import { Watermark } from '../../src/engine/lanes/watermark.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

test('a lease that was taken while another was quicker does not make the epoch ours', async () => {
  const clock = new VirtualClock();
  // The other one's epoch, and our lease: his had run out between two of his calls.
  const header = { epoch: 9, owner: 'me', seq: 5, storedSeq: 5, epochs: [], stopped: '' } as unknown as LaneHeader;
  const context = {
    clock,
    random: { fraction: () => 0.5 },
    owner: 'me',
    settings: { name: 'c', flush: { leaseMs: 400 } },
    store: {
      lanes: { fences: { raiseEpoch: () => Promise.resolve({ epoch: 8, generation: 0, seq: 0, digest: '' }) } },
    },
    front: {
      header: () => Promise.resolve({ header, current: true }),
      recover: () => Promise.resolve({ kind: 'refused', epoch: 9 }),
    },
  } as unknown as EngineContext & StoreWith<'lanes'>;
  const recovery = new Recovery(context, [new Watermark('c', 0, () => undefined)]);
  expect(await clock.until(recovery.recover(0))).toEqual({ header, isOurs: false });
});
