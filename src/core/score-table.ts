import type { TablePart } from './table-part.ts';

/** A member's weight after a change that the store does not have yet; null where it was removed. */
export type Change = number | null;

/**
 * How much of a board was loaded from the store: all of it, or the rows up to `cursor`, a member in the store's order
 * ('' for none). What was written to the front since is on it in any case.
 */
export interface BoardLoad {
  readonly complete: boolean;
  readonly cursor: string;
}

/** A member whose row is to be read anew; the token is another one each time. */
export type Doubt = readonly [member: string, token: string];

/** What there is still to load: see {@link BoardLoad}. `doubts` are the first of them, `epoch` is that of the lane. */
export interface BoardProgress extends BoardLoad {
  readonly epoch: number;
  readonly doubts: readonly Doubt[];
}

/** A board cannot answer yet. */
export interface Unloaded extends BoardProgress {
  readonly kind: 'unloaded';
}

/**
 * The part of a lane's table that a leaderboard is in. The board has its members by weight, the lowest first, and by
 * the bytes of their UTF-8 where weights are equal.
 */
export interface ScoreTable extends TablePart {
  readLoad(): BoardLoad;
  writeLoad(load: BoardLoad): void;
  readWeight(member: string): number | undefined;
  /** Undefined takes the member off the board. */
  writeWeight(member: string, weight: number | undefined): void;
  /** The same for many distinct members. */
  writeWeights(rows: readonly (readonly [member: string, weight: number])[]): void;
  /** How many are before a member that is on the board. */
  rankOf(member: string): number;
  /** Members by rank, from the `from`th on. */
  range(from: number, count: number): readonly (readonly [member: string, weight: number])[];

  /** What became of a member since the cut; undefined when nothing did. */
  readPending(member: string): Change | undefined;
  writePending(member: string, change: Change): void;
  readFlight(member: string): Change | undefined;
  /** A page of the flight. `next` is '' at the end. */
  scanFlight(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [member: string, change: Change])[]; readonly next: string };

  addDoubt(member: string): void;
  readDoubts(limit: number): readonly Doubt[];
  /** Takes a doubt away if it has this token still; true when it had. */
  settleDoubt(member: string, token: string): boolean;

  /** Forgets the board and its doubts, and puts what is in flight and what is pending on it again. */
  forgetClean(): void;
}
