import type { DeltaTable } from './delta-table.ts';
import type { EntryTable } from './entry-table.ts';
import type { ScoreTable } from './score-table.ts';
import type { TablePart } from './table-part.ts';

/**
 * The parts of a lane's table that are of one shape each, and where they differ in what a flush does to them. A shape
 * with a part of its own is entered here; the flush and the recovery go through all of them.
 */
export type ShapeTables = {
  readonly counters: DeltaTable;
  readonly log: EntryTable;
  readonly scores: ScoreTable;
};

export const partsOf = (tables: ShapeTables): readonly TablePart[] => Object.values(tables);

/** The store refused what was in flight of a key. Tells whether the key's slot is to be forgotten with it. */
export function refuse({ counters, scores }: ShapeTables, key: string): boolean {
  // A board stays complete, so a refused score is not forgotten but read anew.
  if (scores.hasFlight(key) && !scores.hasPending(key)) scores.addDoubt(key);
  // A total that has a refused delta in it is forgotten like a refused value.
  return counters.hasFlight(key);
}
