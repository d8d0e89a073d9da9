import type { MillraceError } from '../../errors.ts';
import { askWithSignal, type Caller } from '../writing/caller.ts';
import { LaneQueues } from '../writing/lane-queues.ts';
import type { Steps } from '../writing/steps.ts';
import type { Placing } from '../writing/waiting-room.ts';
import type { PlugParts, Ways } from './plug.ts';

/** The ways of a shape whose mutations all go through the lanes. */
export abstract class QueuedWays<C extends Caller> implements Ways {
  protected readonly queues: LaneQueues<C>;
  protected readonly cache: string;

  protected constructor({ context, watermarks, admission, hooks }: PlugParts, steps: Steps<C>, placing: Placing<C>) {
    this.cache = context.settings.name;
    this.queues = new LaneQueues({ context, watermarks, admission, hooks }, steps, placing);
  }

  /** Asks for what `make` makes, and resolves as its caller does; an aborted signal takes back what was not sent. */
  protected askWithSignal<T>(
    lane: number,
    signal: AbortSignal,
    make: (resolve: (answer: T) => void, reject: Caller['reject']) => C,
  ): Promise<T> {
    return askWithSignal<C, T>(signal, this.cache, make, (caller) => this.queues.ask(lane, caller));
  }

  /** {@link askWithSignal} where there may be none. */
  protected ask<T>(
    lane: number,
    signal: AbortSignal | undefined,
    make: (resolve: (answer: T) => void, reject: Caller['reject']) => C,
  ): Promise<T> {
    if (signal !== undefined) return this.askWithSignal(lane, signal, make);
    return new Promise<T>((resolve, reject) => this.queues.ask(lane, make(resolve, reject)));
  }

  idle(): Promise<void> {
    return this.queues.idle();
  }

  sent(): Promise<void> {
    return this.queues.sent();
  }

  turnAway(error: MillraceError): void {
    this.queues.turnAway(error);
  }
}

/** Mutations of a lane keep their order, whatever their keys: all of a lane wait at one place. */
export const inOrder = ({ isEach, sizeMax }: Pick<Placing<Caller>, 'isEach' | 'sizeMax'>): Placing<Caller> => ({
  placeOf: (lane) => String(lane),
  isOneEntry: false,
  isEach,
  sizeMax,
});

/** Later mutations of a key join or replace the earlier: together they are one entry. */
export const BY_KEY: Placing<Caller> = {
  placeOf: (_, { key }) => key,
  isOneEntry: true,
  isEach: false,
  sizeMax: Number.POSITIVE_INFINITY,
};
