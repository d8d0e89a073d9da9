import type { BreakerStats } from '../core/breaker.ts';
import { bytesOf, entriesOf, oldestSinceMs, type LaneHeader } from '../core/lane.ts';

/** Counters of one process since it made the cache, and what is pending in the front for all processes. */
export interface CacheStats {
  readonly accepted: number;
  readonly coalesced: number;
  readonly stored: number;
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
  /** Age of the oldest of them in ms; 0 when there is none. */
  readonly lagMs: number;
  readonly lanes: readonly LaneStats[];
  readonly breaker: BreakerStats;
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

type Counters = Omit<CacheStats, 'pending' | 'lagMs' | 'lanes' | 'breaker'>;

export function describeStats(counts: Counters, breaker: BreakerStats, headers: readonly (LaneHeader | undefined)[], nowMs: number): CacheStats {
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
  return { ...counts, pending: { entries, bytes }, lagMs: oldestMs === Number.POSITIVE_INFINITY ? 0 : Math.max(0, nowMs - oldestMs), lanes, breaker };
}
