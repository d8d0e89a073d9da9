import { append, readLog } from '../../core/lane-log.ts';
import type { LogFront } from '../../ports/log-front.ts';
import { type EmbeddedSteps, envOf } from './steps.ts';

/** The steps of a log, whose events have no keys. */
export const logFront = (steps: EmbeddedSteps): LogFront => ({
  append: (lane, batch) =>
    steps.raw(lane, batch.entries.length, (table, runId) => append(table, envOf(table, runId), batch)),
  readLog: async (lane, epoch, generation, from, limit) =>
    steps.view(lane, (table, runId) => readLog(table, runId, epoch, generation, from, limit)),
});
