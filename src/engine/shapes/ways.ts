import type { AckLevel } from '../../core/acks.ts';
import { laneOf } from '../../core/lane-of.ts';
import type { ScoreOp } from '../../core/lane-scores.ts';
import type { EngineContext } from '../base/context.ts';
import type { Admission } from '../lanes/admission.ts';
import type { PendingReceipt } from '../lanes/receipt.ts';
import type { Watermark } from '../lanes/watermark.ts';
import { StepWriter } from '../writing/step-writer.ts';
import type { StepHooks } from '../writing/writer-hooks.ts';
import { AppendSteps, type AskedAppend } from './appends.ts';
import { Board } from './board.ts';
import { type AskedIncrement, IncrementSteps, type Whole } from './increments.ts';
import { type AskedScore, ScoreSteps } from './scores.ts';
import { Totals } from './totals.ts';

/** Beside its key, what a delta is estimated to take. */
const DELTA_BYTES = 24;

/** The writers of a cache of counters. */
export class CounterWriters {
  readonly totals: Totals;
  readonly #lanes: readonly StepWriter<AskedIncrement>[];

  constructor(context: EngineContext, watermarks: readonly Watermark[], admission: Admission, hooks: StepHooks) {
    this.totals = new Totals(context, (lane) => hooks.recover(lane));
    const steps = new IncrementSteps(context, this.totals);
    this.#lanes = watermarks.map(
      (watermark, lane) => new StepWriter(context, lane, watermark, admission, hooks, steps),
    );
  }

  /**
   * Resolves with what `answer` makes of the total after this very increment, when the front has acknowledged it at `ack`
   * (`stored` counts as `buffered`).
   */
  increment<T>(
    key: string,
    by: Whole,
    ack: AckLevel,
    answer: (total: bigint, receipt: PendingReceipt) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#push({
        key,
        by,
        isWanted: true,
        ack,
        bytes: key.length + DELTA_BYTES,
        resolve: (receipt, total) => resolve(answer(total as bigint, receipt)),
        reject,
      });
    });
  }

  /** {@link increment} without asking for the total. */
  add(key: string, by: Whole, ack: AckLevel): Promise<PendingReceipt> {
    return new Promise((resolve, reject) => {
      this.#push({ key, by, isWanted: false, ack, bytes: key.length + DELTA_BYTES, resolve, reject });
    });
  }

  #push(asked: AskedIncrement): void {
    (this.#lanes[laneOf(asked.key, this.#lanes.length)] as StepWriter<AskedIncrement>).push(asked);
  }

  async idle(): Promise<void> {
    await Promise.all(this.#lanes.map((writer) => writer.idle()));
  }
}

/** The writers of a log. */
export class LogWriters {
  readonly #lanes: readonly StepWriter<AskedAppend>[];

  constructor(context: EngineContext, watermarks: readonly Watermark[], admission: Admission, hooks: StepHooks) {
    const steps = new AppendSteps(context);
    this.#lanes = watermarks.map(
      (watermark, lane) => new StepWriter(context, lane, watermark, admission, hooks, steps),
    );
  }

  /** Resolves when the front has acknowledged the event at `ack` (`stored` counts as `buffered`). */
  append(lane: number, entry: string, ack: AckLevel): Promise<PendingReceipt> {
    return new Promise((resolve, reject) => {
      (this.#lanes[lane] as StepWriter<AskedAppend>).push({
        key: '',
        entry,
        ack,
        bytes: entry.length,
        resolve,
        reject,
      });
    });
  }

  async idle(): Promise<void> {
    await Promise.all(this.#lanes.map((writer) => writer.idle()));
  }
}

export interface Scored {
  readonly receipt: PendingReceipt;
  /** The member's weight after this very operation; undefined when it is not on the board. */
  readonly weight: number | undefined;
}

/** The writer of a leaderboard, which is one lane: a rank is a place among all. */
export class ScoreWriters {
  readonly board: Board;
  readonly #lane: StepWriter<AskedScore>;

  constructor(context: EngineContext, [watermark]: readonly Watermark[], admission: Admission, hooks: StepHooks) {
    this.board = new Board(context, () => hooks.recover(0));
    this.#lane = new StepWriter(
      context,
      0,
      watermark as Watermark,
      admission,
      hooks,
      new ScoreSteps(context, this.board),
    );
  }

  /** Resolves when the front has acknowledged the operation at `ack` (`stored` counts as `buffered`). */
  score(op: ScoreOp, member: string, weight: number, ack: AckLevel): Promise<Scored> {
    return new Promise((resolve, reject) => {
      this.#lane.push({
        key: member,
        op,
        weight,
        ack,
        bytes: member.length + DELTA_BYTES,
        resolve: (receipt, told) => resolve({ receipt, weight: told as number | undefined }),
        reject,
      });
    });
  }

  idle(): Promise<void> {
    return this.#lane.idle();
  }
}
