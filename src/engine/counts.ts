/** What one process did, counted since the cache was created. */
export interface Counts {
  /** Mutations acknowledged by the front. */
  accepted: number;
  /** Accepted mutations that a later one of their key replaced before they were stored. */
  coalesced: number;
  /** Rows committed to the store, by flushes or directly. */
  stored: number;
  /** Mutations kept as dead letters. */
  dead: number;
  /** Acknowledged mutations known to be lost. */
  lost: number;
  /** Writes refused because the buffer was full. */
  refused: number;
  hits: number;
  misses: number;
  /** Keys asked of the store. */
  loads: number;
  flushes: number;
  statements: number;
  flushFailures: number;
}

export const newCounts = (): Counts => ({
  accepted: 0,
  coalesced: 0,
  stored: 0,
  dead: 0,
  lost: 0,
  refused: 0,
  hits: 0,
  misses: 0,
  loads: 0,
  flushes: 0,
  statements: 0,
  flushFailures: 0,
});
