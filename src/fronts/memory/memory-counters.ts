import type { DeltaTable } from '../../core/delta-table.ts';

/** Deltas of counters in plain maps. */
export class MemoryCounters implements DeltaTable {
  #pending = new Map<string, bigint>();
  #flight = new Map<string, bigint>();
  /** The flight in the order of the scan. */
  #scanned: (readonly [string, bigint])[] | undefined;

  readPending(key: string): bigint | undefined {
    return this.#pending.get(key);
  }

  hasPending(key: string): boolean {
    return this.#pending.has(key);
  }

  writePending(key: string, sum: bigint): void {
    this.#pending.set(key, sum);
  }

  cut(): void {
    this.#flight = this.#pending;
    this.#pending = new Map();
    this.#scanned = undefined;
  }

  readFlight(key: string): bigint | undefined {
    return this.#flight.get(key);
  }

  hasFlight(key: string): boolean {
    return this.#flight.has(key);
  }

  scanFlight(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [string, bigint])[]; readonly next: string } {
    this.#scanned ??= [...this.#flight];
    const from = Number(cursor);
    const rows = this.#scanned.slice(from, from + limit);
    return { rows, next: rows.length < limit ? '' : String(from + limit) };
  }

  dropFlight(): void {
    this.#flight = new Map();
    this.#scanned = undefined;
  }

  forgetClean(): void {
    // Totals are slots, and a delta is not clean.
  }

  clear(): void {
    this.#pending = new Map();
    this.dropFlight();
  }
}
