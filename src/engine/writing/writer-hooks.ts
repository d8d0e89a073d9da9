import type { Accepted } from '../../core/lane.ts';
import type { ReceiptProgress } from '../lanes/receipt.ts';

/** What the ways into the front ask of the rest of the engine. */
export interface WriterHooks extends ReceiptProgress {
  /** A batch was accepted; `pending` entries wait in the lane. Called before the callers learn of it. */
  accepted(lane: number, result: Accepted): void;
  /** A mutation was given an epoch that no header was seen of: something may have been lost before it. */
  newEpoch(lane: number): void;
  /** Somebody waits for what was accepted to be stored. */
  hurry(lane: number): void;
  /** The lane must be recovered before it takes mutations; resolves when it has been. */
  recover(lane: number): Promise<void>;
  /** Looks at all lanes: others may have flushed them. */
  refreshOccupancy(): Promise<void>;
  /** Resolves when there may be room, or after a short while; what occupies the lanes has been looked at by then. */
  waitForRoom(): Promise<void>;
  /** Why nothing gets stored, for messages; undefined when flushes succeed. */
  trouble(): string | undefined;
}
