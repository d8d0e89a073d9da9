import type {
  BoardRefusal,
  FillScoresResult,
  FlightScoresResult,
  LoadedScores,
  ScoreBatch,
  ScoreQuery,
  ScoreResult,
  ScoreRows,
} from '../core/lane-scores.ts';
import type { Shape } from '../core/shape.ts';

/** The steps of a front that only a leaderboard needs. */
export interface BoardFront {
  writeScores(lane: number, batch: ScoreBatch): Promise<ScoreResult>;
  fillScores(lane: number, loaded: LoadedScores): Promise<FillScoresResult>;
  readScores(lane: number, shape: Shape, query: ScoreQuery): Promise<ScoreRows | BoardRefusal>;
  readFlightScores(
    lane: number,
    epoch: number,
    generation: number,
    cursor: string,
    limit: number,
  ): Promise<FlightScoresResult>;
}
