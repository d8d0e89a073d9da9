import type { Emitter } from '../../events.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LaneFront } from '../../ports/front.ts';
import type { Random } from '../../ports/random.ts';
import type { LaneStore, StoreCapabilities } from '../../ports/store.ts';
import type { StoreBreaker } from './breaker.ts';
import type { Counts } from './counts.ts';
import type { SendTurns } from './send-turns.ts';
import type { Settings } from './settings.ts';

/**
 * What the parts of a cache's engine work with, once front and store are attached. Each part says in the type of its
 * constructor which of the three it touches.
 */
export type EngineContext = Surroundings & FrontSide & StoreSide;

/** Which cache it is, its time and chance, and what it tells and counts. */
export interface Surroundings {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Emitter;
  readonly counts: Counts;
}

/** The front. */
export interface FrontSide {
  readonly front: LaneFront;
  /** Whether other processes can write to it. */
  readonly frontIsShared: boolean;
  /** Whether what it holds outlives the process. */
  readonly frontIsDurable: boolean;
  readonly sendTurns: SendTurns;
  /** This engine's name as lease holder. */
  readonly owner: string;
}

/** The store. */
export interface StoreSide {
  /** Behind its breaker. */
  readonly store: LaneStore;
  readonly storeCapabilities: StoreCapabilities;
  readonly breaker: StoreBreaker;
}
