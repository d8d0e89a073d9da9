import type { ShapeTables } from '../../core/shape-tables.ts';
import { type CountersRow, LmdbCounters, NO_COUNTERS } from './lmdb-counters.ts';
import { LmdbLog, type LogRow, NO_LOG } from './lmdb-log.ts';
import { LmdbScores, NO_SCORES, type ScoresRow } from './lmdb-scores.ts';
import type { RowPart } from './row-part.ts';
import type { Tables } from './tables.ts';

/** What a lane's row holds of other shapes than documents. Those of the first layouts lie in the row itself. */
export interface ShapeRows extends CountersRow, LogRow {
  readonly scores: ScoresRow;
}

export const NO_SHAPES: ShapeRows = { ...NO_COUNTERS, ...NO_LOG, scores: NO_SCORES };

/** The parts of a lane's table that are of one shape each. */
export function shapeTables(tables: Tables, lane: RowPart<ShapeRows>): ShapeTables {
  const scores: RowPart<ScoresRow> = {
    read: () => lane.read().scores,
    change: (change) => lane.change({ scores: { ...lane.read().scores, ...change } }),
    newSet: () => lane.newSet(),
  };
  return {
    counters: new LmdbCounters(tables, lane),
    log: new LmdbLog(tables, lane),
    scores: new LmdbScores(tables, scores),
  };
}
