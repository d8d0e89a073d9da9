/** What counters load. */
export interface TotalsStore {
  /** Of counters in these lanes. */
  load(lanes: readonly number[], keys: readonly string[]): Promise<StoredTotals>;
}

/** What the store has of counters, with the generations of their lanes' fences in the same snapshot. */
export interface StoredTotals {
  /** Decimal text by key; keys without a row are missing. */
  readonly totals: ReadonlyMap<string, string>;
  readonly generations: ReadonlyMap<number, number>;
}
