import type { Surroundings } from '../surroundings.ts';
import type { ShapeOracle } from './shape-oracle.ts';

/** What every part of a world of counters or a log lives in. */
export interface ShapeSurroundings<O extends ShapeOracle> extends Surroundings {
  readonly shapes: O;
}
