import type { Accepted, Full, Stopped, Unrecovered } from '../../core/lane.ts';
import type { MillraceError } from '../../errors.ts';
import type { Admitted } from '../lanes/admission.ts';
import type { Batch } from './batch.ts';
import type { Caller } from './caller.ts';

/** What a shape makes of the mutations that wait for a lane: all that a {@link LaneQueue} does not decide by itself. */
export interface Steps<C extends Caller> {
  /** How many steps of a lane may be under way; one where their order matters. */
  readonly inFlightMax: number;
  /**
   * Whether a later batch may go before one that has to be sent again: its batches know what was overtaken
   * ({@link Batch.takeOvertaken}).
   */
  readonly mayOvertake: boolean;
  /** How large a batch is at the most, as {@link Batch.size} counts. */
  readonly sizeMax: number;
  newBatch(order: number): Batch<C>;
  /** Entries that these take at the most. */
  entriesOf(batch: Batch<C>): number;
  send(lane: number, batch: Batch<C>, allowance: Admitted): Promise<StepResult<C>>;
}

export type StepResult<C extends Caller> = Placed<C> | Again<C> | Wait<C> | NoRoom<C> | Unrecovered | Stopped;

/** The front has taken the batch in. */
export interface Placed<C extends Caller> extends Accepted {
  /** How many mutations these were; each took a seq. */
  readonly accepted: number;
  /** Answers the one at this place of the batch, once the front holds it at the level that it asks for. */
  readonly answer: (caller: C, place: number) => void;
}

/** Nothing was taken in, because of these. */
export interface NoRoom<C extends Caller> extends Pick<Full, 'kind' | 'outOfMemory'> {
  readonly refused: readonly C[];
}

/**
 * Nothing was taken in, and nothing is before what some need is loaded. `load` resolves when it is. It rejects when
 * that fails, or at `untilMs`, monotonic: then those who need it are told, and the others are sent without them.
 */
export interface Wait<C extends Caller> {
  readonly kind: 'wait';
  isNeeding(caller: C): boolean;
  load(untilMs: number): Promise<void>;
}

/**
 * Nothing was taken in. `rejected` are answered; of the rest, `later` wait until `ready`, and the others go at once.
 */
export interface Again<C extends Caller> {
  readonly kind: 'again';
  readonly rejected: readonly { readonly caller: C; readonly error: MillraceError }[];
  readonly later: readonly C[];
  readonly ready: Promise<void>;
}
