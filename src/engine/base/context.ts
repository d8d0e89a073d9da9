import type { Emitter } from '../../events.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LaneFront } from '../../ports/front.ts';
import type { Random } from '../../ports/random.ts';
import type { LaneStore, StoreCapabilities } from '../../ports/store.ts';
import type { StoreBreaker } from './breaker.ts';
import type { Counts } from './counts.ts';
import type { SendTurns } from './send-turns.ts';
import type { Settings } from './settings.ts';

/** What every part of a cache's engine works with, once front and store are attached. */
export interface EngineContext {
  readonly settings: Settings;
  readonly front: LaneFront;
  /** Behind its breaker. */
  readonly store: LaneStore;
  readonly breaker: StoreBreaker;
  readonly storeCapabilities: StoreCapabilities;
  /** Whether other processes can write to the front. */
  readonly frontIsShared: boolean;
  /** Whether what it holds outlives the process. */
  readonly frontIsDurable: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Emitter;
  readonly counts: Counts;
  readonly sendTurns: SendTurns;
  /** This engine's name as lease holder. */
  readonly owner: string;
}
