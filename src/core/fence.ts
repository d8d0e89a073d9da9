import type { Fence } from './lane.ts';

/** What a store is to compare its fence with. */
export interface FencedGeneration {
  readonly epoch: number;
  readonly generation: number;
  readonly cutSeq: number;
  readonly digest: string;
}

/**
 * `applied`: the same generation and digest is there already. `superseded`: a higher epoch, another worker has the
 * lane. `diverged`: anything else.
 */
export type FenceVerdict = 'applied' | 'superseded' | 'diverged';

/**
 * Why a generation cannot be applied over the fence; undefined when it can. Applied comes first: it is a fact, whoever
 * has the lane by now.
 */
export function judgeFence(
  { epoch, generation, cutSeq, digest }: FencedGeneration,
  fence: Fence | undefined,
): FenceVerdict | undefined {
  if (fence === undefined) return 'diverged';
  if (fence.generation === generation && fence.digest === digest && fence.seq === cutSeq) return 'applied';
  if (fence.epoch > epoch) return 'superseded';
  return fence.epoch === epoch && fence.generation === generation - 1 ? undefined : 'diverged';
}
