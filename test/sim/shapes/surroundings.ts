import type { Setup, Surroundings } from '../surroundings.ts';
import type { ShapeOracle } from './shape-oracle.ts';

/** Of every schedule of a shape. */
export interface ShapeSetup extends Setup {
  /** How many events the store refuses, of all. */
  readonly poisonChance: number;
  /** Attempts of a row before it is dead. */
  readonly attempts: number;
  /** Operations that a process has under way at once. */
  readonly workers: number;
  readonly keysPerStep: number;
  readonly lateMsMax: number;
}

export interface ShapeSurroundings<O extends ShapeOracle> extends Surroundings {
  readonly setup: ShapeSetup;
  readonly shapes: O;
}
