import type { LaneHeader, LaneTable } from '../../src/core/lane.ts';

interface Slot {
  readonly raw: string;
  readonly expiresAtMs: number | undefined;
}

/** A lane's table that can be copied whole: what a server's disk has of it at one moment. */
export class SimTable implements LaneTable {
  nowMs = 0;
  header: LaneHeader | undefined;
  slots = new Map<string, Slot>();
  pending = new Set<string>();
  flight = new Set<string>();
  frozen = new Map<string, string>();
  ttls = new Map<string, number>();

  copy(): SimTable {
    const copy = new SimTable();
    // Headers and slots are replaced, never changed.
    copy.header = this.header;
    copy.slots = new Map(this.slots);
    copy.pending = new Set(this.pending);
    copy.flight = new Set(this.flight);
    copy.frozen = new Map(this.frozen);
    copy.ttls = new Map(this.ttls);
    return copy;
  }

  readHeader(): LaneHeader | undefined {
    return this.header;
  }

  writeHeader(header: LaneHeader): void {
    this.header = header;
  }

  readSlot(key: string): string | undefined {
    const slot = this.slots.get(key);
    return slot === undefined || (slot.expiresAtMs !== undefined && slot.expiresAtMs <= this.nowMs) ? undefined : slot.raw;
  }

  readExpiry(key: string): number | undefined {
    return this.readSlot(key) === undefined ? undefined : this.slots.get(key)?.expiresAtMs;
  }

  writeSlot(key: string, raw: string, expiresAtMs?: number): void {
    this.slots.set(key, { raw, expiresAtMs });
  }

  expireSlot(key: string, expiresAtMs: number): void {
    const slot = this.slots.get(key);
    if (slot !== undefined) this.slots.set(key, { raw: slot.raw, expiresAtMs });
  }

  removeSlot(key: string): void {
    this.slots.delete(key);
  }

  addPending(key: string): boolean {
    if (this.pending.has(key)) return false;
    this.pending.add(key);
    return true;
  }

  hasPending(key: string): boolean {
    return this.pending.has(key);
  }

  cutPending(): void {
    if (this.flight.size > 0) throw new Error('a cut over a flight');
    this.flight = this.pending;
    this.pending = new Set();
  }

  hasFlight(key: string): boolean {
    return this.flight.has(key);
  }

  takeFlight(key: string): boolean {
    return this.flight.delete(key);
  }

  takeFlightChunk(limit: number): string[] {
    const keys = [...this.flight].slice(0, limit);
    for (const key of keys) this.flight.delete(key);
    return keys;
  }

  dropFlight(): void {
    this.flight = new Set();
  }

  scanFlight(cursor: string, limit: number): { keys: string[]; next: string } {
    // In the order of the keys, from the one after the cursor: whatever is taken out meanwhile, none is passed over.
    const keys = [...this.flight].sort().filter((key) => cursor === '' || key > cursor);
    return { keys: keys.slice(0, limit), next: keys.length > limit ? (keys[limit - 1] as string) : '' };
  }

  freeze(key: string, raw: string): void {
    this.frozen.set(key, raw);
  }

  scanFrozen(cursor: string, limit: number): { rows: (readonly [string, string])[]; next: string } {
    const rows = [...this.frozen].sort(([a], [b]) => (a < b ? -1 : 1)).filter(([key]) => cursor === '' || key > cursor);
    return { rows: rows.slice(0, limit), next: rows.length > limit ? (rows[limit - 1]?.[0] as string) : '' };
  }

  dropFrozen(): void {
    this.frozen = new Map();
  }

  writeTtl(key: string, ttlMs: number): void {
    this.ttls.set(key, ttlMs);
  }

  takeTtl(key: string): number | undefined {
    const ttl = this.ttls.get(key);
    this.ttls.delete(key);
    return ttl;
  }

  hasTtls(): boolean {
    return this.ttls.size > 0;
  }

  clear(): void {
    this.slots = new Map();
    this.pending = new Set();
    this.flight = new Set();
    this.frozen = new Map();
    this.ttls = new Map();
  }
}
