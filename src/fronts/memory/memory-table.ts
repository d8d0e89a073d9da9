import type { LaneHeader } from '../../core/lane.ts';
import type { ShapeTables } from '../../core/shape-tables.ts';
import type { EmbeddedTable } from '../embedded/lanes.ts';
import { DueKeys, type Swept } from './due-keys.ts';
import { MemoryCounters } from './memory-counters.ts';
import { MemoryLog } from './memory-log.ts';
import { MemoryScores } from './memory-scores.ts';

/** What is kept of a key: one look-up finds its slot, its expiry and its mark. */
interface KeyState {
  readonly key: string;
  /** Undefined when a marked key has no slot. */
  raw: string | undefined;
  expiresAtMs: number | undefined;
  /** The set of marks that the key is in, or was in last. */
  set: number;
}

/** Where a key is that has no mark, and the set of a flight that is not there. */
const UNMARKED = 0;
const NO_FLIGHT = -1;

/** A lane's table in plain maps. */
export class MemoryTable implements EmbeddedTable {
  nowMs = 0;
  readonly shapes: ShapeTables = {
    counters: new MemoryCounters(),
    log: new MemoryLog(),
    scores: new MemoryScores(),
  };
  readonly #runId: string;
  readonly #due: DueKeys;
  #header: LaneHeader | undefined;
  #entries = new Map<string, KeyState>();
  /** Sets of marks have numbers, each its own, and the keys that were put into them in that order. */
  #pendingSet = 1;
  #flightSet = NO_FLIGHT;
  #pending: KeyState[] = [];
  /** Marks are taken out of it by being changed; its order is that of the scan. */
  #flight: readonly KeyState[] = [];
  /** Those before this place are taken. */
  #untaken = 0;
  #frozen = new Map<string, string>();
  #frozenKeys: string[] = [];
  #ttls = new Map<string, number>();

  /** `onDue` is told when something will have to be swept. */
  constructor(runId: string, onDue: (atMs: number) => void) {
    this.#runId = runId;
    this.#due = new DueKeys(onDue);
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
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (!this.#isExpired(entry)) return entry.raw;
    this.#remove(entry);
    return undefined;
  }

  readExpiry(key: string): number | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || this.#isExpired(entry) ? undefined : entry.expiresAtMs;
  }

  #isExpired({ expiresAtMs }: KeyState): boolean {
    return expiresAtMs !== undefined && expiresAtMs <= this.nowMs;
  }

  writeSlot(key: string, raw: string, expiresAtMs?: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#entries.set(key, { key, raw, expiresAtMs, set: UNMARKED });
    else {
      entry.raw = raw;
      entry.expiresAtMs = expiresAtMs;
    }
    if (expiresAtMs !== undefined) this.#due.put(key, expiresAtMs, this.nowMs);
  }

  expireSlot(key: string, expiresAtMs: number): void {
    const entry = this.#entries.get(key);
    if (entry?.raw === undefined) return;
    entry.expiresAtMs = expiresAtMs;
    this.#due.put(key, expiresAtMs, this.nowMs);
  }

  removeSlot(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#remove(entry);
  }

  #remove(entry: KeyState): void {
    entry.raw = undefined;
    entry.expiresAtMs = undefined;
    if (entry.set !== this.#pendingSet && entry.set !== this.#flightSet) this.#entries.delete(entry.key);
  }

  /** Looks at up to `limit` keys that were due by now and removes the slots that have expired. */
  sweep(nowMs: number, limit: number): Swept {
    this.nowMs = nowMs;
    return this.#due.take(nowMs, limit, (key) => void this.readSlot(key));
  }

  writeDirty(key: string, raw: string): string | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      const fresh: KeyState = { key, raw, expiresAtMs: undefined, set: this.#pendingSet };
      this.#entries.set(key, fresh);
      this.#pending.push(fresh);
      return undefined;
    }
    const before = entry.raw;
    entry.raw = raw;
    entry.expiresAtMs = undefined;
    if (entry.set === this.#pendingSet) return before ?? '';
    entry.set = this.#pendingSet;
    this.#pending.push(entry);
    return undefined;
  }

  hasPending(key: string): boolean {
    return this.#entries.get(key)?.set === this.#pendingSet;
  }

  cutPending(): void {
    this.#flight = this.#pending;
    this.#flightSet = this.#pendingSet;
    this.#untaken = 0;
    this.#pending = [];
    this.#pendingSet += 1;
  }

  hasFlight(key: string): boolean {
    return this.#entries.get(key)?.set === this.#flightSet;
  }

  takeFlight(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry?.set !== this.#flightSet) return false;
    this.#unmark(entry);
    return true;
  }

  #unmark(entry: KeyState): void {
    entry.set = UNMARKED;
    if (entry.raw === undefined) this.#entries.delete(entry.key);
  }

  takeFlightChunk(limit: number): string[] {
    const keys: string[] = [];
    for (; keys.length < limit && this.#untaken < this.#flight.length; this.#untaken++) {
      const entry = this.#flight[this.#untaken] as KeyState;
      if (entry.set !== this.#flightSet) continue;
      keys.push(entry.key);
      this.#unmark(entry);
    }
    if (this.#untaken === this.#flight.length) this.dropFlight();
    return keys;
  }

  dropFlight(): void {
    this.#flight = [];
    this.#flightSet = NO_FLIGHT;
    this.#untaken = 0;
  }

  scanFlight(cursor: string, limit: number): { readonly keys: readonly string[]; readonly next: string } {
    const from = cursor === '' ? 0 : Number(cursor);
    const to = from + limit;
    // Taken out since the cut: they must not be given the value that they have now.
    const page = this.#flight.slice(from, to).filter(({ set }) => set === this.#flightSet);
    return { keys: page.map(({ key }) => key), next: this.#flight.length < to ? '' : String(to) };
  }

  freeze(key: string, raw: string): void {
    if (!this.#frozen.has(key)) this.#frozenKeys.push(key);
    this.#frozen.set(key, raw);
  }

  scanFrozen(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [string, string])[]; readonly next: string } {
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
    for (const entry of this.#entries.values())
      if (entry.set !== this.#pendingSet && (stored || entry.set !== this.#flightSet)) this.#remove(entry);
  }

  clear(): void {
    this.#entries = new Map();
    this.#due.clear();
    this.#pending = [];
    this.#ttls = new Map();
    this.dropFlight();
    this.dropFrozen();
  }
}
