import type { AppendBatch, AppendResult, EntriesResult } from '../core/lane-log.ts';

/** The steps of a front that only a log needs. */
export interface LogFront {
  append(lane: number, batch: AppendBatch): Promise<AppendResult>;
  readLog(lane: number, epoch: number, generation: number, from: number, limit: number): Promise<EntriesResult>;
}
