import type { DeltaTable } from '../../core/delta-table.ts';
import { after, keyOf } from './keys.ts';
import type { RowPart } from './row-part.ts';
import type { Tables } from './tables.ts';

/** What a lane's row holds of counters: the sets of their deltas. '' for one that is empty. */
export interface CountersRow {
  readonly deltas: string;
  readonly flightDeltas: string;
}

export const NO_COUNTERS: CountersRow = { deltas: '', flightDeltas: '' };

/**
 * Deltas of counters among the marks of an environment. A set is taken when it is first needed: most lanes have none.
 */
export class LmdbCounters implements DeltaTable {
  readonly #tables: Tables;
  readonly #lane: RowPart<CountersRow>;

  constructor(tables: Tables, lane: RowPart<CountersRow>) {
    this.#tables = tables;
    this.#lane = lane;
  }

  readPending(key: string): bigint | undefined {
    return this.#sumIn(this.#lane.read().deltas, key);
  }

  hasPending(key: string): boolean {
    return this.readPending(key) !== undefined;
  }

  writePending(key: string, sum: bigint): void {
    if (this.#lane.read().deltas === '') this.#lane.change({ deltas: this.#lane.newSet() });
    void this.#tables.marks.put(this.#lane.read().deltas + key, String(sum));
  }

  cut(): void {
    this.#lane.change({ flightDeltas: this.#lane.read().deltas, deltas: '' });
  }

  readFlight(key: string): bigint | undefined {
    return this.#sumIn(this.#lane.read().flightDeltas, key);
  }

  hasFlight(key: string): boolean {
    return this.readFlight(key) !== undefined;
  }

  #sumIn(set: string, key: string): bigint | undefined {
    const sum = set === '' ? undefined : this.#tables.marks.get(set + key);
    return sum === undefined ? undefined : BigInt(sum);
  }

  scanFlight(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [string, bigint])[]; readonly next: string } {
    const { flightDeltas } = this.#lane.read();
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

  dropFlight(): void {
    const { flightDeltas } = this.#lane.read();
    if (flightDeltas === '') return;
    this.#tables.addGarbage('marks', flightDeltas);
    this.#lane.change({ flightDeltas: '' });
  }

  forgetClean(): void {
    // Totals are slots, and a delta is not clean.
  }

  clear(): void {
    const { deltas, flightDeltas } = this.#lane.read();
    for (const set of [deltas, flightDeltas]) this.#tables.addGarbage('marks', set);
    this.#lane.change(NO_COUNTERS);
  }
}
