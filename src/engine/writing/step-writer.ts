import { MillraceError } from '../../errors.ts';
import type { EngineContext } from '../base/context.ts';
import { WRITE_BYTES_MAX } from '../base/settings.ts';
import type { Admission, Admitted } from '../lanes/admission.ts';
import { PendingReceipt } from '../lanes/receipt.ts';
import type { Watermark } from '../lanes/watermark.ts';
import { answerAtLevels } from './ack-levels.ts';
import type { Again, Asked, Place, Placed, StepResult, Steps, Wait } from './steps.ts';
import type { StepHooks } from './writer-hooks.ts';

/**
 * Sends one lane's increments or appends to the front: all that wait go in one step. What is not taken in goes back to
 * the head of the queue, so with one step under way at a time their order is kept. A step whose answer is lost is not
 * repeated: it may have taken effect.
 */
export class StepWriter<A extends Asked> {
  readonly #context: EngineContext;
  readonly #lane: number;
  readonly #watermark: Watermark;
  readonly #admission: Admission;
  readonly #hooks: StepHooks;
  readonly #steps: Steps<A>;
  #queue: A[] = [];
  #inFlight = 0;
  /** Batches that wait until they can be repeated: nothing may overtake them. */
  #held = 0;
  /** Mutations that wait for something of their own. */
  #later = 0;
  /** Mutations of one step; fewer when more did not fit. */
  #sizeMax: number;
  /** The buffer was full, and is still after all lanes were looked at. */
  #looked = false;
  /** What waits does not wait for room. */
  #waits = false;
  #wakeUpSet = false;
  #idle: (() => void)[] = [];

  constructor(
    context: EngineContext,
    lane: number,
    watermark: Watermark,
    admission: Admission,
    hooks: StepHooks,
    steps: Steps<A>,
  ) {
    this.#context = context;
    this.#lane = lane;
    this.#watermark = watermark;
    this.#admission = admission;
    this.#hooks = hooks;
    this.#steps = steps;
    this.#sizeMax = steps.sizeMax;
  }

  push(asked: A): void {
    if ((this.#looked || this.#waits) && this.#queue.length >= this.#waitersMax) {
      asked.reject(
        this.#full(asked, `${this.#queue.length} of its lane wait ${this.#waits ? 'to be sent' : 'for room'} already`),
      );
      return;
    }
    this.#queue.push(asked);
    this.#wakeUp();
  }

  /** Each lane's part of those who may wait. */
  get #waitersMax(): number {
    const { backpressure, lanes } = this.#context.settings;
    return Math.max(1, Math.floor(backpressure.maxWaiters / lanes));
  }

  /** Resolves when everything that was asked for before the call has been answered. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #isIdle(): boolean {
    return this.#queue.length === 0 && this.#inFlight === 0 && this.#held === 0 && this.#later === 0;
  }

  #wakeUp(): void {
    if (this.#wakeUpSet || this.#held > 0 || this.#inFlight >= this.#steps.inFlightMax) return;
    this.#wakeUpSet = true;
    this.#context.sendTurns.collect(
      this.#admission.isQuiet,
      () => this.#queue.length === 1,
      () => {
        this.#wakeUpSet = false;
        return this.#pump();
      },
    );
  }

  #goOn(): void {
    this.#context.sendTurns.answered(() => this.#pump());
  }

  /** Gives how many mutations it sent. */
  #pump(): number {
    let sent = 0;
    while (this.#held === 0 && this.#inFlight < this.#steps.inFlightMax && this.#queue.length > 0) {
      const { count, bytes } = this.#next();
      const entries = this.#steps.entriesOf(count === this.#queue.length ? this.#queue : this.#queue.slice(0, count));
      const admitted = this.#admission.begin(this.#lane, entries, bytes, () => void this.#pump());
      if (admitted === undefined) break;
      const batch = this.#take(count);
      this.#inFlight++;
      sent += count;
      void this.#send(batch, bytes, admitted);
    }
    if (this.#idle.length > 0 && this.#isIdle()) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
    return sent;
  }

  #take(count: number): readonly A[] {
    if (count < this.#queue.length) return this.#queue.splice(0, count);
    const all = this.#queue;
    this.#queue = [];
    return all;
  }

  /** How many of those that wait go in the next step. */
  #next(): { count: number; bytes: number } {
    let bytes = 0;
    let count = 0;
    for (const asked of this.#queue) {
      if (count >= this.#sizeMax || (count > 0 && bytes + asked.bytes > WRITE_BYTES_MAX)) break;
      bytes += asked.bytes;
      count++;
    }
    return { count, bytes };
  }

  async #send(batch: readonly A[], bytes: number, admitted: Admitted): Promise<void> {
    let result: StepResult<A>;
    try {
      result = await this.#steps.send(this.#lane, batch, bytes, admitted);
    } catch (error) {
      this.#inFlight--;
      this.#admission.end(admitted);
      for (const asked of batch) asked.reject(error);
      this.#goOn();
      return;
    }
    if (result.kind === 'accepted') this.#watermark.occupied(result, result.entries, result.bytes);
    // Before the step ends: others that wait for that may send, and what comes behind this batch must not.
    if (result.kind === 'wait' || result.kind === 'full' || result.kind === 'unrecovered') this.#putBack(batch);
    this.#inFlight--;
    this.#admission.end(admitted);
    switch (result.kind) {
      case 'accepted':
        this.#accepted(batch, result);
        break;
      case 'again':
        this.#again(batch, result);
        break;
      case 'wait':
        await this.#wait(result);
        break;
      case 'stopped': {
        const error = new MillraceError(
          'MILLRACE_LANE_STOPPED',
          `Lane ${this.#lane} takes no writes: ${result.reason}.`,
          { cache: this.#context.settings.name, lane: this.#lane },
        );
        for (const asked of batch) asked.reject(error);
        break;
      }
      default:
        await this.#repeat(batch, result.kind);
    }
    this.#goOn();
  }

  #accepted(batch: readonly A[], result: Placed): void {
    const accepted = result.accepted ?? batch.length;
    this.#context.counts.accepted += accepted;
    this.#sizeMax = Math.min(this.#steps.sizeMax, 2 * this.#sizeMax);
    this.#looked = false;
    // What was told of a score that others gave is lost with it.
    if (this.#watermark.gave(result.epoch, result.seq, Math.max(1, accepted))) this.#hooks.newEpoch(this.#lane);
    // The flusher hears of it first: a cut that it asks for now comes before any write that a caller makes next.
    this.#hooks.accepted(this.#lane, result);
    this.#answer(batch, result);
  }

  /** Resolves at once, or when the front holds the batch at the level that is asked for; each level by itself. */
  #answer(batch: readonly A[], { epoch, seq, places }: Placed): void {
    const resolve = (asked: A, i: number): void => {
      const place = places[i] as Place;
      if (place.error !== undefined) asked.reject(place.error);
      else asked.resolve(new PendingReceipt(this.#hooks, place.key, this.#lane, epoch, place.seq), place.told);
    };
    answerAtLevels(this.#context, this.#watermark, { lane: this.#lane, epoch, seq }, batch, resolve);
  }

  #again(batch: readonly A[], { rejected, later, ready }: Again<A>): void {
    const gone = new Set<A>(later);
    for (const { asked, error } of rejected) {
      gone.add(asked);
      asked.reject(error);
    }
    this.#queue.unshift(...batch.filter((asked) => !gone.has(asked)));
    if (later.length === 0) return;
    this.#later += later.length;
    ready
      .then(
        () => this.#queue.unshift(...later),
        (error: unknown) => {
          for (const asked of later) asked.reject(error);
        },
      )
      .finally(() => {
        this.#later -= later.length;
        this.#pump();
      });
  }

  /** Before all that waits, and lets nothing go before what it waits for has come. */
  #putBack(batch: readonly A[]): void {
    this.#held++;
    this.#queue.unshift(...batch);
  }

  async #wait({ needing, ready }: Wait<A>): Promise<void> {
    this.#waits = true;
    try {
      await ready;
    } catch (error) {
      const gone = new Set(needing);
      this.#queue = this.#queue.filter((asked) => !gone.has(asked));
      for (const asked of needing) asked.reject(error);
    }
    this.#waits = false;
    this.#held--;
  }

  /** Waits for what a batch that was put back needs. */
  async #repeat(batch: readonly A[], why: 'full' | 'unrecovered'): Promise<void> {
    try {
      if (why === 'unrecovered') await this.#hooks.recover(this.#lane);
      else if (!this.#looked) await this.#hooks.refreshOccupancy();
      else if (batch.length === 1) {
        if (this.#context.settings.backpressure.onFull === 'reject') throw this.#full(batch[0] as A);
        await this.#hooks.waitForRoom();
      }
      if (why === 'full') {
        // In halves until what fits is in.
        if (this.#looked) this.#sizeMax = Math.max(1, Math.floor(batch.length / 2));
        this.#looked = true;
        this.#giveUp();
      }
    } catch (error) {
      this.#queue = this.#queue.filter((asked) => !batch.includes(asked));
      for (const asked of batch) asked.reject(error);
    }
    this.#held--;
  }

  /** Nobody waits for room for longer than may be. */
  #giveUp(): void {
    const { clock, settings } = this.#context;
    const now = clock.monotonic();
    this.#queue = this.#queue.filter((asked) => {
      asked.waitsUntil ??= now + settings.backpressure.maxWaitMs;
      if (now < asked.waitsUntil) return true;
      asked.reject(this.#full(asked, `There was no room for ${settings.backpressure.maxWaitMs} ms`));
      return false;
    });
  }

  #full({ key }: A, why?: string): MillraceError {
    this.#context.counts.refused++;
    return this.#hooks.full(this.#lane, key, why);
  }
}
