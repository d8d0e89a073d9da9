import { Samples, type Statistics } from './measure.ts';

export interface Steps {
  readonly count: number;
  readonly inFlight: number;
  /** Stops before the next step; those under way are waited for. */
  readonly signal: AbortSignal;
  step(index: number): Promise<void>;
  /** Told of each step that is done. */
  onDone?(index: number, ms: number): void;
}

export interface Timed {
  /** Steps 0 to `count` - 1 are done. */
  readonly count: number;
  readonly statistics: Statistics | undefined;
  readonly totalMs: number;
}

/**
 * Takes the steps in their order, at most `inFlight` at the same time, and times each with a clock that counts
 * fractions of a microsecond. Rejects with the first fault, after the steps under way have ended.
 */
export async function runTimed(steps: Steps): Promise<Timed> {
  const samples = new Samples(steps.count);
  let next = 0;
  const faults: unknown[] = [];
  const runner = async () => {
    while (next < steps.count && faults.length === 0 && !steps.signal.aborted) {
      const index = next++;
      const start = performance.now();
      try {
        await steps.step(index);
      } catch (fault) {
        faults.push(fault);
        return;
      }
      const ms = performance.now() - start;
      samples.add(ms);
      steps.onDone?.(index, ms);
    }
  };

  const start = performance.now();
  await Promise.all(Array.from({ length: Math.min(steps.inFlight, steps.count) }, runner));
  const totalMs = performance.now() - start;
  if (faults.length > 0) throw faults[0];
  return { count: samples.count, statistics: samples.statistics(), totalMs };
}
