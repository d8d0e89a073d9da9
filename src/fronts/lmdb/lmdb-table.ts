import { asBinary } from 'lmdb';
import type { LaneHeader } from '../../core/lane.ts';
import type { EmbeddedTable } from '../embedded/lanes.ts';
import { sweepTime } from '../embedded/sweeper.ts';
import { after, entryName, keyOf, setName, timeName } from './keys.ts';
import { LaneRecord, NO_ROW } from './lane-record.ts';
import { LmdbScores } from './lmdb-scores.ts';
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
  readonly scores: LmdbScores;
  readonly #tables: Tables;
  readonly #record: LaneRecord;
  readonly #onDue: (atMs: number) => void;

  constructor(tables: Tables, cache: string, lane: number, onDue: (atMs: number) => void) {
    this.#tables = tables;
    this.#record = new LaneRecord(tables, cache, lane);
    this.#onDue = onDue;
    this.scores = new LmdbScores(tables, {
      read: () => this.#record.read().scores,
      change: (change) => this.#record.change({ scores: { ...this.#record.read().scores, ...change } }),
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
    const { pending, deltas, log } = this.#record.read();
    this.#record.change({
      flight: pending,
      pending: this.#newSet(),
      flightDeltas: deltas,
      deltas: '',
      flightLog: log,
      log: '',
      logCount: 0,
    });
    this.scores.cut();
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

  // Deltas lie among the marks. A set is taken when it is first needed: most lanes have none.

  readDelta(key: string): bigint | undefined {
    return this.#sumIn(this.#record.read().deltas, key);
  }

  writeDelta(key: string, sum: bigint): void {
    if (this.#record.read().deltas === '') this.#record.change({ deltas: this.#newSet() });
    void this.#tables.marks.put(this.#record.read().deltas + key, String(sum));
  }

  readFlightDelta(key: string): bigint | undefined {
    return this.#sumIn(this.#record.read().flightDeltas, key);
  }

  #sumIn(set: string, key: string): bigint | undefined {
    const sum = set === '' ? undefined : this.#tables.marks.get(set + key);
    return sum === undefined ? undefined : BigInt(sum);
  }

  scanFlightDeltas(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [string, bigint])[]; readonly next: string } {
    const { flightDeltas } = this.#record.read();
    if (flightDeltas === '') return { rows: [], next: '' };
    const range = this.#tables.marks.getRange({
      start: flightDeltas + cursor,
      end: after(flightDeltas),
      exclusiveStart: cursor !== '',
      limit,
    });
    const rows = [...range].map(({ key, value }) => [keyOf(key), BigInt(value)] as const);
    return { rows, next: rows.length < limit ? '' : (rows.at(-1) as readonly [string, bigint])[0] };
  }

  // The log's entries lie among the slots, by number.

  appendEntry(entry: string): void {
    const { log, logCount } = this.#record.read();
    const set = log === '' ? this.#newSet() : log;
    this.#tables.putSlot(set + entryName(logCount), entry);
    this.#record.change({ log: set, logCount: logCount + 1 });
  }

  readFlightLog(from: number, limit: number): readonly string[] {
    const { flightLog } = this.#record.read();
    if (flightLog === '') return [];
    return [...this.#tables.slots.getRange({ start: flightLog + entryName(from), end: after(flightLog), limit })].map(
      ({ value }) => value,
    );
  }

  dropFlightShapes(): void {
    this.scores.dropFlight();
    const { flightDeltas, flightLog } = this.#record.read();
    if (flightDeltas === '' && flightLog === '') return;
    this.#tables.addGarbage('marks', flightDeltas);
    this.#tables.addGarbage('slots', flightLog);
    this.#record.change({ flightDeltas: '', flightLog: '' });
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
    this.scores.forgetBoard();
  }

  clear(): void {
    const { header, slots, pending, flight, frozen, ttls, deltas, flightDeltas, log, flightLog } = this.#record.read();
    for (const set of [slots, frozen, log, flightLog]) this.#tables.addGarbage('slots', set);
    for (const set of [pending, flight, ttls, deltas, flightDeltas]) this.#tables.addGarbage('marks', set);
    this.scores.clear();
    this.#record.change({ ...NO_ROW, header, slots: this.#newSet(), pending: this.#newSet() });
  }

  #newSet(): string {
    return setName(this.#tables.takeNumber());
  }
}
