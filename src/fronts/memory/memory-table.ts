import type { LaneHeader } from '../../core/lane.ts';
import type { EmbeddedTable } from '../embedded/lanes.ts';
import { sweepTime } from '../embedded/sweeper.ts';
import { MemoryScores } from './memory-scores.ts';

/** A lane's table in plain maps. */
export class MemoryTable implements EmbeddedTable {
  nowMs = 0;
  readonly scores = new MemoryScores();
  readonly #runId: string;
  readonly #onDue: (atMs: number) => void;
  #header: LaneHeader | undefined;
  #slots = new Map<string, string>();
  #expiries = new Map<string, number>();
  /** Keys to look at, by when; a key may be in several. */
  readonly #due = new Map<number, Set<string>>();
  #pending = new Set<string>();
  #flight = new Set<string>();
  /** The flight's keys in the order of the scan, as far as it has come: a cursor is a place in it. */
  #scanned: string[] = [];
  #unscanned: Iterator<string> | undefined;
  #untaken: Iterator<string> | undefined;
  #frozen = new Map<string, string>();
  #frozenKeys: string[] = [];
  #ttls = new Map<string, number>();
  #deltas = new Map<string, bigint>();
  #flightDeltas = new Map<string, bigint>();
  /** The flight's deltas in the order of the scan. */
  #scannedDeltas: (readonly [string, bigint])[] | undefined;
  #log: string[] = [];
  #flightLog: string[] = [];

  /** `onDue` is told when something will have to be swept. */
  constructor(runId: string, onDue: (atMs: number) => void) {
    this.#runId = runId;
    this.#onDue = onDue;
  }

  isCurrent(): boolean {
    return this.#header?.runId === this.#runId;
  }

  readHeader(): LaneHeader | undefined {
    return this.#header;
  }

  writeHeader(header: LaneHeader): void {
    this.#header = header;
  }

  readSlot(key: string): string | undefined {
    if (this.#expiries.size > 0 && (this.#expiries.get(key) ?? Number.POSITIVE_INFINITY) <= this.nowMs) {
      this.removeSlot(key);
      return undefined;
    }
    return this.#slots.get(key);
  }

  readExpiry(key: string): number | undefined {
    const expiresAtMs = this.#expiries.get(key);
    return expiresAtMs === undefined || expiresAtMs <= this.nowMs ? undefined : expiresAtMs;
  }

  writeSlot(key: string, raw: string, expiresAtMs?: number): void {
    this.#slots.set(key, raw);
    if (expiresAtMs !== undefined) this.#expire(key, expiresAtMs);
    else if (this.#expiries.size > 0) this.#expiries.delete(key);
  }

  expireSlot(key: string, expiresAtMs: number): void {
    if (this.#slots.has(key)) this.#expire(key, expiresAtMs);
  }

  removeSlot(key: string): void {
    this.#slots.delete(key);
    this.#expiries.delete(key);
  }

  #expire(key: string, expiresAtMs: number): void {
    this.#expiries.set(key, expiresAtMs);
    const at = sweepTime(expiresAtMs, this.nowMs);
    let keys = this.#due.get(at);
    if (keys === undefined) {
      this.#due.set(at, (keys = new Set()));
      this.#onDue(at);
    }
    keys.add(key);
  }

  /** Looks at up to `limit` keys that were due by now and removes the slots that have expired. */
  sweep(nowMs: number, limit: number): { readonly looked: number; readonly nextAtMs: number } {
    let looked = 0;
    let nextAtMs = Number.POSITIVE_INFINITY;
    for (const [at, keys] of this.#due) {
      if (at <= nowMs) {
        for (const key of keys) {
          if (looked >= limit) break;
          looked++;
          keys.delete(key);
          if ((this.#expiries.get(key) ?? Number.POSITIVE_INFINITY) <= nowMs) this.removeSlot(key);
        }
        if (keys.size === 0) this.#due.delete(at);
      }
      if (keys.size > 0) nextAtMs = Math.min(nextAtMs, at);
    }
    return { looked, nextAtMs };
  }

  addPending(key: string): boolean {
    const before = this.#pending.size;
    this.#pending.add(key);
    return this.#pending.size > before;
  }

  hasPending(key: string): boolean {
    return this.#pending.has(key);
  }

  cutPending(): void {
    this.#flight = this.#pending;
    this.#pending = new Set();
    this.#restartScan();
    this.#flightDeltas = this.#deltas;
    this.#deltas = new Map();
    this.#scannedDeltas = undefined;
    this.#flightLog = this.#log;
    this.#log = [];
    this.scores.cut();
  }

  hasFlight(key: string): boolean {
    return this.#flight.has(key);
  }

  takeFlight(key: string): boolean {
    return this.#flight.delete(key);
  }

  takeFlightChunk(limit: number): string[] {
    const keys: string[] = [];
    // Not from the beginning each time: a set keeps a place for what was taken out of it.
    this.#untaken ??= this.#flight.values();
    while (keys.length < limit) {
      const { value, done } = this.#untaken.next();
      if (done === true) break;
      keys.push(value);
      this.#flight.delete(value);
    }
    return keys;
  }

  dropFlight(): void {
    this.#flight = new Set();
    this.#restartScan();
  }

  #restartScan(): void {
    this.#untaken = undefined;
    this.#scanned = [];
    this.#unscanned = undefined;
  }

  scanFlight(cursor: string, limit: number): { readonly keys: readonly string[]; readonly next: string } {
    this.#unscanned ??= this.#flight.values();
    const from = cursor === '' ? 0 : Number(cursor);
    const to = from + limit;
    while (this.#scanned.length < to) {
      const { value, done } = this.#unscanned.next();
      if (done === true) break;
      this.#scanned.push(value);
    }
    const page = this.#scanned.slice(from, to);
    // Taken out since the scan came by: a second scan must not give them the value that they have now.
    return { keys: page.filter((key) => this.#flight.has(key)), next: page.length < limit ? '' : String(to) };
  }

  freeze(key: string, raw: string): void {
    if (!this.#frozen.has(key)) this.#frozenKeys.push(key);
    this.#frozen.set(key, raw);
  }

  scanFrozen(cursor: string, limit: number): { readonly rows: readonly (readonly [string, string])[]; readonly next: string } {
    const from = cursor === '' ? 0 : Number(cursor);
    const keys = this.#frozenKeys.slice(from, from + limit);
    const rows = keys.map((key) => [key, this.#frozen.get(key) as string] as const);
    return { rows, next: keys.length < limit ? '' : String(from + limit) };
  }

  dropFrozen(): void {
    if (this.#frozenKeys.length === 0) return;
    this.#frozen = new Map();
    this.#frozenKeys = [];
  }

  readDelta(key: string): bigint | undefined {
    return this.#deltas.get(key);
  }

  writeDelta(key: string, sum: bigint): void {
    this.#deltas.set(key, sum);
  }

  readFlightDelta(key: string): bigint | undefined {
    return this.#flightDeltas.get(key);
  }

  scanFlightDeltas(cursor: string, limit: number): { readonly rows: readonly (readonly [string, bigint])[]; readonly next: string } {
    this.#scannedDeltas ??= [...this.#flightDeltas];
    const from = Number(cursor);
    const rows = this.#scannedDeltas.slice(from, from + limit);
    return { rows, next: rows.length < limit ? '' : String(from + limit) };
  }

  appendEntry(entry: string): void {
    this.#log.push(entry);
  }

  readFlightLog(from: number, limit: number): readonly string[] {
    return this.#flightLog.slice(from, from + limit);
  }

  dropFlightShapes(): void {
    this.#flightDeltas = new Map();
    this.#scannedDeltas = undefined;
    this.#flightLog = [];
    this.scores.dropFlight();
  }

  writeTtl(key: string, ttlMs: number): void {
    this.#ttls.set(key, ttlMs);
  }

  takeTtl(key: string): number | undefined {
    const ttlMs = this.#ttls.get(key);
    if (ttlMs !== undefined) this.#ttls.delete(key);
    return ttlMs;
  }

  hasTtls(): boolean {
    return this.#ttls.size > 0;
  }

  forgetClean(stored: boolean): void {
    for (const key of this.#slots.keys()) if (!this.#pending.has(key) && (stored || !this.#flight.has(key))) this.removeSlot(key);
    this.scores.forgetBoard();
  }

  clear(): void {
    this.#slots = new Map();
    this.#expiries = new Map();
    this.#due.clear();
    this.#pending = new Set();
    this.#ttls = new Map();
    this.#deltas = new Map();
    this.#log = [];
    this.scores.clear();
    this.dropFlightShapes();
    this.dropFlight();
    this.dropFrozen();
  }
}
