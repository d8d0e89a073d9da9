import { traitsOf } from '../../core/shape.ts';
import { MillraceError } from '../../errors.ts';
import type { Emitter } from '../../events.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LaneFront } from '../../ports/front.ts';
import type { Random } from '../../ports/random.ts';
import type { ShapeLoads } from '../../ports/shapes.ts';
import type { AttachedStore } from '../../ports/store.ts';
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
  readonly store: AttachedStore;
  readonly breaker: StoreBreaker;
}

/** The parts that only some stores have. */
type StorePart = 'lanes' | keyof ShapeLoads;

/** A store with a part that its cache cannot do without. */
export interface StoreWith<P extends StorePart> extends StoreSide {
  readonly store: AttachedStore & { readonly [Part in P]: NonNullable<AttachedStore[Part]> };
}

/** The same context, whose store has the part: it may be anybody's, and not have what it was said to have. */
export function storeWith<P extends StorePart>(context: EngineContext, part: P): EngineContext & StoreWith<P> {
  if (has(context, part)) return context;
  const { name, shape } = context.settings;
  throw new MillraceError('MILLRACE_INTERNAL', `The store of ${traitsOf(shape).noun} has no ${part}.`, { cache: name });
}

function has<P extends StorePart>(context: EngineContext, part: P): context is EngineContext & StoreWith<P> {
  return context.store[part] !== undefined;
}
