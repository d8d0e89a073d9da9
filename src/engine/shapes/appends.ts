import type { AckLevel } from '../../core/acks.ts';
import type { FrontSide, Surroundings } from '../base/context.ts';
import { APPENDS_MAX } from '../base/settings.ts';
import type { Admitted } from '../lanes/admission.ts';
import { PendingReceipt } from '../lanes/receipt.ts';
import { Batch } from '../writing/batch.ts';
import { Caller } from '../writing/caller.ts';
import { type StepResult, type Steps } from '../writing/steps.ts';
import type { WriterHooks } from '../writing/writer-hooks.ts';

/** An append that was asked for. */
export class AppendCaller extends Caller {
  /** `[order, event]` as JSON. */
  readonly entry: string;

  /** `bytes`: of the event alone, with which it counts while it waits. */
  constructor(entry: string, bytes: number, ack: AckLevel, resolve: Caller['resolve'], reject: Caller['reject']) {
    super('', bytes, ack, resolve, reject);
    this.entry = entry;
  }
}

/** What an event is called where a key is needed: its lane and its place there. */
export const eventName = (lane: number, seq: number): string => `#${lane}:${seq}`;

/** Appends the events that wait, one step after the other: so they stay in their order. */
export class AppendSteps implements Steps<AppendCaller> {
  readonly mayOvertake = false;
  readonly inFlightMax = 1;
  readonly sizeMax = APPENDS_MAX;
  readonly #context: Surroundings & FrontSide;
  readonly #hooks: WriterHooks;

  constructor(context: Surroundings & FrontSide, hooks: WriterHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  newBatch(order: number): Batch<AppendCaller> {
    return new Batch(order);
  }

  entriesOf({ callers }: Batch<AppendCaller>): number {
    return callers.length;
  }

  async send(
    lane: number,
    batch: Batch<AppendCaller>,
    { maxEntries, maxBytes }: Admitted,
  ): Promise<StepResult<AppendCaller>> {
    const { front, settings } = this.#context;
    const { callers } = batch;
    const entries = callers.map(({ entry }) => entry);
    const bytes = entries.reduce((sum, { length }) => sum + length, 0);
    const result = await front.append(lane, { entries, bytes, shape: settings.shape, maxEntries, maxBytes });
    if (result.kind === 'full') return { ...result, refused: callers.slice(result.refused[0]) };
    if (result.kind !== 'accepted') return result;
    const { epoch, seq } = result;
    const first = seq - entries.length + 1;
    const answer = (caller: AppendCaller, i: number): void =>
      caller.resolve(new PendingReceipt(this.#hooks, eventName(lane, first + i), lane, epoch, first + i));
    return { ...result, accepted: entries.length, answer };
  }
}
