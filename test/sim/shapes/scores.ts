import type { Cast } from './cast.ts';
import { ScoresClient } from './scores-client.ts';
import { isRefusedScore, ScoresOracle } from './scores-oracle.ts';

/** Schedules of leaderboards. */
export const SCORES: Cast<ScoresOracle> = {
  lanes: 1,
  table: {
    refuses: isRefusedScore,
    write: (rows, { key, json }) => void (json === undefined ? rows.delete(key) : rows.set(key, json)),
  },
  ambushes: [
    'writeScores',
    'writeScores',
    'fillScores',
    'readScores',
    'sync',
    'cut',
    'readFlightScores',
    'acknowledge',
    'recover',
    'confirm',
    'claim',
    'header',
    'load',
    'raiseEpoch',
    'beginEpoch',
    'begin',
    'statement',
    'commit',
    'letters',
    'retry',
    'invalidate',
  ],
  oracle: (_, entriesMax, step, prng) => new ScoresOracle(entriesMax, step, prng),
  client: (world, process, connection, database, flushes) =>
    new ScoresClient(world, process, connection, database, flushes),
};
