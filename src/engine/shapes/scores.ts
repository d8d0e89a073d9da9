import type { ScoreOp } from '../../core/lane-scores.ts';
import { MillraceError } from '../../errors.ts';
import type { EngineContext } from '../base/context.ts';
import { SCORES_MAX } from '../base/settings.ts';
import type { Admitted } from '../lanes/admission.ts';
import type { Asked, StepResult, Steps } from '../writing/steps.ts';
import type { Board } from './board.ts';

/** An operation on a leaderboard that was asked for. */
export interface AskedScore extends Asked {
  readonly op: ScoreOp;
  readonly weight: number;
}

/**
 * Sends what waits for a leaderboard, one step after the other: an addition before a set is not the same as one after it. What
 * needs a board that is not loaded waits for that, and what comes after it waits with it.
 */
export class ScoreSteps implements Steps<AskedScore> {
  readonly inFlightMax = 1;
  readonly sizeMax = SCORES_MAX;
  readonly #context: EngineContext;
  readonly #board: Board;

  constructor(context: EngineContext, board: Board) {
    this.#context = context;
    this.#board = board;
  }

  entriesOf(batch: readonly AskedScore[]): number {
    return new Set(batch.map(({ key }) => key)).size;
  }

  async send(
    lane: number,
    batch: readonly AskedScore[],
    bytes: number,
    { maxEntries, maxBytes }: Admitted,
  ): Promise<StepResult<AskedScore>> {
    const { front, settings } = this.#context;
    const result = await front.writeScores(lane, {
      ops: batch.map(({ op }) => op),
      members: batch.map(({ key }) => key),
      weights: batch.map(({ weight }) => weight),
      shape: settings.shape,
      bytes: Math.round((bytes * this.entriesOf(batch)) / batch.length),
      maxEntries,
      maxBytes,
    });
    switch (result.kind) {
      case 'accepted':
        return {
          ...result,
          places: batch.map(({ key }, i) => {
            const outcome = result.outcomes[i];
            return outcome === 'beyond'
              ? { key, seq: result.seq, told: undefined, error: this.#beyond(key) }
              : { key, seq: result.seq, told: outcome };
          }),
        };
      case 'unloaded':
        return {
          kind: 'wait',
          needing: batch.filter(({ op }) => op === 'add' || op === 'best'),
          ready: this.#board.ready(),
        };
      default:
        return result;
    }
  }

  #beyond(key: string): MillraceError {
    return new MillraceError('MILLRACE_VALUE', `The score of "${key}" would leave ±(2^53 - 1): nothing was added.`, {
      cache: this.#context.settings.name,
      key,
    });
  }
}
