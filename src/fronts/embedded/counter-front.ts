import { fillTotals, increment, readDeltas } from '../../core/lane-deltas.ts';
import type { CounterFront } from '../../ports/counter-front.ts';
import type { EmbeddedSteps } from './steps.ts';

/** The steps of counters. */
export const counterFront = (steps: EmbeddedSteps): CounterFront => ({
  increment: (lane, batch) => steps.step(lane, batch.keys, (table, env) => increment(table, env, batch)),
  fillTotals: (lane, loaded) => steps.step(lane, loaded.keys, (table, env) => fillTotals(table, env, loaded)),
  readDeltas: async (lane, epoch, generation, cursor, limit) =>
    steps.view(lane, (table, runId) => readDeltas(table, runId, epoch, generation, cursor, limit)),
});
