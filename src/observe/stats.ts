import type { BreakerStats } from '../core/breaker.ts';
import { bytesOf, entriesOf, type LaneHeader, oldestSinceMs } from '../core/lane.ts';
import type { LetterCounts } from '../ports/store.ts';

/**
 * Counters of one process since it made the cache, and what is pending in the front, and waits in the store, for all
 * processes. When nothing is under way, and no loss was reported, the counters of all processes together satisfy
 * `accepted = coalesced + stored + dead + pending.entries + letters.waiting`, as long as every commit is answered:
 * whose commit is not, and who loses the lane over it, may count less than was stored or replaced.
 */
export interface CacheStats {
  /** Mutations acknowledged by the front, and dead letters that were redriven. */
  readonly accepted: number;
  /** Replaced by a later mutation of their key before the store had them; letters that waited included. */
  readonly coalesced: number;
  /** Rows and deletions that the store has committed. */
  readonly stored: number;
  /** Rows that the store refused in their generation; each has a letter, and is tried again or dead. */
  readonly rejected: number;
  /** Given up: became dead letters, or were discarded while they waited. */
  readonly dead: number;
  /** Acknowledged writes that are known to be gone; each was reported by the event `loss`. */
  readonly lost: number;
  /** Writes refused because the buffer was full. */
  readonly refused: number;
  /** Reads that the front answered. */
  readonly hits: number;
  /** Reads that it did not. */
  readonly misses: number;
  /** Keys that were looked up in the store. */
  readonly loads: number;
  /** Flushes that were committed. */
  readonly flushes: number;
  /** Statements that wrote rows in them. */
  readonly statements: number;
  /** Flushes that failed and were tried again. */
  readonly flushFailures: number;
  /** What the store does not have yet. */
  readonly pending: {
    /** Dirty keys, counters with a sum, events, and members of a leaderboard. */
    readonly entries: number;
    /** Their estimated bytes in the front. */
    readonly bytes: number;
  };
  /** Letters in the store; undefined when it keeps none or does not answer. */
  readonly letters: LetterCounts | undefined;
  /** Age of the oldest pending entry in ms; 0 when there is none. */
  readonly lagMs: number;
  /** Each lane that the front has. */
  readonly lanes: readonly LaneStats[];
  /** How this process gets on with the store. */
  readonly breaker: BreakerStats;
  /** How hard this process presses the store at present; undefined when it does not flush. */
  readonly pace: PaceStats | undefined;
}

/** How hard a process presses the store; it follows how long flushes take. */
export interface PaceStats {
  /** Rows of one statement, from `flush.batchSize` to `flush.maxBatchSize`. */
  readonly batchSize: number;
  /** Flushes in flight, from 1 to `flush.concurrency`. */
  readonly concurrency: number;
}

/** One lane in the front, whichever process flushes it. */
export interface LaneStats {
  /** Its number, from 0. */
  readonly lane: number;
  /** Fencing token of whoever may flush it. */
  readonly epoch: number;
  /** Last sequence number that was given to a mutation or a cut. */
  readonly seq: number;
  /** Sequence number up to which the store has everything. */
  readonly storedSeq: number;
  /** Number of the last generation that was cut. */
  readonly generation: number;
  /** Entries that no generation has taken yet. */
  readonly pending: number;
  /** Entries of the generation on its way into the store; 0 when there is none. */
  readonly inFlight: number;
  /** Worker that flushes it; '' when nobody does. */
  readonly owner: string;
  /** Why it takes no writes and does not flush; '' when it does. */
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
