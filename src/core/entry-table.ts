import type { TablePart } from './table-part.ts';

/** The part of a lane's table that the events of a log are in, in their order. */
export interface EntryTable extends TablePart {
  /** Puts an entry at the end. */
  append(entry: string): void;
  /** Entries of the flight, from its `from`th on. */
  readFlight(from: number, limit: number): readonly string[];
}
