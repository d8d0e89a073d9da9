import {
  enter,
  type Flight,
  invalidated,
  type LaneEnv,
  type LaneHeader,
  type LaneTable,
  type Refused,
  type Stopped,
  type Unrecovered,
  unrecovered,
} from './lane.ts';
import { partsOf, refuse } from './shape-tables.ts';
import { TOMBSTONE } from './slot.ts';

/** `held` tells whether `owner` has the lease after the call. */
export type ClaimResult =
  | { readonly kind: 'claimed'; readonly held: boolean; readonly header: LaneHeader }
  | Unrecovered;

/** Takes or renews the lease. A lease that ran out is anybody's. */
export function claim(table: LaneTable, env: LaneEnv, owner: string, leaseMs: number): ClaimResult {
  const header = enter(table, env);
  if (header === undefined) return unrecovered(table);
  if (header.owner !== '' && header.owner !== owner && header.leaseUntilMs > table.nowMs)
    return { kind: 'claimed', held: false, header };
  const claimed = { ...header, owner, leaseUntilMs: table.nowMs + leaseMs };
  table.writeHeader(claimed);
  return { kind: 'claimed', held: true, header: claimed };
}

/** Gives the lease back, so that another worker need not wait for it to run out. */
export function release(table: LaneTable, owner: string): void {
  const header = table.readHeader();
  if (header !== undefined && header.owner === owner) table.writeHeader({ ...header, owner: '', leaseUntilMs: 0 });
}

/** Asks whoever flushes the lane to do so up to its present seq, which is returned. */
export function requestFlush(
  table: LaneTable,
  env: LaneEnv,
): { readonly kind: 'requested'; readonly seq: number; readonly header: LaneHeader } | Unrecovered {
  const header = enter(table, env);
  if (header === undefined) return unrecovered(table);
  const asked = { ...header, flushSeq: header.seq };
  table.writeHeader(asked);
  return { kind: 'requested', seq: header.seq, header: asked };
}

export type CutResult =
  | { readonly kind: 'cut'; readonly flight: Flight }
  | { readonly kind: 'empty'; readonly storedSeq: number; readonly seq: number }
  | Refused
  | Stopped
  | Unrecovered;

/**
 * Turns what is pending into a generation, in constant time. A flight that is already there is returned instead,
 * so a cut can be repeated. The cut takes a seq of its own: a front at or above the fence's seq has seen this cut.
 */
export function cut(table: LaneTable, env: LaneEnv, epoch: number, digest: string): CutResult {
  const header = enter(table, env);
  if (header === undefined) return unrecovered(table);
  if (header.epoch !== epoch) return { kind: 'refused', epoch: header.epoch };
  if (header.stopped !== '') return { kind: 'stopped', reason: header.stopped };
  if (header.flight !== undefined) return { kind: 'cut', flight: header.flight };
  // Nothing is pending, so everything that was accepted is stored.
  if (header.pendingEntries === 0) return { kind: 'empty', storedSeq: header.storedSeq, seq: header.seq };
  const flight: Flight = {
    generation: header.generation + 1,
    cutSeq: header.seq + 1,
    digest,
    entries: header.pendingEntries,
    bytes: header.pendingBytes,
    tombstones: header.pendingTombstones,
    sinceMs: header.pendingSinceMs,
    state: 'cut',
  };
  table.cutPending();
  for (const part of partsOf(table.shapes)) part.cut();
  table.writeHeader({
    ...header,
    seq: flight.cutSeq,
    generation: flight.generation,
    flight,
    pendingEntries: 0,
    pendingBytes: 0,
    pendingTombstones: 0,
    pendingSinceMs: 0,
  });
  return { kind: 'cut', flight };
}

/** `raw` is undefined when the value was removed behind the lane's back: a loss, to be counted. */
export interface GenerationRow {
  readonly key: string;
  readonly raw: string | undefined;
}

export type ReadResult =
  | { readonly kind: 'rows'; readonly rows: readonly GenerationRow[]; readonly next: string }
  | Refused;

/**
 * A page of the generation in flight, beginning with cursor ''; `next` is '' at the end. Marks come first, frozen
 * values last, so a key that is frozen while it is read comes twice, with the same value. The values are those of the
 * cut. Pages of two runs of a server do not go together: what was frozen in the one can be a mark again in the other,
 * and would be in neither page.
 */
export function readGeneration(
  table: LaneTable,
  runId: string,
  epoch: number,
  generation: number,
  cursor: string,
  limit: number,
): ReadResult {
  const header = table.readHeader();
  if (!isInFlight(header, runId, epoch, generation)) return { kind: 'refused', epoch: header?.epoch ?? 0 };
  if (cursor.startsWith('f')) {
    const page = table.scanFrozen(cursor.slice(1), limit);
    return {
      kind: 'rows',
      rows: page.rows.map(([key, raw]) => ({ key, raw })),
      next: page.next === '' ? '' : `f${page.next}`,
    };
  }
  const page = table.scanFlight(cursor.slice(1), limit);
  const rows = page.keys.map((key) => ({ key, raw: table.readSlot(key) }));
  return { kind: 'rows', rows, next: page.next === '' ? 'f' : `m${page.next}` };
}

export interface Acknowledgement {
  readonly epoch: number;
  readonly generation: number;
  /** Keys whose mutation the store refused for good: the front forgets their value instead of keeping it. */
  readonly deadKeys: readonly string[];
  /** Expiry of a clean entry; undefined for none. */
  readonly ttlMs: number | undefined;
  /**
   * Keys to clean in this step; with 0 it only forgets what was refused, and the generation is not stored for anybody
   * yet.
   */
  readonly limit: number;
}

/** `more`: call again. The generation is stored for every waiter from the first call with a limit on. */
export type AcknowledgeResult = { readonly kind: 'done' | 'more'; readonly header: LaneHeader } | Refused;

export function isInFlight(header: LaneHeader | undefined, runId: string, epoch: number, generation: number): boolean {
  return (
    header !== undefined && header.runId === runId && header.epoch === epoch && header.flight?.generation === generation
  );
}

/**
 * Cleans a bounded part of a generation that the store has. Repeating it does no harm. In another run of the server it
 * is refused, because what was refused of the generation is told in its first steps only, and may have been forgotten
 * with them.
 */
export function acknowledge(table: LaneTable, runId: string, ack: Acknowledgement): AcknowledgeResult {
  const header = table.readHeader();
  if (header === undefined || header.runId !== runId || header.epoch !== ack.epoch)
    return { kind: 'refused', epoch: header?.epoch ?? 0 };
  const { flight } = header;
  if (flight === undefined && header.generation === ack.generation) return { kind: 'done', header };
  if (flight === undefined || flight.generation !== ack.generation) return { kind: 'refused', epoch: header.epoch };

  for (const key of ack.deadKeys) {
    const forgets = refuse(table.shapes, key);
    if (!table.takeFlight(key) && !forgets) continue;
    table.removeSlot(key);
    table.takeTtl(key);
  }
  const forgetful = ack.deadKeys.length === 0 ? header : invalidated(header);
  if (ack.limit === 0) {
    table.writeHeader(forgetful);
    return { kind: 'more', header: forgetful };
  }
  if (flight.state === 'cut') table.dropFrozen();
  for (const part of partsOf(table.shapes)) part.dropFlight();
  const nothingToClean = ack.ttlMs === undefined && flight.tombstones === 0 && !table.hasTtls();
  let done = nothingToClean;
  if (nothingToClean) {
    table.dropFlight();
  } else {
    const keys = table.takeFlightChunk(ack.limit);
    for (const key of keys) cleanKey(table, key, ack.ttlMs);
    done = keys.length < ack.limit;
  }
  const next: LaneHeader = {
    ...forgetful,
    storedSeq: flight.cutSeq,
    flight: done ? undefined : { ...flight, state: 'stored' },
  };
  table.writeHeader(next);
  return { kind: done ? 'done' : 'more', header: next };
}

function cleanKey(table: LaneTable, key: string, ttlMs: number | undefined): void {
  const ownTtl = table.takeTtl(key);
  if (table.readSlot(key) === TOMBSTONE) {
    table.removeSlot(key);
    return;
  }
  const ttl = ownTtl ?? ttlMs;
  if (ttl !== undefined) table.expireSlot(key, table.nowMs + ttl);
}
