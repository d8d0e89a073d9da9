import type { Mutation } from '../../ports/store.ts';

/**
 * How generations of one shape are read out of the front. The plug of the shape has it; the flusher knows no shapes.
 */
export interface GenerationPages {
  /** Whether the rows of a batch are put in the order of their keys; of events the order counts as it is. */
  readonly isSorted: boolean;
  read(generation: ReadableGeneration): AsyncIterable<GenerationPage>;
}

/** Some mutations of a generation, distinct keys over all its pages. */
export interface GenerationPage {
  readonly rows: readonly Mutation[];
  /** Keys, or names, of what was cut and was removed behind the lane's back; '' where nobody knows them any more. */
  readonly missing: readonly string[];
}

/** A generation to be read: whose it is and which. */
export interface ReadableGeneration {
  readonly lane: number;
  readonly epoch: number;
  readonly generation: number;
  /** Seq of its first mutation, and how many entries it was cut with. */
  readonly fromSeq: number;
  readonly entries: number;
}

/** The front answered that the generation is not this worker's any more. */
export class LaneTaken extends Error {
  readonly lane: number;

  constructor(lane: number) {
    super(`lane ${lane} was taken over`);
    this.lane = lane;
  }
}
