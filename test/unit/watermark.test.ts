import { expect, test } from 'vitest';
import type { LaneHeader } from '../../src/core/lane.ts';
import { Watermark } from '../../src/engine/watermark.ts';

const header = (over: Partial<LaneHeader>): LaneHeader => ({
  lanes: 1,
  shape: '',
  runId: 'run',
  incarnation: 'inc',
  epoch: 1,
  epochs: [{ epoch: 1, seq: 0 }],
  seq: 0,
  generation: 0,
  storedSeq: 0,
  pendingEntries: 0,
  pendingBytes: 0,
  pendingTombstones: 0,
  pendingSinceMs: 0,
  flight: undefined,
  owner: '',
  leaseUntilMs: 0,
  flushSeq: 0,
  stopped: '',
  ...over,
});

test('what occupies a lane is not forgotten for an answer that is older', () => {
  const watermark = new Watermark('c', 0, () => undefined);
  watermark.occupied({ epoch: 1, seq: 7 }, 7, 70);
  // Read before the write, looked at after it.
  watermark.observe(header({ seq: 4, pendingEntries: 4, pendingBytes: 40 }));
  expect([watermark.entries, watermark.bytes]).toEqual([7, 70]);
  // The same seq with more of it stored is newer, and a write's answer from before that is not.
  watermark.observe(header({ seq: 7, storedSeq: 5, pendingEntries: 2, pendingBytes: 20 }));
  expect([watermark.entries, watermark.bytes]).toEqual([2, 20]);
  watermark.occupied({ epoch: 1, seq: 7 }, 7, 70);
  expect([watermark.entries, watermark.bytes]).toEqual([2, 20]);
  // A new epoch may begin at a lower seq.
  watermark.observe(header({ epoch: 2, epochs: [{ epoch: 2, seq: 5 }], seq: 5, storedSeq: 5 }));
  expect([watermark.entries, watermark.bytes]).toEqual([0, 0]);
});
