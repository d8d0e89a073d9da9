/** What a leaderboard loads. */
export interface ScoresStore {
  load(page: ScoresPage): Promise<StoredScores>;
}

/** Rows of a leaderboard: after a member in the store's own order, '' for the first, or of some members. */
export type ScoresPage = { readonly after: string; readonly limit: number } | { readonly members: readonly string[] };

/** What the store has of a leaderboard, with the generation of its lane's fence in the same snapshot. */
export interface StoredScores {
  /** Decimal text by member, in the store's order; members without a row, or without a score in it, are missing. */
  readonly scores: ReadonlyMap<string, string>;
  readonly generation: number;
  /** Where the next page begins; undefined when there are no more rows, and of members that were named. */
  readonly next: string | undefined;
}
