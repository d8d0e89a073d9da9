import type { LaneHeader, LaneTable } from '../../src/core/lane.ts';
import { SimCounters } from './sim-counters.ts';
import { SimLog } from './sim-log.ts';
import { SimScores } from './sim-scores.ts';

interface Slot {
  readonly raw: string;
  readonly expiresAtMs: number | undefined;
}

/** A collection that copies of a table share until one of them changes it. */
class Shared<C extends Map<string, unknown> | Set<string>> {
  #own: C;
  #shared = false;
  readonly #clone: (own: C) => C;

  constructor(own: C, clone: (own: C) => C) {
    this.#own = own;
    this.#clone = clone;
  }

  get seen(): C {
    return this.#own;
  }

  /** To be changed. */
  get own(): C {
    if (this.#shared) {
      this.#own = this.#clone(this.#own);
      this.#shared = false;
    }
    return this.#own;
  }

  share(): Shared<C> {
    this.#shared = true;
    const copy = new Shared(this.#own, this.#clone);
    copy.#shared = true;
    return copy;
  }

  replace(own: C): void {
    this.#own = own;
    this.#shared = false;
  }
}

const cloneMap = <V>(map: Map<string, V>): Map<string, V> => new Map(map);
const cloneSet = (set: Set<string>): Set<string> => new Set(set);

/** A lane's table that can be copied whole: what a server's disk has of it at one moment. */
export class SimTable implements LaneTable {
  nowMs = 0;
  /** Rises with each change. */
  version = 0;
  readonly shapes: { readonly counters: SimCounters; readonly log: SimLog; readonly scores: SimScores };
  header: LaneHeader | undefined;
  #slots = new Shared(new Map<string, Slot>(), cloneMap);
  #pending = new Shared(new Set<string>(), cloneSet);
  #flight = new Shared(new Set<string>(), cloneSet);
  #frozen = new Shared(new Map<string, string>(), cloneMap);
  #ttls = new Shared(new Map<string, number>(), cloneMap);

  constructor(shapes?: SimTable['shapes']) {
    const changed = (): void => void this.version++;
    this.shapes = {
      counters: shapes?.counters.copy(changed) ?? new SimCounters(changed),
      log: shapes?.log.copy(changed) ?? new SimLog(changed),
      scores: shapes?.scores.copy(changed) ?? new SimScores(changed),
    };
  }

  copy(): SimTable {
    const copy = new SimTable(this.shapes);
    // Headers and slots are replaced, never changed.
    copy.header = this.header;
    copy.#slots = this.#slots.share();
    copy.#pending = this.#pending.share();
    copy.#flight = this.#flight.share();
    copy.#frozen = this.#frozen.share();
    copy.#ttls = this.#ttls.share();
    return copy;
  }

  get slots(): ReadonlyMap<string, Slot> {
    return this.#slots.seen;
  }

  get pending(): ReadonlySet<string> {
    return this.#pending.seen;
  }

  get flight(): ReadonlySet<string> {
    return this.#flight.seen;
  }

  get frozen(): ReadonlyMap<string, string> {
    return this.#frozen.seen;
  }

  get ttls(): ReadonlyMap<string, number> {
    return this.#ttls.seen;
  }

  readHeader(): LaneHeader | undefined {
    return this.header;
  }

  writeHeader(header: LaneHeader): void {
    this.version++;
    this.header = header;
  }

  readSlot(key: string): string | undefined {
    const slot = this.slots.get(key);
    return slot === undefined || (slot.expiresAtMs !== undefined && slot.expiresAtMs <= this.nowMs)
      ? undefined
      : slot.raw;
  }

  readExpiry(key: string): number | undefined {
    return this.readSlot(key) === undefined ? undefined : this.slots.get(key)?.expiresAtMs;
  }

  writeSlot(key: string, raw: string, expiresAtMs?: number): void {
    this.version++;
    this.#slots.own.set(key, { raw, expiresAtMs });
  }

  expireSlot(key: string, expiresAtMs: number): void {
    const slot = this.slots.get(key);
    if (slot !== undefined) this.writeSlot(key, slot.raw, expiresAtMs);
  }

  removeSlot(key: string): void {
    if (!this.slots.has(key)) return;
    this.version++;
    this.#slots.own.delete(key);
  }

  writeDirty(key: string, raw: string): string | undefined {
    const before = this.pending.has(key) ? (this.readSlot(key) ?? '') : undefined;
    this.writeSlot(key, raw);
    if (before === undefined) this.#pending.own.add(key);
    return before;
  }

  hasPending(key: string): boolean {
    return this.pending.has(key);
  }

  cutPending(): void {
    if (this.flight.size > 0) throw new Error('a cut over a flight');
    this.version++;
    const empty = this.#flight;
    this.#flight = this.#pending;
    this.#pending = empty;
  }

  hasFlight(key: string): boolean {
    return this.flight.has(key);
  }

  takeFlight(key: string): boolean {
    if (!this.flight.has(key)) return false;
    this.version++;
    return this.#flight.own.delete(key);
  }

  takeFlightChunk(limit: number): string[] {
    const keys = [...this.flight].slice(0, limit);
    for (const key of keys) this.takeFlight(key);
    return keys;
  }

  dropFlight(): void {
    this.version++;
    this.#flight.replace(new Set());
  }

  scanFlight(cursor: string, limit: number): { keys: string[]; next: string } {
    // In the order of the keys, from the one after the cursor: whatever is taken out meanwhile, none is passed over.
    const keys = [...this.flight].sort().filter((key) => cursor === '' || key > cursor);
    return { keys: keys.slice(0, limit), next: keys.length > limit ? (keys[limit - 1] as string) : '' };
  }

  freeze(key: string, raw: string): void {
    this.version++;
    this.#frozen.own.set(key, raw);
  }

  scanFrozen(cursor: string, limit: number): { rows: (readonly [string, string])[]; next: string } {
    const rows = [...this.frozen].sort(([a], [b]) => (a < b ? -1 : 1)).filter(([key]) => cursor === '' || key > cursor);
    return { rows: rows.slice(0, limit), next: rows.length > limit ? (rows[limit - 1]?.[0] as string) : '' };
  }

  dropFrozen(): void {
    this.version++;
    this.#frozen.replace(new Map());
  }

  writeTtl(key: string, ttlMs: number): void {
    this.version++;
    this.#ttls.own.set(key, ttlMs);
  }

  takeTtl(key: string): number | undefined {
    const ttl = this.ttls.get(key);
    if (ttl === undefined) return undefined;
    this.version++;
    this.#ttls.own.delete(key);
    return ttl;
  }

  hasTtls(): boolean {
    return this.ttls.size > 0;
  }

  forgetClean(stored: boolean): void {
    for (const key of this.slots.keys())
      if (!this.hasPending(key) && (stored || !this.hasFlight(key))) this.removeSlot(key);
  }

  clear(): void {
    this.version++;
    this.#slots.replace(new Map());
    this.#pending.replace(new Set());
    this.#flight.replace(new Set());
    this.#frozen.replace(new Map());
    this.#ttls.replace(new Map());
  }
}
