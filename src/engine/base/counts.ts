/** What one process did, counted since the cache was created. */
export interface Counts {
  /** Mutations acknowledged by the front, and dead letters that were redriven. */
  accepted: number;
  /**
   * Accepted mutations that a later one of their key replaced before they were stored, also while they waited as
   * letters.
   */
  coalesced: number;
  /** Rows committed to the store, by flushes or directly. */
  stored: number;
  /** Rows that the store refused in their generation; each has a letter, and is tried again or dead. */
  rejected: number;
  /** Mutations given up: they became dead letters, or were discarded while they waited. */
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
  rejected: 0,
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
