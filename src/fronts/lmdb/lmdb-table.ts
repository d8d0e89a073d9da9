import { asBinary } from 'lmdb';
import type { LaneHeader } from '../../core/lane.ts';
import type { ShapeTables } from '../../core/shape-tables.ts';
import type { EmbeddedTable } from '../embedded/lanes.ts';
import { sweepTime } from '../embedded/sweeper.ts';
import { after, keyOf, setName, timeName } from './keys.ts';
import { LaneRecord } from './lane-record.ts';
import { shapeTables } from './shape-rows.ts';
import type { Tables } from './tables.ts';

/** A mark says by being there. Made into bytes once; its type is that of the table, which it is read as. */
const MARK = asBinary(Buffer.from('1')) as unknown as string;
const UNLESS_THERE = { noOverwrite: true };

/**
 * A lane's table in LMDB. Slots, marks and frozen values lie in sets whose names are in the lane's row; a cut and a
 * recovery change names, whatever the sets hold, and what they let go of is removed later (see `garbage.ts`).
 *
 * One object serves one step at a time: `begin` before it, `finish` after it.
 */
export class LmdbTable implements EmbeddedTable {
  nowMs = 0;
  readonly shapes: ShapeTables;
  readonly #tables: Tables;
  readonly #record: LaneRecord;
  readonly #onDue: (atMs: number) => void;

  constructor(tables: Tables, cache: string, lane: number, onDue: (atMs: number) => void) {
    this.#tables = tables;
    this.#record = new LaneRecord(tables, cache, lane);
    this.#onDue = onDue;
    this.shapes = shapeTables(tables, {
      read: () => this.#record.read(),
      change: (change) => this.#record.change(change),
      newSet: () => this.#newSet(),
    });
  }

  begin(nowMs: number, runId: string): this {
    this.nowMs = nowMs;
    this.#record.begin(runId);
    return this;
  }

  /** Writes what the step changed of the lane itself. */
  finish(): void {
    this.#record.finish();
  }

  isCurrent(): boolean {
    return this.#record.isCurrent();
  }

  readHeader(): LaneHeader | undefined {
    return this.#record.read().header;
  }

  writeHeader(header: LaneHeader): void {
    this.#record.change({ header });
  }

  // Slots. An entry's version is when it expires, 0 for never.

  readSlot(key: string): string | undefined {
    const entry = this.#tables.slots.getEntry(this.#record.slots + key);
    if (entry === undefined || (entry.version !== 0 && (entry.version as number) <= this.nowMs)) return undefined;
    return entry.value;
  }

  readExpiry(key: string): number | undefined {
    const version = this.#tables.slots.getEntry(this.#record.slots + key)?.version;
    return version === undefined || version <= this.nowMs ? undefined : version;
  }

  writeSlot(key: string, raw: string, expiresAtMs?: number): void {
    const row = this.#record.slots + key;
    this.#tables.putSlot(row, raw, expiresAtMs);
    if (expiresAtMs !== undefined) this.#putDue(row, expiresAtMs);
  }

  expireSlot(key: string, expiresAtMs: number): void {
    const row = this.#record.slots + key;
    const raw = this.#tables.slots.get(row);
    if (raw === undefined) return;
    this.#tables.putSlot(row, raw, expiresAtMs);
    this.#putDue(row, expiresAtMs);
  }

  removeSlot(key: string): void {
    void this.#tables.slots.remove(this.#record.slots + key);
  }

  #putDue(row: string, expiresAtMs: number): void {
    const atMs = sweepTime(expiresAtMs, this.nowMs);
    void this.#tables.due.put(timeName(atMs) + row, '1');
    this.#onDue(atMs);
  }

  // Marks.

  writeDirty(key: string, raw: string): string | undefined {
    const { slots, marks } = this.#tables;
    const row = this.#record.slots + key;
    // Putting the mark tells whether it was there.
    const isFresh = marks.putSync(this.#record.read().pending + key, MARK, UNLESS_THERE) as unknown as boolean;
    const before = isFresh ? undefined : (slots.get(row) ?? '');
    this.#tables.putSlot(row, raw);
    return before;
  }

  hasPending(key: string): boolean {
    const { pending } = this.#record.read();
    return pending !== '' && this.#tables.marks.doesExist(pending + key);
  }

  cutPending(): void {
    const { pending } = this.#record.read();
    this.#record.change({ flight: pending, pending: this.#newSet() });
  }

  hasFlight(key: string): boolean {
    const { flight } = this.#record.read();
    return flight !== '' && this.#tables.marks.doesExist(flight + key);
  }

  takeFlight(key: string): boolean {
    const { flight } = this.#record.read();
    return flight !== '' && this.#tables.marks.removeSync(flight + key);
  }

  takeFlightChunk(limit: number): string[] {
    const { flight } = this.#record.read();
    if (flight === '') return [];
    const rows = this.#range(flight, '', limit);
    for (const row of rows) this.#tables.marks.removeSync(row);
    return rows.map(keyOf);
  }

  dropFlight(): void {
    this.#tables.addGarbage('marks', this.#record.read().flight);
    this.#record.change({ flight: '' });
  }

  scanFlight(cursor: string, limit: number): { readonly keys: readonly string[]; readonly next: string } {
    const { flight } = this.#record.read();
    const keys = flight === '' ? [] : this.#range(flight, cursor, limit).map(keyOf);
    return { keys, next: keys.length < limit ? '' : (keys.at(-1) as string) };
  }

  #range(set: string, cursor: string, limit: number): string[] {
    return [
      ...this.#tables.marks.getKeys({ start: set + cursor, end: after(set), exclusiveStart: cursor !== '', limit }),
    ];
  }

  // Frozen values lie among the slots, in a set of their own.

  freeze(key: string, raw: string): void {
    if (this.#record.read().frozen === '') this.#record.change({ frozen: this.#newSet() });
    this.#tables.putSlot(this.#record.read().frozen + key, raw);
  }

  scanFrozen(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [string, string])[]; readonly next: string } {
    const { frozen } = this.#record.read();
    if (frozen === '') return { rows: [], next: '' };
    const range = this.#tables.slots.getRange({
      start: frozen + cursor,
      end: after(frozen),
      exclusiveStart: cursor !== '',
      limit,
    });
    const rows = [...range].map(({ key, value }) => [keyOf(key), value] as const);
    return { rows, next: rows.length < limit ? '' : (rows.at(-1) as readonly [string, string])[0] };
  }

  dropFrozen(): void {
    const { frozen } = this.#record.read();
    if (frozen === '') return;
    this.#tables.addGarbage('slots', frozen);
    this.#record.change({ frozen: '' });
  }

  // Expiries of keys that are still dirty.

  writeTtl(key: string, ttlMs: number): void {
    const { ttls, ttlCount } = this.#record.read();
    const set = ttls === '' ? this.#newSet() : ttls;
    const isNew = ttls === '' || !this.#tables.marks.doesExist(set + key);
    void this.#tables.marks.put(set + key, String(ttlMs));
    if (isNew) this.#record.change({ ttls: set, ttlCount: ttlCount + 1 });
  }

  takeTtl(key: string): number | undefined {
    const { ttls, ttlCount } = this.#record.read();
    const ttlMs = ttlCount === 0 ? undefined : this.#tables.marks.get(ttls + key);
    if (ttlMs === undefined) return undefined;
    this.#tables.marks.removeSync(ttls + key);
    this.#record.change({ ttlCount: ttlCount - 1 });
    return Number(ttlMs);
  }

  hasTtls(): boolean {
    return this.#record.read().ttlCount > 0;
  }

  forgetClean(stored: boolean): void {
    const { slots, pending, flight } = this.#record.read();
    const kept = this.#newSet();
    for (const set of stored ? [pending] : [pending, flight]) {
      for (const row of set === '' ? [] : this.#range(set, '', Number.POSITIVE_INFINITY)) {
        const raw = this.#tables.slots.get(slots + keyOf(row));
        // What is dirty does not expire.
        if (raw !== undefined) this.#tables.putSlot(kept + keyOf(row), raw);
      }
    }
    this.#tables.addGarbage('slots', slots);
    this.#record.change({ slots: kept });
  }

  clear(): void {
    const { slots, pending, flight, frozen, ttls } = this.#record.read();
    for (const set of [slots, frozen]) this.#tables.addGarbage('slots', set);
    for (const set of [pending, flight, ttls]) this.#tables.addGarbage('marks', set);
    this.#record.change({
      slots: this.#newSet(),
      pending: this.#newSet(),
      flight: '',
      frozen: '',
      ttls: '',
      ttlCount: 0,
    });
  }

  #newSet(): string {
    return setName(this.#tables.takeNumber());
  }
}
