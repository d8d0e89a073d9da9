import { misshapen, type Shape, traitsOf } from './shape.ts';
import type { ShapeTables } from './shape-tables.ts';

/**
 * A lane: an ordered sequence of mutations of the keys that hash to it, with one flusher at a time.
 *
 * This file has the lane's state and the small table that an embedded front keeps it in. The steps are pure
 * functions over that table, each to be run in one transaction of the front:
 * `lane-write.ts` (write), `lane-deltas.ts` (increment, totals), `lane-log.ts` (append), `lane-scores.ts`
 * (leaderboards), `lane-flush.ts` (claim, cut, read, acknowledge), `lane-recover.ts` (recover), `lane-slots.ts` (fills
 * and intents). The Redis front does the same steps in Lua; the conformance suite and the differential tests hold the
 * two to each other.
 */

/** A generation that was cut and is not yet cleaned up. `cut`: the store may or may not have it. `stored`: it has. */
export interface Flight {
  readonly generation: number;
  readonly cutSeq: number;
  /** Names this very cut: a replay of a rewound lane can have the same number but not the same digest. */
  readonly digest: string;
  /** Keys, deltas and appends at the time of the cut. */
  readonly entries: number;
  /** Estimated bytes of them. */
  readonly bytes: number;
  /** How many tombstones may be among them (never too few). */
  readonly tombstones: number;
  /** When its oldest mutation was accepted, ms since the epoch by the front's clock. */
  readonly sinceMs: number;
  readonly state: 'cut' | 'stored';
}

export interface LaneHeader {
  /** Lanes of the cache; pinned at creation. */
  readonly lanes: number;
  readonly shape: Shape;
  /**
   * The run of the front's server under which the lane was last recovered; {@link unconfirmed} until it is confirmed.
   */
  readonly runId: string;
  /** Part of the name of every value slot; a new one turns all old slots into misses. */
  readonly incarnation: string;
  /** Fencing token, issued by the store. */
  readonly epoch: number;
  /**
   * The last epochs that began with something lost, or that may have: after another run of the server, or without a
   * header. With the seq at which each began, oldest first, at most {@link EPOCHS_KEPT}.
   */
  readonly epochs: readonly EpochStart[];
  /** Last sequence number issued, to a mutation or a cut. */
  readonly seq: number;
  /** Number of the last generation that was cut. */
  readonly generation: number;
  /** Cut seq of the last generation that is known to be in the store. */
  readonly storedSeq: number;
  /** Dirty keys, keys with a delta, and appends, acknowledged and not cut yet. */
  readonly pendingEntries: number;
  /** Estimated bytes of them: a key counts with the size of its first write since the cut. */
  readonly pendingBytes: number;
  readonly pendingTombstones: number;
  /** When the oldest of them was accepted; 0 when there are none. A later write of a key does not change it. */
  readonly pendingSinceMs: number;
  readonly flight: Flight | undefined;
  /**
   * Who flushes, until when (ms since the epoch by the front's clock). Only avoids wasted work; safety is the epoch.
   */
  readonly owner: string;
  readonly leaseUntilMs: number;
  /**
   * Of counters: how often totals were invalidated. A load that began before may lack what the store took meanwhile.
   */
  readonly invalidations: number;
  /** Up to which seq somebody asked for a flush ahead of time. */
  readonly flushSeq: number;
  /** Why the lane takes no writes and does not flush; '' when it does. */
  readonly stopped: string;
}

export interface EpochStart {
  readonly epoch: number;
  readonly seq: number;
}

/**
 * Bounded memory of epochs: a client that sleeps through more than this many restarts of the front reports a possible
 * loss.
 */
export const EPOCHS_KEPT = 32;

/** What the fence row of the store says about a lane. */
export interface Fence {
  readonly epoch: number;
  readonly generation: number;
  readonly seq: number;
  readonly digest: string;
  /** What was recorded of the lane's {@link LaneHeader.epochs}: the front's own list can be lost with the rest. */
  readonly epochs?: readonly EpochStart[];
}

/**
 * Run id of a lane whose recovery is not confirmed yet: no step accepts it. It names the run all the same, because a
 * front that is reset to this state in a later run must not be confirmed by what belongs to the earlier one.
 */
export const unconfirmed = (runId: string): string => `?${runId}`;
export const isUnconfirmed = (runId: string): boolean => runId.startsWith('?');

/** What a caller believes about the front it talks to; a step refuses when either is no longer so. */
export interface LaneEnv {
  readonly runId: string;
  readonly incarnation: string;
}

/**
 * The front's table of one lane, open in one transaction. `flight` marks and `frozen` values belong to the cut
 * generation. What is not of documents is in a part for each shape.
 */
export interface LaneTable {
  /** The front's wall clock for the whole step. */
  readonly nowMs: number;
  readHeader(): LaneHeader | undefined;
  writeHeader(header: LaneHeader): void;

  /** The slot, or undefined when it is empty or expired at `nowMs`. */
  readSlot(key: string): string | undefined;
  /** When the slot expires; undefined when it is empty or does not expire. */
  readExpiry(key: string): number | undefined;
  /** Replaces the slot and its expiry; without `expiresAtMs` it never expires. */
  writeSlot(key: string, raw: string, expiresAtMs?: number): void;
  /** Gives a slot that exists an expiry. */
  expireSlot(key: string, expiresAtMs: number): void;
  removeSlot(key: string): void;

  /**
   * Replaces the slot by one that never expires, and marks the key dirty. Returns the slot of a key that was dirty
   * already, '' if it had none, and undefined for a key that was not.
   */
  writeDirty(key: string, raw: string): string | undefined;
  hasPending(key: string): boolean;
  /** Turns the pending marks into the flight's, in constant time. There is no flight before. */
  cutPending(): void;
  hasFlight(key: string): boolean;
  /** Takes a key's mark out of the flight; true when it had one. */
  takeFlight(key: string): boolean;
  /** Takes up to `limit` marks out of the flight and returns their keys. */
  takeFlightChunk(limit: number): string[];
  dropFlight(): void;
  /** A page of the flight's keys; marks taken out meanwhile may be missing. `next` is '' at the end. */
  scanFlight(cursor: string, limit: number): { readonly keys: readonly string[]; readonly next: string };

  /** Keeps the value that a key had at the cut. */
  freeze(key: string, raw: string): void;
  scanFrozen(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [key: string, raw: string])[]; readonly next: string };
  dropFrozen(): void;

  /** What is of other shapes than documents. */
  readonly shapes: ShapeTables;

  /** Expiry that a dirty key shall get when it becomes clean, where it differs from the cache's. */
  writeTtl(key: string, ttlMs: number): void;
  takeTtl(key: string): number | undefined;
  hasTtls(): boolean;

  /** Forgets the slots of keys that are neither pending nor, unless that is `stored`, in flight. */
  forgetClean(stored: boolean): void;
  /** Forgets slots, marks, frozen values and ttls. The header stays. */
  clear(): void;
}

/** Mutations were taken in. */
export interface Accepted {
  readonly kind: 'accepted';
  /** Seq of the last one; those before it have the seqs before. */
  readonly seq: number;
  readonly epoch: number;
  /** Entries pending after the step, without the flight. */
  readonly pending: number;
  /** Entries and bytes that occupy the lane, the flight included. */
  readonly entries: number;
  readonly bytes: number;
}

/**
 * Nothing was taken in. `refused` are the places in the batch of what needs room that is not there: without them it
 * fits. What is pending already needs none, unless its value becomes longer.
 */
export interface Full {
  readonly kind: 'full';
  readonly entries: number;
  readonly bytes: number;
  readonly refused: readonly number[];
  /** The front's server has no memory left, whatever the limits say. */
  readonly outOfMemory?: true;
}

export type Unrecovered = { readonly kind: 'unrecovered'; readonly header: LaneHeader | undefined };
export type Stopped = { readonly kind: 'stopped'; readonly reason: string };
export type Refused = { readonly kind: 'refused'; readonly epoch: number };

/** The header, if the lane is as the caller believes. */
export function enter(table: LaneTable, env: LaneEnv): LaneHeader | undefined {
  const header = table.readHeader();
  if (header === undefined || header.runId !== env.runId || header.incarnation !== env.incarnation) return undefined;
  return header;
}

/** The header once totals have been invalidated; others than counters tell loads that are too late by other means. */
export const invalidated = (header: LaneHeader): LaneHeader =>
  traitsOf(header.shape).countsInvalidations ? { ...header, invalidations: header.invalidations + 1 } : header;

/** What a step answers when {@link enter} gave nothing. */
export const unrecovered = (table: LaneTable): Unrecovered => ({ kind: 'unrecovered', header: table.readHeader() });

type Entered = { readonly kind: 'entered'; readonly header: LaneHeader };

/** The header for a step about one shape, or the step's answer. */
export function enterShape(table: LaneTable, env: LaneEnv, shape: Shape): Entered | Stopped | Unrecovered {
  const header = enter(table, env);
  return header === undefined ? unrecovered(table) : entered(header, misshapen(header.shape, shape));
}

/** As {@link enterShape}, for a step that takes mutations in: a lane that is stopped takes none. */
export function enterToWrite(table: LaneTable, env: LaneEnv, shape: Shape): Entered | Stopped | Unrecovered {
  const header = enter(table, env);
  return header === undefined ? unrecovered(table) : entered(header, header.stopped || misshapen(header.shape, shape));
}

const entered = (header: LaneHeader, reason: string): Entered | Stopped =>
  reason === '' ? { kind: 'entered', header } : { kind: 'stopped', reason };

/** For a load from another generation than the lane's: in a lane that is stopped no other load would fit either. */
export const staleOr = ({ stopped }: LaneHeader): Stopped | { readonly kind: 'stale' } =>
  stopped === '' ? { kind: 'stale' } : { kind: 'stopped', reason: stopped };

/** Entries that occupy the lane: a key that is pending again while it is in flight counts twice. */
export const entriesOf = (header: LaneHeader): number =>
  header.pendingEntries + (header.flight?.state === 'cut' ? header.flight.entries : 0);
export const bytesOf = (header: LaneHeader): number =>
  header.pendingBytes + (header.flight?.state === 'cut' ? header.flight.bytes : 0);

/** When the oldest mutation that the store does not have was accepted; 0 when there is none. */
export function oldestSinceMs(header: LaneHeader): number {
  if (header.flight?.state === 'cut') return header.flight.sinceMs;
  return header.pendingSinceMs;
}
