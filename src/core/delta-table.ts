import type { TablePart } from './table-part.ts';

/** The part of a lane's table that the increments of counters are in: a sum for each key. Totals are slots. */
export interface DeltaTable extends TablePart {
  /** What has been added to a key since the cut; undefined when nothing has. */
  readPending(key: string): bigint | undefined;
  writePending(key: string, sum: bigint): void;
  readFlight(key: string): bigint | undefined;
  /** A page of the flight. `next` is '' at the end. */
  scanFlight(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [key: string, sum: bigint])[]; readonly next: string };
}
