import type { DeltaTable } from '../../src/core/delta-table.ts';

type Deltas = ReadonlyMap<string, bigint>;

const NOTHING: Deltas = new Map<string, bigint>();

/**
 * The part of a lane's table that counters are in. Its maps are replaced, never changed, so that a copy costs nothing.
 */
export class SimCounters implements DeltaTable {
  readonly #changed: () => void;
  #deltas = NOTHING;
  #flightDeltas = NOTHING;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  copy(changed: () => void): SimCounters {
    const copy = new SimCounters(changed);
    copy.#deltas = this.#deltas;
    copy.#flightDeltas = this.#flightDeltas;
    return copy;
  }

  get pending(): Deltas {
    return this.#deltas;
  }

  readPending(key: string): bigint | undefined {
    return this.#deltas.get(key);
  }

  hasPending(key: string): boolean {
    return this.#deltas.has(key);
  }

  writePending(key: string, sum: bigint): void {
    this.#changed();
    this.#deltas = new Map([...this.#deltas, [key, sum]]);
  }

  cut(): void {
    this.#changed();
    this.#flightDeltas = this.#deltas;
    this.#deltas = NOTHING;
  }

  readFlight(key: string): bigint | undefined {
    return this.#flightDeltas.get(key);
  }

  hasFlight(key: string): boolean {
    return this.#flightDeltas.has(key);
  }

  scanFlight(cursor: string, limit: number): { rows: (readonly [string, bigint])[]; next: string } {
    const rows = [...this.#flightDeltas]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .filter(([key]) => cursor === '' || key > cursor);
    return { rows: rows.slice(0, limit), next: rows.length > limit ? (rows[limit - 1]?.[0] as string) : '' };
  }

  dropFlight(): void {
    this.#changed();
    this.#flightDeltas = NOTHING;
  }

  forgetClean(): void {
    // Totals are slots, and a delta is not clean.
  }

  clear(): void {
    this.#deltas = NOTHING;
    this.dropFlight();
  }
}
