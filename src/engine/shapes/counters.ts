import { fromScaled } from '../../core/decimal.ts';
import { laneOf } from '../../core/lane-of.ts';
import { traitsOf } from '../../core/shape.ts';
import type { Mutation } from '../../ports/store.ts';
import { storeWith } from '../base/context.ts';
import type { Level } from '../base/level.ts';
import { READ_KEYS_MAX } from '../base/settings.ts';
import type { PendingReceipt } from '../lanes/receipt.ts';
import type { Caller } from '../writing/caller.ts';
import { IncrementCaller, IncrementSteps, type Whole } from './increments.ts';
import { counted, keyedPages } from './pages.ts';
import type { PlugParts, ShapePlug } from './plug.ts';
import { BY_KEY, QueuedWays } from './queued-ways.ts';
import { Totals } from './totals.ts';

type Delta = readonly [key: string, sum: bigint];

/** Counters: the sum of the increments of a key is what the store gets. */
export const counters: ShapePlug<CounterWays> = {
  pages: ({ front, settings }) => ({
    isSorted: true,
    read(generation) {
      const { lane, epoch, generation: number } = generation;
      const { scale } = traitsOf(settings.shape);
      const read = (cursor: string) => front.readDeltas(lane, epoch, number, cursor, READ_KEYS_MAX);
      const pages = keyedPages(lane, {
        read,
        keyOf: ([key]: Delta) => key,
        rowOf: ([key, sum]: Delta): Mutation => ({ lane, key, json: fromScaled(sum, scale), kind: 'delta' }),
        isAhead: false,
      });
      // Which keys others had nobody knows any more.
      return counted(generation, pages, () => '');
    },
  }),
  open: (parts) => new CounterWays(parts),
};

/** The ways of counters. */
export class CounterWays extends QueuedWays<IncrementCaller> {
  readonly totals: Totals;
  readonly #lanes: number;

  constructor(parts: PlugParts) {
    const { context, hooks } = parts;
    const totals = new Totals(storeWith(context, 'totals'), (lane) => hooks.recover(lane));
    super(parts, new IncrementSteps(context, totals, hooks), BY_KEY);
    this.totals = totals;
    this.#lanes = context.settings.lanes;
  }

  /**
   * Resolves with what `answer` makes of the total after this very increment, when the front has acknowledged it at
   * `ack` (`stored` counts as `buffered`).
   */
  increment<T>(
    key: string,
    by: Whole,
    { ack, signal }: Level,
    answer: (total: bigint, receipt: PendingReceipt) => T,
  ): Promise<T> {
    return this.ask<T>(laneOf(key, this.#lanes), signal, (resolve, reject) => {
      const told: Caller['resolve'] = (receipt, total) => resolve(answer(total as bigint, receipt));
      return new IncrementCaller(key, by, true, ack, told, reject);
    });
  }

  /** {@link increment} without asking for the total. */
  add(key: string, by: Whole, { ack, signal }: Level): Promise<PendingReceipt> {
    const make = (resolve: (receipt: PendingReceipt) => void, reject: Caller['reject']) =>
      new IncrementCaller(key, by, false, ack, resolve, reject);
    return this.ask(laneOf(key, this.#lanes), signal, make);
  }
}
