import type { DeltasResult, IncrementBatch, IncrementResult, LoadedTotals, TotalsResult } from '../core/lane-deltas.ts';

/** The steps of a front that only counters need. */
export interface CounterFront {
  increment(lane: number, batch: IncrementBatch): Promise<IncrementResult>;
  fillTotals(lane: number, loaded: LoadedTotals): Promise<TotalsResult>;
  readDeltas(lane: number, epoch: number, generation: number, cursor: string, limit: number): Promise<DeltasResult>;
}
