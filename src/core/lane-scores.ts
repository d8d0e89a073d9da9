import {
  type Accepted,
  bytesOf,
  enter,
  enterShape,
  enterToWrite,
  entriesOf,
  type Full,
  type LaneEnv,
  type LaneHeader,
  type LaneTable,
  type Refused,
  type Stopped,
  staleOr,
  type Unrecovered,
  unrecovered,
} from './lane.ts';
import { isInFlight } from './lane-flush.ts';
import { withoutRoomOf } from './room.ts';
import type { BoardProgress, Change, ScoreTable, Unloaded } from './score-table.ts';
import { type Shape, traitsOf } from './shape.ts';

/**
 * Scores of a leaderboard. The front keeps weights, of which the lowest is the best: a score is turned round by whoever
 * calls where the highest is. A weight is a double, and a whole one is exact, so none leaves ±{@link WEIGHT_MAX}.
 *
 * A change is kept beside the board as the weight that it came to, so what the store gets is absolute, and the last of
 * a generation alone. The board itself may be incomplete: then it is loaded, and what depends on it waits.
 */
export const WEIGHT_MAX = Number.MAX_SAFE_INTEGER;

/** The weight of a score, or the score of a weight. */
export function turned(shape: Shape, number: number): number {
  // Not to -0: the fronts would print that.
  return !traitsOf(shape).isLowestFirst && number !== 0 ? -number : number;
}

/**
 * `set` gives a weight, `best` gives it where it is lower than the present one, `add` adds to it, `remove` takes off
 * the board.
 */
export type ScoreOp = 'set' | 'best' | 'add' | 'remove';

/** What one process does to a leaderboard, in its order. */
export interface ScoreBatch {
  readonly ops: readonly ScoreOp[];
  readonly members: readonly string[];
  /** Never -0; of a `remove` it says nothing. */
  readonly weights: readonly number[];
  readonly shape: Shape;
  /** Estimate of the bytes that the distinct members take. */
  readonly bytes: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** The member's weight after each operation, undefined where it is not on the board; `beyond` was refused by itself. */
export type ScoreOutcome = number | undefined | 'beyond';

export type ScoreResult =
  /** `accepted`: how many were mutations; one that changes nothing is none, and takes no seq. */
  (Accepted & { readonly accepted: number; readonly outcomes: readonly ScoreOutcome[] }) | Full | BoardRefusal;

export type BoardRefusal = Unloaded | Unrecovered | Stopped;

/** Doubts that are named at a time. */
const DOUBTS_MAX = 100;

/** Does what is asked in its order, in one step. Nothing is done while one of it needs a board that is not complete. */
export function writeScores(table: LaneTable, env: LaneEnv, batch: ScoreBatch): ScoreResult {
  const entered = enterToWrite(table, env, batch.shape);
  if (entered.kind !== 'entered') return entered;
  const { header } = entered;
  const { scores } = table.shapes;
  const { ops, members, weights } = batch;
  const unloaded = unloadedOf(scores, header);
  if (unloaded !== undefined && ops.some((op) => op === 'add' || op === 'best')) return unloaded;

  const changes = new Map<string, Change>();
  let accepted = 0;
  const outcomes = ops.map((op, i): ScoreOutcome => {
    const member = members[i] as string;
    const before = changes.has(member) ? (changes.get(member) as Change) : (scores.readWeight(member) ?? null);
    const after = outcomeOf(op, before, weights[i] as number);
    if (after !== null && Math.abs(after) > WEIGHT_MAX) return 'beyond';
    // Of a member that is not on an incomplete board there may be a row.
    if (op === 'set' || after !== before || (op === 'remove' && unloaded !== undefined)) {
      changes.set(member, after);
      accepted++;
    }
    return after ?? undefined;
  });

  const entries = entriesOf(header);
  const bytes = bytesOf(header);
  const distinct = new Set(members);
  const fresh = [...distinct].map((member) => changes.has(member) && scores.readPending(member) === undefined);
  const added = fresh.filter(Boolean).length;
  const newBytes = added === 0 ? 0 : Math.round((batch.bytes * added) / distinct.size);
  if (added > 0 && (bytes + newBytes > batch.maxBytes || entries + added > batch.maxEntries))
    return { kind: 'full', entries, bytes, refused: scoresWithoutRoom(fresh, batch, entries, bytes) };
  for (const [member, change] of changes) {
    scores.writeWeight(member, change ?? undefined);
    scores.writePending(member, change);
  }
  const next: LaneHeader = {
    ...header,
    seq: header.seq + accepted,
    pendingEntries: header.pendingEntries + added,
    pendingBytes: header.pendingBytes + newBytes,
    pendingSinceMs: header.pendingEntries === 0 && added > 0 ? table.nowMs : header.pendingSinceMs,
  };
  if (accepted > 0) table.writeHeader(next);
  // What changes nothing stands where the last mutation does: a cut alone can be lost without a loss.
  const seq = accepted === 0 && header.flight?.cutSeq === header.seq ? header.seq - 1 : next.seq;
  return {
    kind: 'accepted',
    seq,
    epoch: header.epoch,
    pending: next.pendingEntries,
    entries: entries + added,
    bytes: bytes + newBytes,
    accepted,
    outcomes,
  };
}

/**
 * The places of the operations that do not fit; of the distinct members, in their order, `fresh` are those that need an
 * entry.
 */
export function scoresWithoutRoom(
  fresh: readonly boolean[],
  batch: ScoreBatch,
  entries: number,
  bytes: number,
): number[] {
  const members = [...new Set(batch.members)];
  const refused = new Set(withoutRoomOf(fresh, batch, entries, bytes).map((i) => members[i]));
  return batch.members.flatMap((member, i) => (refused.has(member) ? [i] : []));
}

function outcomeOf(op: ScoreOp, before: Change, weight: number): Change {
  switch (op) {
    case 'set':
      return weight;
    case 'best':
      return before === null ? weight : Math.min(before, weight);
    case 'add':
      return (before ?? 0) + weight;
    case 'remove':
      return null;
  }
}

/**
 * What was loaded, with the generation of the lane's fence in the same snapshot, and the lane's epoch before it was
 * read.
 */
export interface LoadedScores {
  readonly generation: number;
  readonly epoch: number;
  readonly shape: Shape;
  /** Rows after the cursor `from`; `next` is undefined when there are no more. */
  readonly page?: {
    readonly from: string;
    readonly next: string | undefined;
    readonly rows: readonly (readonly [member: string, weight: number])[];
  };
  /** Rows of members in doubt, undefined for one that has none. */
  readonly doubts?: readonly { readonly member: string; readonly token: string; readonly weight: number | undefined }[];
}

/** How far the board is after it. `stale`: as with {@link TotalsResult}, load again. */
export type FillScoresResult =
  | ({ readonly kind: 'filled' } & BoardProgress)
  | { readonly kind: 'stale' }
  | Unrecovered
  | Stopped;

/**
 * Puts what was loaded on the board. A member that is pending is newer than any row, and one in flight is newer than
 * the rows of a snapshot from before that generation. A page that does not begin where the board is, because another
 * process loads it too, is left alone. What was read in another epoch may lack what the store took on a later try, of
 * which the front of that epoch was told and this one is not.
 */
export function fillScores(table: LaneTable, env: LaneEnv, loaded: LoadedScores): FillScoresResult {
  const entered = enterShape(table, env, loaded.shape);
  if (entered.kind !== 'entered') return entered;
  const { header } = entered;
  // A store that was restored can count to the same number again, but not in the same epoch.
  if (loaded.epoch !== header.epoch) return { kind: 'stale' };
  const isBefore = header.flight?.state === 'cut' && loaded.generation === header.generation - 1;
  if (!isBefore && loaded.generation !== header.generation) return staleOr(header);
  const { scores } = table.shapes;
  const isOlder = (member: string): boolean =>
    scores.readPending(member) !== undefined || (isBefore && scores.readFlight(member) !== undefined);
  const { page, doubts = [] } = loaded;
  const { complete, cursor } = scores.readLoad();
  if (page !== undefined && !complete && page.from === cursor) {
    scores.writeWeights(page.rows.filter(([member]) => !isOlder(member)));
    scores.writeLoad({ complete: page.next === undefined, cursor: page.next ?? '' });
  }
  for (const { member, token, weight } of doubts)
    if (scores.settleDoubt(member, token) && !isOlder(member)) scores.writeWeight(member, weight);
  return { kind: 'filled', ...progressOf(scores, header) };
}

/**
 * `range`: by rank. `around`: a member with up to `count` before it and after it. `members`: those of the members that
 * are on the board.
 */
export type ScoreQuery =
  | { readonly kind: 'range'; readonly from: number; readonly count: number }
  | { readonly kind: 'around'; readonly member: string; readonly count: number }
  | { readonly kind: 'members'; readonly members: readonly string[] };

/** `first` is the rank of the first row, from 0; of `members` it says nothing. */
export type ScoreRows = {
  readonly kind: 'rows';
  readonly first: number;
  readonly rows: readonly (readonly [member: string, weight: number])[];
};

export function readScores(table: LaneTable, env: LaneEnv, shape: Shape, query: ScoreQuery): ScoreRows | BoardRefusal {
  const entered = enterShape(table, env, shape);
  if (entered.kind !== 'entered') return entered;
  const { scores } = table.shapes;
  const unloaded = unloadedOf(scores, entered.header);
  if (unloaded !== undefined) return unloaded;
  switch (query.kind) {
    case 'range':
      return { kind: 'rows', first: query.from, rows: scores.range(query.from, query.count) };
    case 'around': {
      if (scores.readWeight(query.member) === undefined) return { kind: 'rows', first: 0, rows: [] };
      const rank = scores.rankOf(query.member);
      const first = Math.max(0, rank - query.count);
      return { kind: 'rows', first, rows: scores.range(first, rank - first + query.count + 1) };
    }
    case 'members':
      return { kind: 'rows', first: 0, rows: query.members.flatMap((member) => rowOf(scores, member)) };
  }
}

/**
 * A store has the rows of these members changed past the lane's generations: those that no later change replaces are
 * read anew.
 */
export function doubtScores(
  table: LaneTable,
  env: LaneEnv,
  members: readonly string[],
): { readonly kind: 'done' } | Unrecovered {
  if (enter(table, env) === undefined) return unrecovered(table);
  const { scores } = table.shapes;
  for (const member of members)
    if (scores.readPending(member) === undefined && scores.readFlight(member) === undefined) scores.addDoubt(member);
  return { kind: 'done' };
}

/**
 * A page of the changes of the generation in flight, beginning with cursor ''; `next` is '' at the end. A member may
 * come twice.
 */
export type FlightScoresResult =
  | {
      readonly kind: 'changes';
      readonly rows: readonly (readonly [member: string, change: Change])[];
      readonly next: string;
    }
  | Refused;

export function readFlightScores(
  table: LaneTable,
  runId: string,
  epoch: number,
  generation: number,
  cursor: string,
  limit: number,
): FlightScoresResult {
  const header = table.readHeader();
  if (!isInFlight(header, runId, epoch, generation)) return { kind: 'refused', epoch: header?.epoch ?? 0 };
  return { kind: 'changes', ...table.shapes.scores.scanFlight(cursor, limit) };
}

function rowOf(scores: ScoreTable, member: string): (readonly [string, number])[] {
  const weight = scores.readWeight(member);
  return weight === undefined ? [] : [[member, weight]];
}

function progressOf(scores: ScoreTable, { epoch }: LaneHeader): BoardProgress {
  return { epoch, ...scores.readLoad(), doubts: scores.readDoubts(DOUBTS_MAX) };
}

/** Why the board cannot answer yet; undefined when it can. */
function unloadedOf(scores: ScoreTable, header: LaneHeader): Unloaded | undefined {
  const progress = progressOf(scores, header);
  return progress.complete && progress.doubts.length === 0 ? undefined : { kind: 'unloaded', ...progress };
}
