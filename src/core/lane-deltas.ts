import {
  type Accepted,
  bytesOf,
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
} from './lane.ts';
import { isInFlight } from './lane-flush.ts';
import { withoutRoomOf } from './room.ts';
import type { Shape } from './shape.ts';

/**
 * Increments of counters. A key's pending increments are one sum, its delta; the total (what the store has, plus what
 * it does not have yet) is in the key's slot where it is known. The deltas are the truth, a total may go at any time.
 *
 * Numbers are whole: decimals are scaled by whoever calls. A lane's deltas and totals stay within `limit`, which is at
 * most {@link SUM_MAX}; sums are compared as doubles, so that Lua finds the same.
 */
export const SUM_MAX = 9_200_000_000_000_000_000n;

/** All increments of one process that were waiting for a lane: distinct keys, the sum for each. */
export interface IncrementBatch {
  /** How many increments these are; each takes a seq. */
  readonly accepted: number;
  readonly keys: readonly string[];
  readonly sums: readonly bigint[];
  /** Keys whose total is to be told. Nothing is added while the total of one of them is not known. */
  readonly wanted: readonly boolean[];
  readonly shape: Shape;
  readonly limit: bigint;
  /** Whether totals of this cache expire: a front may take less care of expiries where there are none. */
  readonly mayExpire: boolean;
  /** Estimate of the bytes that the deltas take. */
  readonly bytes: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export type IncrementResult =
  /** `totals`: of each key after the step, where it was wanted. */
  | (Accepted & { readonly totals: readonly (bigint | undefined)[] })
  /**
   * Nothing was added: indices of the keys whose total is wanted and not known, and of those that would leave the
   * limit.
   */
  | { readonly kind: 'unsettled'; readonly unknown: readonly number[]; readonly beyond: readonly number[] }
  | Full
  | Unrecovered
  | Stopped;

/** Adds to each key's delta, and to its total where that is known, in one step. */
export function increment(table: LaneTable, env: LaneEnv, batch: IncrementBatch): IncrementResult {
  const entered = enterToWrite(table, env, batch.shape);
  if (entered.kind !== 'entered') return entered;
  const { header } = entered;

  const { counters } = table.shapes;
  const { keys, sums, wanted, limit } = batch;
  const deltas = keys.map((key) => counters.readPending(key));
  const totals = keys.map((key) => totalIn(table, key));
  const unknown: number[] = [];
  const beyond: number[] = [];
  for (let i = 0; i < keys.length; i++) {
    const total = totals[i];
    if (total === undefined && wanted[i] === true) unknown.push(i);
    else if (
      leaves(limit, deltas[i] ?? 0n, sums[i] as bigint) ||
      (total !== undefined && leaves(limit, total, sums[i] as bigint))
    )
      beyond.push(i);
  }
  if (unknown.length > 0 || beyond.length > 0) return { kind: 'unsettled', unknown, beyond };

  const entries = entriesOf(header);
  const bytes = bytesOf(header);
  const added = deltas.reduce((count, delta) => (delta === undefined ? count + 1 : count), 0);
  const newBytes = keys.length === 0 ? 0 : Math.round((batch.bytes * added) / keys.length);
  if (added > 0 && (bytes + newBytes > batch.maxBytes || entries + added > batch.maxEntries)) {
    const fresh = deltas.map((delta) => delta === undefined);
    return { kind: 'full', entries, bytes, refused: withoutRoomOf(fresh, batch, entries, bytes) };
  }

  const after = keys.map((key, i) => {
    const sum = sums[i] as bigint;
    counters.writePending(key, (deltas[i] ?? 0n) + sum);
    const total = totals[i];
    if (total === undefined) {
      // One that has expired lacks this increment: it must not be there again when the clock is set back.
      table.removeSlot(key);
      return undefined;
    }
    table.writeSlot(key, String(total + sum), table.readExpiry(key));
    return wanted[i] === true ? total + sum : undefined;
  });
  const next: LaneHeader = {
    ...header,
    seq: header.seq + batch.accepted,
    pendingEntries: header.pendingEntries + added,
    pendingBytes: header.pendingBytes + newBytes,
    pendingSinceMs: header.pendingEntries === 0 && added > 0 ? table.nowMs : header.pendingSinceMs,
  };
  table.writeHeader(next);
  return {
    kind: 'accepted',
    seq: next.seq,
    epoch: header.epoch,
    pending: next.pendingEntries,
    entries: entries + added,
    bytes: bytes + newBytes,
    totals: after,
  };
}

/** What was loaded of some keys of a lane, with the generation of the lane's fence in the same snapshot. */
export interface LoadedTotals {
  /** Of the lane's header before the load. */
  readonly epoch: number;
  readonly invalidations: number;
  readonly keys: readonly string[];
  /** What the store has of each, 0 where it has no row. */
  readonly stored: readonly bigint[];
  readonly generation: number;
  readonly shape: Shape;
  readonly limit: bigint;
  readonly ttlMs: number | undefined;
}

/**
 * The total of each key, undefined where it leaves the limit. `stale`: what was loaded is from before a generation that
 * the lane has let go of, from a store that is ahead of it, or totals were invalidated since; load again.
 */
export type TotalsResult =
  | { readonly kind: 'totals'; readonly totals: readonly (bigint | undefined)[] }
  | { readonly kind: 'stale' }
  | Unrecovered
  | Stopped;

/**
 * Makes totals of what was loaded: a generation in flight is added exactly when it is not yet in what was loaded, what
 * is pending always is. A total is right whoever loaded it, and whatever was added meanwhile, so slots need no token.
 */
export function fillTotals(table: LaneTable, env: LaneEnv, loaded: LoadedTotals): TotalsResult {
  const entered = enterShape(table, env, loaded.shape);
  if (entered.kind !== 'entered') return entered;
  const { header } = entered;
  // A front that lost its tail, or a store that was restored, can count to the same number again, but not in the same
  // epoch.
  if (loaded.epoch !== header.epoch || loaded.invalidations !== header.invalidations) return { kind: 'stale' };
  const isBefore = header.flight?.state === 'cut' && loaded.generation === header.generation - 1;
  if (!isBefore && loaded.generation !== header.generation) return staleOr(header);
  const { counters } = table.shapes;
  const totals = loaded.keys.map((key, i) => {
    const known = totalIn(table, key);
    if (known !== undefined) return known;
    const stored = loaded.stored[i] as bigint;
    const flight = isBefore ? (counters.readFlight(key) ?? 0n) : 0n;
    const pending = counters.readPending(key) ?? 0n;
    const partial = Number(stored) + Number(flight);
    if (Math.abs(partial) > Number(SUM_MAX) || Math.abs(partial + Number(pending)) > Number(loaded.limit))
      return undefined;
    const total = stored + flight + pending;
    table.writeSlot(key, String(total), loaded.ttlMs === undefined ? undefined : table.nowMs + loaded.ttlMs);
    return total;
  });
  return { kind: 'totals', totals };
}

/**
 * A page of the deltas of the generation in flight, beginning with cursor ''; `next` is '' at the end. A key may come
 * twice.
 */
export type DeltasResult =
  | { readonly kind: 'deltas'; readonly rows: readonly (readonly [key: string, sum: bigint])[]; readonly next: string }
  | Refused;

export function readDeltas(
  table: LaneTable,
  runId: string,
  epoch: number,
  generation: number,
  cursor: string,
  limit: number,
): DeltasResult {
  const header = table.readHeader();
  if (!isInFlight(header, runId, epoch, generation)) return { kind: 'refused', epoch: header?.epoch ?? 0 };
  return { kind: 'deltas', ...table.shapes.counters.scanFlight(cursor, limit) };
}

function totalIn(table: LaneTable, key: string): bigint | undefined {
  const raw = table.readSlot(key);
  return raw === undefined ? undefined : BigInt(raw);
}

const leaves = (limit: bigint, a: bigint, b: bigint): boolean => Math.abs(Number(a) + Number(b)) > Number(limit);
