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

test('an answer that is looked at after a later epoch was seen is counted by what outlived that epoch', () => {
  const losses: number[] = [];
  const watermark = new Watermark('c', 0, (count) => losses.push(count));
  watermark.observe(header({ seq: 4 }));
  expect(watermark.gave(1, 4, 4)).toBe(false);
  // The front lost what came after seq 5, and another process took the lane in its next run.
  watermark.observe(header({ epoch: 2, epochs: [{ epoch: 2, seq: 5 }], seq: 5 }));
  expect(losses).toEqual([]);
  // Seqs 5 to 7 were given before that: 5 is there, 6 and 7 are not.
  expect(watermark.gave(1, 7, 3)).toBe(false);
  expect(losses).toEqual([2]);
  // All of a batch that is wholly above, once.
  watermark.gave(1, 9, 2);
  expect(losses).toEqual([2, 2]);
  // Seq 5 is part of the epoch that outlived, and can still be lost with it.
  watermark.observe(header({ epoch: 3, epochs: [{ epoch: 2, seq: 5 }, { epoch: 3, seq: 3 }], seq: 3 }));
  expect(losses).toEqual([2, 2, 2]);
});

test('answers of two epochs that arrive in the wrong order are both remembered', () => {
  const losses: number[] = [];
  const watermark = new Watermark('c', 0, (count) => losses.push(count));
  expect(watermark.gave(2, 3, 1)).toBe(true);
  expect(watermark.gave(1, 8, 8)).toBe(true);
  watermark.observe(header({ epoch: 2, epochs: [{ epoch: 2, seq: 2 }], seq: 3 }));
  expect(losses).toEqual([6]);
});

test('whoever waits is told when a header says that the lane is stopped, unless it is stored', async () => {
  const watermark = new Watermark('c', 0, () => undefined);
  watermark.observe(header({}));
  const stored = watermark.wait({ lane: 0, epoch: 1, seq: 1 }, 'a');
  const waiting = watermark.wait({ lane: 0, epoch: 1, seq: 2 }, 'a');
  watermark.observe(header({ seq: 2, storedSeq: 1, stopped: 'the store lost generations 2 to 3' }));
  await expect(stored).resolves.toBeUndefined();
  await expect(waiting).rejects.toMatchObject({ code: 'MILLRACE_LANE_STOPPED', message: 'Lane 0 does not flush: the store lost generations 2 to 3.' });
  expect(watermark.waiting).toBe(false);
});
