import type { MillraceError } from '../../errors.ts';
import type { FrontSide, Surroundings } from '../base/context.ts';
import type { Admission } from '../lanes/admission.ts';
import type { Watermark } from '../lanes/watermark.ts';
import type { Caller } from './caller.ts';
import { LaneQueue } from './lane-queue.ts';
import type { Steps } from './steps.ts';
import { type Placing, WaitingRoom } from './waiting-room.ts';
import type { WriterHooks } from './writer-hooks.ts';

/** The ways into the lanes of a cache: a queue for each lane, and one room in which mutations wait. */
export class LaneQueues<C extends Caller> {
  readonly #queues: readonly LaneQueue<C>[];
  readonly #room: WaitingRoom<C>;

  constructor({ context, watermarks, admission, hooks }: LaneQueuesParts, steps: Steps<C>, placing: Placing<C>) {
    const room = new WaitingRoom<C>(context, admission, placing, {
      waitForRoom: () => hooks.waitForRoom(),
      send: (lane, callers, returned) => this.#queueOf(lane).resume(callers, returned),
      ask: (lane, caller) => this.#queueOf(lane).ask(caller),
      trouble: () => hooks.trouble(),
    });
    this.#room = room;
    this.#queues = watermarks.map(
      (watermark, lane) => new LaneQueue({ context, lane, watermark, admission, room, hooks, steps }),
    );
  }

  #queueOf(lane: number): LaneQueue<C> {
    return this.#queues[lane] as LaneQueue<C>;
  }

  ask(lane: number, caller: C): void {
    this.#queueOf(lane).ask(caller);
  }

  /** Resolves when every mutation that was asked for has been answered by the front. */
  async idle(): Promise<void> {
    do {
      await Promise.all([this.sent(), this.#room.idle()]);
      // What waited for room was sent when there was, and what waited behind it after that.
    } while (!this.#room.isEmpty || this.#queues.some((queue) => !queue.isIdle));
  }

  /** Resolves when every mutation has been answered, or waits for room. */
  async sent(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.idle()));
  }

  /** Turns away whoever waits for room, and whoever comes to. */
  turnAway(error: MillraceError): void {
    this.#room.close(error);
  }
}

export interface LaneQueuesParts {
  readonly context: Surroundings & FrontSide;
  readonly watermarks: readonly Watermark[];
  readonly admission: Admission;
  readonly hooks: WriterHooks;
}
