import {
  type Accepted,
  bytesOf,
  enter,
  entriesOf,
  type Full,
  type LaneEnv,
  type LaneTable,
  type Stopped,
  type Unrecovered,
  unrecovered,
} from './lane.ts';
import { type Need, withoutRoom } from './room.ts';
import { TOMBSTONE } from './slot.ts';

/** All writes of one process that were waiting for a lane: distinct keys, the last slot of each. */
export interface WriteBatch {
  /** How many mutations these are, with the ones that were coalesced before they got here; each takes a seq. */
  readonly accepted: number;
  readonly keys: readonly string[];
  /** JSON text, or {@link TOMBSTONE}. */
  readonly slots: readonly string[];
  /** Expiry in ms by key index, where it differs from the cache's. */
  readonly ttls: ReadonlyMap<number, number> | undefined;
  /** Entries and bytes up to which the lane takes new keys, and longer values for those that are pending. */
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export type WriteResult = Accepted | Full | Unrecovered | Stopped;

/** Accepts mutations: value, pending mark and seq in one step. A dirty slot has no expiry. */
export function write(table: LaneTable, env: LaneEnv, batch: WriteBatch): WriteResult {
  const header = enter(table, env);
  if (header === undefined) return unrecovered(table);
  if (header.stopped !== '') return { kind: 'stopped', reason: header.stopped };

  const entries = entriesOf(header);
  const bytes = bytesOf(header);
  if (mayNotFit(batch, entries, bytes)) {
    const needs = needsOf(table, batch);
    const added = needs.reduce((sum, need) => sum + need.entries, 0);
    const grown = needs.reduce((sum, need) => sum + need.bytes, 0);
    if ((added > 0 && entries + added > batch.maxEntries) || (grown > 0 && bytes + grown > batch.maxBytes)) {
      const refused = withoutRoom(needs, batch.maxEntries - entries, batch.maxBytes - bytes);
      return { kind: 'full', entries, bytes, refused };
    }
  }

  const { flight } = header;
  const ttlsBefore = table.hasTtls();
  let added = 0;
  let grown = 0;
  let tombstones = 0;
  for (let i = 0; i < batch.keys.length; i++) {
    const key = batch.keys[i] as string;
    const slot = batch.slots[i] as string;
    // The flight keeps the value of the cut: what the store gets is a prefix of the lane, not a mixture.
    if (flight !== undefined && table.takeFlight(key) && flight.state === 'cut') {
      const old = table.readSlot(key);
      if (old !== undefined) table.freeze(key, old);
    }
    const before = table.writeDirty(key, slot);
    if (before === undefined) added++;
    else grown -= Buffer.byteLength(before);
    grown += Buffer.byteLength(slot);
    if (slot === TOMBSTONE) tombstones++;
    const ttl = batch.ttls?.get(i);
    if (ttl !== undefined) table.writeTtl(key, ttl);
    else if (ttlsBefore) table.takeTtl(key);
  }

  const seq = header.seq + batch.accepted;
  table.writeHeader({
    ...header,
    seq,
    pendingEntries: header.pendingEntries + added,
    pendingBytes: header.pendingBytes + grown,
    pendingTombstones: header.pendingTombstones + tombstones,
    pendingSinceMs: header.pendingEntries === 0 ? table.nowMs : header.pendingSinceMs,
  });
  return {
    kind: 'accepted',
    seq,
    epoch: header.epoch,
    pending: header.pendingEntries + added,
    entries: entries + added,
    bytes: bytes + grown,
  };
}

/** Whether it must be looked at closely: far from the limits, nobody pays for that. A character has at most 3 bytes. */
function mayNotFit({ keys, slots, maxEntries, maxBytes }: WriteBatch, entries: number, bytes: number): boolean {
  let most = bytes;
  for (const slot of slots) most += slot.length * 3;
  return entries + keys.length > maxEntries || most > maxBytes;
}

/** What each key of a batch adds to the lane. A key counts with its present value. */
function needsOf(table: LaneTable, { keys, slots }: WriteBatch): Need[] {
  return keys.map((key, i) => {
    const bytes = Buffer.byteLength(slots[i] as string);
    return table.hasPending(key)
      ? { entries: 0, bytes: bytes - Buffer.byteLength(table.readSlot(key) ?? '') }
      : { entries: 1, bytes };
  });
}
