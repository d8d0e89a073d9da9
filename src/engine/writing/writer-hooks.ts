import type { Accepted } from '../../core/lane.ts';
import type { MillraceError } from '../../errors.ts';
import type { Progress } from '../lanes/receipt.ts';

/** What a writer asks of the rest of the engine. */
export interface WriterHooks extends Progress {
  /** A batch was accepted; `pending` keys wait in the lane. Called before the callers learn of it. */
  accepted(lane: number, result: Accepted): void;
  /** A write was given an epoch that no header was seen of: something may have been lost before it. */
  newEpoch(lane: number): void;
  /** Somebody waits for what was accepted to be stored. */
  hurry(lane: number): void;
  /** The lane must be recovered before it takes writes; resolves when it has been. */
  recover(lane: number): Promise<void>;
  /** Looks at all lanes: others may have flushed them. */
  refreshOccupancy(): Promise<void>;
}

/** What a step writer asks of the rest of the engine. */
export interface StepHooks extends WriterHooks {
  /** Resolves when there may be room, or after a short while; what occupies the lanes has been looked at by then. */
  waitForRoom(): Promise<void>;
  /** What a mutation is told for which there is no room. */
  full(lane: number, key: string, why: string | undefined): MillraceError;
}
