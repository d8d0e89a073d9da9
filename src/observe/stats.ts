import type { BreakerStats } from '../core/breaker.ts';
import { bytesOf, entriesOf, type LaneHeader, oldestSinceMs } from '../core/lane.ts';
import type { LetterCounts } from '../ports/store.ts';

/**
 * Counters of one process since it made the cache, and what is pending in the front, and waits in the store, for all
 * processes. When nothing is under way, and no loss was reported, the counters of all processes together satisfy
 * `accepted = coalesced + stored + dead + pending.entries + letters.waiting`, as long as every commit is answered: whose
 * commit is not, and who loses the lane over it, may count less than was stored or replaced.
 */
export interface CacheStats {
  /** Mutations acknowledged by the front, and dead letters that were redriven. */
  readonly accepted: number;
  /** Replaced by a later mutation of their key before the store had them; letters that waited included. */
  readonly coalesced: number;
  readonly stored: number;
  /** Rows that the store refused in their generation; each has a letter, and is tried again or dead. */
  readonly rejected: number;
  /** Given up: became dead letters, or were discarded while they waited. */
  readonly dead: number;
  readonly lost: number;
  readonly refused: number;
  readonly hits: number;
  readonly misses: number;
  readonly loads: number;
  readonly flushes: number;
  readonly statements: number;
  readonly flushFailures: number;
  /** Entries and estimated bytes that the store does not have yet. */
  readonly pending: { readonly entries: number; readonly bytes: number };
  /** Letters in the store; undefined when it keeps none or does not answer. */
  readonly letters: LetterCounts | undefined;
  /** Age of the oldest pending entry in ms; 0 when there is none. */
  readonly lagMs: number;
  readonly lanes: readonly LaneStats[];
  readonly breaker: BreakerStats;
  /** How hard this process presses the store at present; undefined when it does not flush. */
  readonly pace: PaceStats | undefined;
}

/** Rows of one statement, between `flush.batchSize` and `flush.maxBatchSize`, and flushes in flight, from 1 to `flush.concurrency`. */
export interface PaceStats {
  readonly batchSize: number;
  readonly concurrency: number;
}

export interface LaneStats {
  readonly lane: number;
  readonly epoch: number;
  readonly seq: number;
  readonly storedSeq: number;
  readonly generation: number;
  readonly pending: number;
  readonly inFlight: number;
  readonly owner: string;
  readonly stopped: string;
}

type Counters = Omit<CacheStats, 'pending' | 'letters' | 'lagMs' | 'lanes' | 'breaker' | 'pace'>;

export function describeStats(
  counts: Counters,
  breaker: BreakerStats,
  pace: PaceStats | undefined,
  headers: readonly (LaneHeader | undefined)[],
  letters: LetterCounts | undefined,
  nowMs: number,
): CacheStats {
  let entries = 0;
  let bytes = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  const lanes: LaneStats[] = [];
  headers.forEach((header, lane) => {
    if (header === undefined) return;
    entries += entriesOf(header);
    bytes += bytesOf(header);
    const sinceMs = oldestSinceMs(header);
    if (sinceMs > 0) oldestMs = Math.min(oldestMs, sinceMs);
    lanes.push({
      lane,
      epoch: header.epoch,
      seq: header.seq,
      storedSeq: header.storedSeq,
      generation: header.generation,
      pending: header.pendingEntries,
      inFlight: header.flight?.state === 'cut' ? header.flight.entries : 0,
      owner: header.owner,
      stopped: header.stopped,
    });
  });
  return {
    ...counts,
    pending: { entries, bytes },
    letters,
    lagMs: oldestMs === Number.POSITIVE_INFINITY ? 0 : Math.max(0, nowMs - oldestMs),
    lanes,
    breaker,
    pace: pace === undefined ? undefined : { batchSize: pace.batchSize, concurrency: pace.concurrency },
  };
}
