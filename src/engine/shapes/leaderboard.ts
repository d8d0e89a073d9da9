import { type ScoreOp, turned } from '../../core/lane-scores.ts';
import type { Change } from '../../core/score-table.ts';
import type { Mutation } from '../../ports/store.ts';
import { storeWith } from '../base/context.ts';
import type { Level } from '../base/level.ts';
import { READ_KEYS_MAX, SCORES_MAX } from '../base/settings.ts';
import type { Receipt } from '../lanes/receipt.ts';
import type { Caller } from '../writing/caller.ts';
import { Board } from './board.ts';
import { counted, keyedPages } from './pages.ts';
import type { PlugParts, ShapePlug } from './plug.ts';
import { inOrder, QueuedWays } from './queued-ways.ts';
import { ScoreCaller, ScoreSteps } from './scores.ts';

type ScoreRow = readonly [member: string, change: Change];

/**
 * A leaderboard: what the score of a member came to is what the store gets. It is one lane: a rank is a place among
 * all.
 */
export const leaderboard: ShapePlug<LeaderboardWays> = {
  pages: ({ front, settings }) => ({
    isSorted: true,
    read(generation) {
      const { lane, epoch, generation: number } = generation;
      const jsonOf = (change: Change): string | undefined =>
        change === null ? undefined : String(turned(settings.shape, change));
      const pages = keyedPages(lane, {
        read: (cursor) => front.readFlightScores(lane, epoch, number, cursor, READ_KEYS_MAX),
        keyOf: ([member]: ScoreRow) => member,
        rowOf: ([key, change]: ScoreRow): Mutation => ({ lane, key, json: jsonOf(change) }),
        isAhead: false,
      });
      // Which members others had nobody knows any more.
      return counted(generation, pages, () => '');
    },
  }),
  open: (parts) => new LeaderboardWays(parts),
};

export interface Scored {
  readonly receipt: Receipt;
  /** The member's weight after this very operation; undefined when it is not on the board. */
  readonly weight: number | undefined;
}

/** The ways of a leaderboard. */
export class LeaderboardWays extends QueuedWays<ScoreCaller> {
  readonly board: Board;

  constructor(parts: PlugParts) {
    const { context, hooks } = parts;
    const board = new Board(storeWith(context, 'scores'), () => hooks.recover(0));
    super(parts, new ScoreSteps(context, board, hooks), inOrder({ isEach: false, sizeMax: SCORES_MAX }));
    this.board = board;
  }

  /** Resolves when the front has acknowledged the operation at `ack` (`stored` counts as `buffered`). */
  score(op: ScoreOp, member: string, weight: number, { ack, signal }: Level): Promise<Scored> {
    return this.ask<Scored>(0, signal, (resolve, reject) => {
      const told: Caller['resolve'] = (receipt, weight) => resolve({ receipt, weight: weight as number | undefined });
      return new ScoreCaller(member, { op, weight }, ack, told, reject);
    });
  }
}
