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
