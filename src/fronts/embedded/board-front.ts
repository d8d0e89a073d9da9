import { fillScores, readFlightScores, readScores, writeScores } from '../../core/lane-scores.ts';
import type { BoardFront } from '../../ports/board-front.ts';
import { type EmbeddedSteps, envOf } from './steps.ts';

/** The steps of a leaderboard. */
export const boardFront = (steps: EmbeddedSteps): BoardFront => ({
  writeScores: (lane, batch) => steps.step(lane, batch.members, (table, env) => writeScores(table, env, batch)),
  fillScores: (lane, loaded) => {
    const { page, doubts } = loaded;
    const members = [...(page?.rows.map(([member]) => member) ?? []), ...(doubts?.map(({ member }) => member) ?? [])];
    return steps.step(lane, members, (table, env) => fillScores(table, env, loaded));
  },
  readScores: async (lane, shape, query) =>
    steps.view(lane, (table, runId) => readScores(table, envOf(table, runId), shape, query)),
  readFlightScores: async (lane, epoch, generation, cursor, limit) =>
    steps.view(lane, (table, runId) => readFlightScores(table, runId, epoch, generation, cursor, limit)),
});
