import { bytesOf, enter, entriesOf, type LaneEnv, type LaneTable, type Stopped, type Unrecovered } from './lane.ts';
import { TOMBSTONE } from './slot.ts';

/** All writes of one process that were waiting for a lane: distinct keys, the last slot of each. */
export interface WriteBatch {
  /** How many mutations these are, with the ones that were coalesced before they got here; each takes a seq. */
  readonly accepted: number;
  readonly keys: readonly string[];
  /** JSON text, or {@link TOMBSTONE}. */
  readonly slots: readonly string[];
  /** Length of all slots together, an estimate of the bytes they take. */
  readonly bytes: number;
  /** Expiry in ms by key index, where it differs from the cache's. */
  readonly ttls: ReadonlyMap<number, number> | undefined;
  /** Entries and bytes above which the lane takes no new key. */
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export type WriteResult =
  | {
      readonly kind: 'accepted';
      /** Seq of the batch's last mutation; the first has `seq - accepted + 1`. */
      readonly seq: number;
      readonly epoch: number;
      /** Keys pending after the write, without the flight. */
      readonly pending: number;
      /** Entries and bytes that occupy the lane, the flight included. */
      readonly entries: number;
      readonly bytes: number;
    }
  /** Nothing was written. `room` new keys would still fit. */
  | { readonly kind: 'full'; readonly entries: number; readonly bytes: number; readonly room: number }
  | Unrecovered
  | Stopped;

/** Accepts mutations: value, pending mark and seq in one step. A dirty slot has no expiry. */
export function write(table: LaneTable, env: LaneEnv, batch: WriteBatch): WriteResult {
  const header = enter(table, env);
  if (header === undefined) return { kind: 'unrecovered', header: table.readHeader() };
  if (header.stopped !== '') return { kind: 'stopped', reason: header.stopped };

  const entries = entriesOf(header);
  const bytes = bytesOf(header);
  if (entries + batch.keys.length > batch.maxEntries || bytes + batch.bytes > batch.maxBytes) {
    let fresh = 0;
    for (const key of batch.keys) if (!table.hasPending(key)) fresh++;
    const room = bytes + batch.bytes > batch.maxBytes ? 0 : Math.max(0, batch.maxEntries - entries);
    if (fresh > room) return { kind: 'full', entries, bytes, room };
  }

  const { flight } = header;
  const ttlsBefore = table.hasTtls();
  let added = 0;
  let tombstones = 0;
  for (let i = 0; i < batch.keys.length; i++) {
    const key = batch.keys[i] as string;
    const slot = batch.slots[i] as string;
    // The flight keeps the value of the cut: what the store gets is a prefix of the lane, not a mixture.
    if (flight !== undefined && table.takeFlight(key) && flight.state === 'cut') {
      const old = table.readSlot(key);
      if (old !== undefined) table.freeze(key, old);
    }
    table.writeSlot(key, slot);
    if (table.addPending(key)) added++;
    if (slot === TOMBSTONE) tombstones++;
    const ttl = batch.ttls?.get(i);
    if (ttl !== undefined) table.writeTtl(key, ttl);
    else if (ttlsBefore) table.takeTtl(key);
  }

  const seq = header.seq + batch.accepted;
  const newBytes = batch.keys.length === 0 ? 0 : Math.round((batch.bytes * added) / batch.keys.length);
  table.writeHeader({
    ...header,
    seq,
    pendingEntries: header.pendingEntries + added,
    pendingBytes: header.pendingBytes + newBytes,
    pendingTombstones: header.pendingTombstones + tombstones,
    pendingSinceMs: header.pendingEntries === 0 ? table.nowMs : header.pendingSinceMs,
  });
  return {
    kind: 'accepted',
    seq,
    epoch: header.epoch,
    pending: header.pendingEntries + added,
    entries: entries + added,
    bytes: bytes + newBytes,
  };
}
