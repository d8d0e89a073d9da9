import { describe, expect, test } from 'vitest';
import { EPOCHS_KEPT, type LaneHeader } from '../../src/core/lane.ts';
import { type RefusedWrite, Watermark } from '../../src/engine/lanes/watermark.ts';
import { MillraceError } from '../../src/errors.ts';
import type { LossCause } from '../../src/events.ts';

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
  invalidations: 0,
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
  watermark.observe(
    header({
      epoch: 3,
      epochs: [
        { epoch: 2, seq: 5 },
        { epoch: 3, seq: 3 },
      ],
      seq: 3,
    }),
  );
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
  await expect(waiting).rejects.toMatchObject({
    code: 'MILLRACE_LANE_STOPPED',
    message: 'Lane 0 does not flush: the store lost generations 2 to 3.',
  });
  expect(watermark.waiting).toBe(false);
});

/** A watermark that has seen epoch 1, with what it reported as lost. */
function begun() {
  const losses: [number, LossCause][] = [];
  const watermark = new Watermark('c', 0, (count, cause) => losses.push([count, cause]));
  watermark.observe(header({}));
  return { watermark, losses };
}

const at = (epoch: number, seq: number) => ({ lane: 0, epoch, seq });
const refused = (key: string, over: Partial<RefusedWrite> = {}): RefusedWrite => ({
  key,
  lane: 0,
  id: `letter of ${key}`,
  code: '23514',
  message: 'no',
  state: 'dead',
  ...over,
});

describe('a receipt', () => {
  test('resolves when its seq is stored, at once if it is already', async () => {
    const { watermark } = begun();
    const first = watermark.wait(at(1, 1), 'a');
    const second = watermark.wait(at(1, 2), 'a');
    watermark.observe(header({ seq: 3, storedSeq: 1 }));
    await first;
    expect(watermark.waiting).toBe(true);
    // Older news changes nothing.
    watermark.observe(header({ seq: 2, storedSeq: 0 }));
    expect(watermark.storedSeq).toBe(1);
    watermark.observe(header({ seq: 3, storedSeq: 3 }));
    await second;
    expect(watermark.waiting).toBe(false);
    await watermark.wait(at(1, 3), undefined);
  });

  test('of an epoch that is not known yet waits for its header, whatever is stored', async () => {
    const { watermark } = begun();
    watermark.observe(header({ seq: 9, storedSeq: 9 }));
    const later = watermark.wait(at(2, 5), 'a');
    watermark.observe(header({ seq: 9, storedSeq: 9 }));
    expect(watermark.waiting).toBe(true);
    watermark.observe(header({ epoch: 2, epochs: [{ epoch: 2, seq: 4 }], seq: 5, storedSeq: 4 }));
    expect(watermark.waiting).toBe(true);
    watermark.observe(header({ epoch: 2, epochs: [{ epoch: 2, seq: 4 }], seq: 6, storedSeq: 6 }));
    await later;
  });

  test('of an epoch that ended below it is lost, whoever has its seq now', async () => {
    const { watermark } = begun();
    const kept = watermark.wait(at(1, 2), 'a');
    const lost = [watermark.wait(at(1, 3), 'a'), watermark.wait(at(1, 4), undefined)];
    const told = Promise.allSettled(lost);
    watermark.observe(
      header({
        epoch: 3,
        epochs: [
          { epoch: 2, seq: 2 },
          { epoch: 3, seq: 8 },
        ],
        seq: 9,
        storedSeq: 9,
      }),
    );
    await kept;
    expect(
      (await told).map((settled) => settled.status === 'rejected' && [settled.reason.code, settled.reason.message]),
    ).toEqual([
      ['MILLRACE_LOST', 'The write of key "a" was acknowledged by the front, which then lost it. Write it again.'],
      ['MILLRACE_LOST', 'The write of this barrier was acknowledged by the front, which then lost it. Write it again.'],
    ]);
    // An old epoch tells nothing any more.
    watermark.observe(header({ epoch: 2, seq: 99, storedSeq: 99 }));
    expect(watermark.storedSeq).toBe(9);
  });

  test('of a refused write rejects, unless stored or replaced, or its letter waits; others resolve', async () => {
    const { watermark } = begun();
    watermark.judge(3, 5, [
      refused('dead'),
      refused('gone', { state: 'discarded' }),
      refused('waits', { state: 'waiting' }),
      refused('late', { state: 'stored' }),
      refused('old', { state: 'superseded' }),
    ]);
    watermark.observe(header({ seq: 9, storedSeq: 9 }));
    await expect(watermark.wait(at(1, 3), 'dead')).rejects.toMatchObject({
      code: 'MILLRACE_REJECTED',
      message: expect.stringContaining('kept as a dead letter'),
    });
    await expect(watermark.wait(at(1, 5), 'gone')).rejects.toMatchObject({
      code: 'MILLRACE_REJECTED',
      message: expect.stringContaining('discarded'),
    });
    expect(await watermark.wait(at(1, 4), 'waits')).toBe('letter of waits');
    for (const key of ['late', 'old']) expect(await watermark.wait(at(1, 4), key)).toBeUndefined();
    for (const [seq, key] of [
      [2, 'dead'],
      [6, 'dead'],
      [4, 'fine'],
      [4, undefined],
    ] as const)
      expect(await watermark.wait(at(1, seq), key)).toBeUndefined();
  });

  test('of a write whose value somebody removed before it was stored is lost', async () => {
    const { watermark } = begun();
    watermark.judge(1, 2, [], ['a']);
    watermark.observe(header({ seq: 2, storedSeq: 2 }));
    await expect(watermark.wait(at(1, 1), 'a')).rejects.toMatchObject({
      code: 'MILLRACE_LOST',
      message: expect.stringContaining('removed from the front by somebody else'),
    });
  });

  test('rejects when the lane stops, and after the cache was closed unless it is known to be stored', async () => {
    const { watermark } = begun();
    const stopped = new MillraceError('MILLRACE_LANE_STOPPED', 'stopped');
    const waits = watermark.wait(at(1, 1), 'a');
    watermark.abandon(stopped);
    await expect(waits).rejects.toBe(stopped);
    watermark.observe(header({ seq: 2, storedSeq: 1 }));
    const closed = new MillraceError('MILLRACE_CLOSED', 'closed');
    watermark.close(closed);
    await watermark.wait(at(1, 1), 'a');
    await expect(watermark.wait(at(1, 2), 'a')).rejects.toBe(closed);
  });
});

describe('what was refused', () => {
  test('is known for generations that follow each other here', () => {
    const { watermark } = begun();
    watermark.judge(3, 4, []);
    watermark.judge(5, 8, []);
    expect([2, 3, 8, 9].map((seq) => watermark.judged(seq))).toEqual([false, true, true, false]);
    // Another process flushed in between.
    watermark.judge(20, 24, []);
    expect([8, 20, 24].map((seq) => watermark.judged(seq))).toEqual([false, true, true]);
  });

  test('is forgotten when the key is refused again, and beyond a thousand keys: the letters know', () => {
    const { watermark } = begun();
    watermark.judge(1, 4, [refused('a')]);
    watermark.judge(5, 8, [refused('a')]);
    expect([4, 5].map((seq) => watermark.judged(seq))).toEqual([false, true]);
    watermark.judge(
      9,
      12,
      Array.from({ length: 1_000 }, (_, i) => refused(`k${i}`)),
    );
    expect([8, 9].map((seq) => watermark.judged(seq))).toEqual([false, true]);
  });
});

describe('loss', () => {
  test('is what was given above the seq at which a later epoch began, reported once', () => {
    const { watermark, losses } = begun();
    expect(watermark.gave(1, 6, 1)).toBe(false);
    expect(watermark.gave(1, 7, 1)).toBe(false);
    expect(watermark.gave(1, 5, 1)).toBe(false);
    watermark.foundEmpty();
    // By whomever the lane was begun anew, and whoever saw it first.
    watermark.observe(
      header({
        epoch: 2,
        epochs: [
          { epoch: 1, seq: 0 },
          { epoch: 2, seq: 4 },
        ],
        seq: 4,
        storedSeq: 4,
      }),
    );
    expect(losses).toEqual([[3, 'front-emptied']]);
    // What survived can still be lost later, and is counted from there.
    watermark.observe(
      header({
        epoch: 3,
        epochs: [
          { epoch: 2, seq: 4 },
          { epoch: 3, seq: 4 },
        ],
        seq: 4,
        storedSeq: 4,
      }),
    );
    expect(losses).toHaveLength(1);
    watermark.observe(header({ epoch: 4, epochs: [{ epoch: 4, seq: 1 }], seq: 4, storedSeq: 4 }));
    expect(losses).toEqual([
      [3, 'front-emptied'],
      [3, 'front-lost-tail'],
    ]);
  });

  test('of an answer that is looked at late has the cause of the epoch that did not find it', () => {
    const { watermark, losses } = begun();
    watermark.foundEmpty();
    watermark.observe(
      header({
        epoch: 2,
        epochs: [
          { epoch: 1, seq: 0 },
          { epoch: 2, seq: 4 },
        ],
        seq: 4,
        storedSeq: 4,
      }),
    );
    watermark.gave(1, 5, 1);
    expect(losses).toEqual([[1, 'front-emptied']]);
  });

  test('is none in a take-over, and what was given in the new epoch stays given', () => {
    const { watermark, losses } = begun();
    watermark.gave(1, 3, 1);
    expect(watermark.gave(2, 6, 1)).toBe(true);
    // An answer of the epoch before, looked at late.
    watermark.gave(1, 4, 1);
    watermark.observe(header({ epoch: 2, epochs: [{ epoch: 1, seq: 0 }], seq: 6, storedSeq: 0 }));
    expect(losses).toEqual([]);
    watermark.observe(header({ epoch: 3, epochs: [{ epoch: 3, seq: 5 }], seq: 5, storedSeq: 5 }));
    expect(losses).toEqual([[1, 'front-lost-tail']]);
  });

  test('is none when no epoch began with one, and nothing was given in it twice', () => {
    const { watermark, losses } = begun();
    watermark.gave(2, 6, 1);
    watermark.gave(2, 5, 1);
    watermark.gave(1, 9, 1);
    watermark.observe(header({ epoch: 3, epochs: [], seq: 6, storedSeq: 0 }));
    expect(losses).toEqual([]);
  });

  test('is possible when more epochs began than are remembered: reported with what is known', () => {
    const { watermark, losses } = begun();
    watermark.gave(1, 3, 1);
    const epochs = Array.from({ length: EPOCHS_KEPT }, (_, i) => ({ epoch: i + 5, seq: i + 3 }));
    watermark.observe(header({ epoch: 40, epochs, seq: 99, storedSeq: 99 }));
    expect(losses).toEqual([[0, 'front-lost-tail']]);
  });

  test('is none for a late answer about what outlived the epochs since', () => {
    const { watermark, losses } = begun();
    watermark.observe(header({ epoch: 2, epochs: [{ epoch: 2, seq: 5 }], seq: 5 }));
    watermark.gave(1, 5, 2);
    expect(losses).toEqual([]);
  });

  test('of what the store gave up is told by its cause', () => {
    const { watermark, losses } = begun();
    watermark.gaveUp(4);
    expect(losses).toEqual([[4, 'store-rolled-back']]);
  });
});
