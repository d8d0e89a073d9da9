import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { addReports, NO_REPORT, type Report } from './report.ts';
import type { Answer, Task } from './worker.ts';

/** Seeds that a thread is given at a time. */
const TASK_SEEDS = 25;

export interface Finding {
  readonly seed: number;
  readonly message: string;
  readonly lines: readonly string[];
}

export interface Outcome {
  readonly report: Report;
  /** The lowest seed that broke a promise, of those that were run. */
  readonly finding: Finding | undefined;
}

export interface Run {
  /** The bundle of `worker.ts`. */
  readonly file: string;
  readonly firstSeed: number;
  readonly schedules: number;
  /** Threads; as many as there are cores unless it is given. */
  readonly threads?: number;
  /** What happened before a finding, in so many lines; none unless it is given. */
  readonly linesMax?: number;
  /** Whether processes send at the end of a turn of their event loop; not unless it is given. */
  readonly turns?: boolean;
  /** Runs only schedules of this theme; all unless it is given. */
  readonly theme?: string;
  /** When to begin no more schedules, ms from the start, once `schedulesMin` have been run. */
  readonly budgetMs?: number;
  readonly schedulesMin?: number;
  /** A thread that says nothing for so long, ms, goes round in circles. */
  readonly stallMs?: number;
  onProgress?(report: Report): void;
}

/** Runs schedules on all cores until one breaks a promise. */
export async function runSchedules({
  file,
  firstSeed,
  schedules,
  threads = availableParallelism(),
  linesMax = 0,
  turns = false,
  theme = '',
  budgetMs = Number.POSITIVE_INFINITY,
  schedulesMin = 0,
  stallMs = 120_000,
  onProgress,
}: Run): Promise<Outcome> {
  const endSeed = firstSeed + schedules;
  let nextSeed = firstSeed;
  let report = NO_REPORT;
  let finding: Finding | undefined;
  const startedAt = performance.now();
  // Lower seeds that others work on are waited for, so that the same run always finds the same.
  const take = (): Task | undefined => {
    if (nextSeed >= firstSeed + schedulesMin && performance.now() - startedAt > budgetMs) return undefined;
    if (nextSeed >= (finding === undefined ? endSeed : Math.min(endSeed, finding.seed))) return undefined;
    const from = nextSeed;
    nextSeed = Math.min(endSeed, from + TASK_SEEDS);
    return { from, to: nextSeed, manner: { linesMax, turns }, theme };
  };
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(file);
      let stall: NodeJS.Timeout | undefined;
      const end = (): void => {
        clearTimeout(stall);
        void worker.terminate().then(() => resolve());
      };
      const found = (found: Finding): void => {
        if (finding === undefined || found.seed < finding.seed) finding = found;
        end();
      };
      const next = (): void => {
        const task = take();
        clearTimeout(stall);
        if (task !== undefined)
          stall = setTimeout(
            () =>
              found({
                seed: task.from,
                message: `invariant 8: one of ${task.to - task.from} schedules never ended`,
                lines: [],
              }),
            stallMs,
          );
        if (task === undefined) end();
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        else worker.postMessage(task);
      };
      worker.on('error', reject);
      worker.on('message', (answer: Answer) => {
        if (answer.kind === 'found') return found(answer);
        report = addReports(report, answer.report);
        onProgress?.(report);
        next();
      });
      next();
    });
  await Promise.all(Array.from({ length: Math.max(1, Math.min(threads, Math.ceil(schedules / TASK_SEEDS))) }, work));
  return { report, finding };
}
