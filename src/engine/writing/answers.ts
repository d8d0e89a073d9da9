import type { Accepted } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import type { EngineContext } from '../base/context.ts';
import { PendingReceipt } from '../lanes/receipt.ts';
import type { Position, Watermark } from '../lanes/watermark.ts';
import { answerAtLevels } from './ack-levels.ts';
import type { Collected, Writer } from './batch.ts';
import type { WriterHooks } from './writer-hooks.ts';

/** Gives those who wrote to a lane their receipts, when what they wrote has reached the level that they ask for. */
export class LaneAnswers {
  readonly #context: EngineContext;
  readonly #lane: number;
  readonly #watermark: Watermark;
  readonly #hooks: WriterHooks;

  constructor(context: EngineContext, lane: number, watermark: Watermark, hooks: WriterHooks) {
    this.#context = context;
    this.#lane = lane;
    this.#watermark = watermark;
    this.#hooks = hooks;
  }

  /** The front has accepted the batch. */
  accepted({ callers, isThrough }: Collected, { epoch, seq }: Accepted): void {
    const firstSeq = seq - callers.length + 1;
    const last = { lane: this.#lane, epoch, seq };
    if (isThrough) this.#stored(callers, firstSeq, last);
    else this.#atLevels(callers, firstSeq, 1, last);
  }

  /** Takes out, and answers, who wrote keys that a later batch has written meanwhile. */
  superseded(batch: Collected): void {
    const { superseded } = batch;
    if (superseded === undefined) return;
    batch.superseded = undefined;
    for (const caller of batch.extract(new Set(superseded.keys()))) {
      const position = superseded.get(caller.key);
      if (position === undefined) caller.reject(this.#overtaken(caller.key));
      else if (batch.isThrough) this.#stored([caller], position.seq, position);
      else this.#atLevels([caller], position.seq, 0, position);
    }
  }

  /** Resolves callers when the store has what they wrote beyond the capacity. */
  #stored(callers: readonly Writer[], firstSeq: number, last: Position): void {
    this.#hooks.hurry(this.#lane);
    callers.forEach((caller, i) => {
      const receipt = new PendingReceipt(this.#hooks, caller.key, this.#lane, last.epoch, firstSeq + i);
      receipt.stored().then(
        () => caller.resolve(receipt),
        (error: unknown) => caller.reject(error),
      );
    });
  }

  /** Resolves callers at positions that rise by `step`: at once, or when the front holds `last` at the level that they ask for. */
  #atLevels(callers: readonly Writer[], firstSeq: number, step: 0 | 1, last: Position): void {
    const resolve = (caller: Writer, i: number): void =>
      caller.resolve(new PendingReceipt(this.#hooks, caller.key, this.#lane, last.epoch, firstSeq + i * step));
    answerAtLevels(this.#context, this.#watermark, last, callers, resolve);
  }

  #overtaken(key: string): MillraceError {
    const { name } = this.#context.settings;
    return new MillraceError(
      'MILLRACE_FRONT_UNAVAILABLE',
      `The front had to be asked again for a write, and did not answer a later one of the same key in cache '${name}'; it was not written.`,
      { cache: name, key, lane: this.#lane },
    );
  }
}
