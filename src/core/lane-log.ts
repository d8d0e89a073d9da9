import {
  type Accepted,
  bytesOf,
  enterToWrite,
  entriesOf,
  type Full,
  type LaneEnv,
  type LaneHeader,
  type LaneTable,
  type Refused,
  type Stopped,
  type Unrecovered,
} from './lane.ts';
import { isInFlight } from './lane-flush.ts';
import { withoutRoom } from './room.ts';
import type { Shape } from './shape.ts';

/** Events of one process that were waiting for a lane, in their order. They are never coalesced. */
export interface AppendBatch {
  readonly entries: readonly string[];
  /** Length of all entries together. */
  readonly bytes: number;
  readonly shape: Shape;
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export type AppendResult = Accepted | Full | Unrecovered | Stopped;

/** Puts entries at the end of the lane's log. */
export function append(table: LaneTable, env: LaneEnv, batch: AppendBatch): AppendResult {
  const entered = enterToWrite(table, env, batch.shape);
  if (entered.kind !== 'entered') return entered;
  const { header } = entered;
  const entries = entriesOf(header);
  const bytes = bytesOf(header);
  const count = batch.entries.length;
  if (bytes + batch.bytes > batch.maxBytes || entries + count > batch.maxEntries)
    return { kind: 'full', entries, bytes, refused: eventsWithoutRoom(batch, entries, bytes) };
  for (const entry of batch.entries) table.shapes.log.append(entry);
  const next: LaneHeader = {
    ...header,
    seq: header.seq + count,
    pendingEntries: header.pendingEntries + count,
    pendingBytes: header.pendingBytes + batch.bytes,
    pendingSinceMs: header.pendingEntries === 0 && count > 0 ? table.nowMs : header.pendingSinceMs,
  };
  table.writeHeader(next);
  return {
    kind: 'accepted',
    seq: next.seq,
    epoch: header.epoch,
    pending: next.pendingEntries,
    entries: entries + count,
    bytes: bytes + batch.bytes,
  };
}

/** The places of the events that do not fit: from the first that has no room on, all. */
export const eventsWithoutRoom = (batch: AppendBatch, entries: number, bytes: number): number[] =>
  withoutRoom(
    batch.entries.map((entry) => ({ entries: 1, bytes: entry.length })),
    batch.maxEntries - entries,
    batch.maxBytes - bytes,
  );

/** Entries of the log of the generation in flight, from its `from`th on; fewer than `limit` at the end. */
export type EntriesResult = { readonly kind: 'entries'; readonly entries: readonly string[] } | Refused;

export function readLog(
  table: LaneTable,
  runId: string,
  epoch: number,
  generation: number,
  from: number,
  limit: number,
): EntriesResult {
  const header = table.readHeader();
  if (!isInFlight(header, runId, epoch, generation)) return { kind: 'refused', epoch: header?.epoch ?? 0 };
  return { kind: 'entries', entries: table.shapes.log.readFlight(from, limit) };
}
