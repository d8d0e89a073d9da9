import type { AckLevel } from '../../core/acks.ts';
import type { ScoreOp } from '../../core/lane-scores.ts';
import { MillraceError } from '../../errors.ts';
import type { FrontSide, Surroundings } from '../base/context.ts';
import { SCORES_MAX } from '../base/settings.ts';
import type { Admitted } from '../lanes/admission.ts';
import { PendingReceipt } from '../lanes/receipt.ts';
import { Batch } from '../writing/batch.ts';
import { Caller, NUMBER_BYTES } from '../writing/caller.ts';
import { type StepResult, type Steps } from '../writing/steps.ts';
import type { WriterHooks } from '../writing/writer-hooks.ts';
import type { Board } from './board.ts';

/** An operation on a leaderboard that was asked for. */
export class ScoreCaller extends Caller {
  readonly op: ScoreOp;
  readonly weight: number;

  constructor(
    member: string,
    { op, weight }: { readonly op: ScoreOp; readonly weight: number },
    ack: AckLevel,
    resolve: Caller['resolve'],
    reject: Caller['reject'],
  ) {
    super(member, member.length + NUMBER_BYTES, ack, resolve, reject);
    this.op = op;
    this.weight = weight;
  }
}

/**
 * Sends what waits for a leaderboard, one step after the other: an addition before a set is not the same as one after
 * it. What needs a board that is not loaded waits for that, and what comes after it waits with it.
 */
export class ScoreSteps implements Steps<ScoreCaller> {
  readonly mayOvertake = false;
  readonly inFlightMax = 1;
  readonly sizeMax = SCORES_MAX;
  readonly #context: Surroundings & FrontSide;
  readonly #board: Board;
  readonly #hooks: WriterHooks;

  constructor(context: Surroundings & FrontSide, board: Board, hooks: WriterHooks) {
    this.#context = context;
    this.#board = board;
    this.#hooks = hooks;
  }

  newBatch(order: number): Batch<ScoreCaller> {
    return new Batch(order);
  }

  entriesOf({ callers }: Batch<ScoreCaller>): number {
    return new Set(callers.map(({ key }) => key)).size;
  }

  async send(
    lane: number,
    batch: Batch<ScoreCaller>,
    { maxEntries, maxBytes }: Admitted,
  ): Promise<StepResult<ScoreCaller>> {
    const { front, settings } = this.#context;
    const { callers, bytes } = batch;
    const result = await front.writeScores(lane, {
      ops: callers.map(({ op }) => op),
      members: callers.map(({ key }) => key),
      weights: callers.map(({ weight }) => weight),
      shape: settings.shape,
      bytes: Math.round((bytes * this.entriesOf(batch)) / callers.length),
      maxEntries,
      maxBytes,
    });
    switch (result.kind) {
      case 'accepted': {
        const { epoch, seq, outcomes } = result;
        const answer = (caller: ScoreCaller, i: number): void => {
          const outcome = outcomes[i];
          if (outcome === 'beyond') caller.reject(this.#beyond(caller.key));
          else caller.resolve(new PendingReceipt(this.#hooks, caller.key, lane, epoch, seq), outcome);
        };
        return { ...result, answer };
      }
      case 'full':
        // Operations of a process keep their order: what comes after the first that has no room waits behind it.
        return { ...result, refused: callers.slice(Math.min(...result.refused)) };
      case 'unloaded':
        return {
          kind: 'wait',
          isNeeding: ({ op }) => op === 'add' || op === 'best',
          load: (untilMs) => this.#board.ready(untilMs),
        };
      default:
        return result;
    }
  }

  #beyond(key: string): MillraceError {
    const message = `The score of "${key}" would leave ±(2^53 - 1): nothing was added.`;
    return new MillraceError('MILLRACE_VALUE', message, { cache: this.#context.settings.name, key });
  }
}
