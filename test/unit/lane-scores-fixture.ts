import { recover } from '../../src/core/lane-recover.ts';
import {
  fillScores,
  type LoadedScores,
  readFlightScores,
  readScores,
  type ScoreBatch,
  type ScoreOp,
  writeScores,
} from '../../src/core/lane-scores.ts';
import { ENV, Lane, recovery } from './lane-fixture.ts';

type Op = readonly [op: ScoreOp, member: string, weight?: number];
export type Rows = readonly (readonly [string, number])[];

export function board(rows?: Rows, shape = 'scores'): Lane {
  const lane = new Lane();
  recover(lane.table, recovery({}, { shape }));
  if (rows !== undefined) load(lane, rows);
  return lane;
}

export function act(lane: Lane, ops: readonly Op[], over: Partial<ScoreBatch> = {}) {
  const members = ops.map(([, member]) => member);
  return writeScores(lane.table, ENV, {
    ops: ops.map(([op]) => op),
    members,
    weights: ops.map(([, , weight = 0]) => weight),
    shape: 'scores',
    bytes: 16 * new Set(members).size,
    maxEntries: 100,
    maxBytes: 1_000,
    ...over,
  });
}

export const fill = (lane: Lane, loaded: Partial<LoadedScores>) =>
  fillScores(lane.table, ENV, {
    generation: lane.header.generation,
    epoch: lane.header.epoch,
    shape: 'scores',
    ...loaded,
  });
export const load = (lane: Lane, rows: Rows, over: Partial<LoadedScores> = {}) =>
  fill(lane, { page: { from: '', next: undefined, rows }, ...over });
export const range = (lane: Lane) => readScores(lane.table, ENV, 'scores', { kind: 'range', from: 0, count: 10 });
export const inFlight = (lane: Lane) => readFlightScores(lane.table, 'run', 1, lane.header.generation, '', 10);
