/** Runs the schedules that it is sent, in a thread of its own. */
import { inspect } from 'node:util';
import { parentPort } from 'node:worker_threads';
import type { Manner } from './base-world.ts';
import { addReports, NO_REPORT, type Report } from './report.ts';
import { type Broken, simulate } from './world.ts';

/** Seeds `from` up to, not including, `to`. */
export interface Task {
  readonly from: number;
  readonly to: number;
  readonly manner: Manner;
  /** Runs only schedules of this theme; '' for all. */
  readonly theme: string;
}

export type Answer =
  | { readonly kind: 'done'; readonly report: Report }
  | { readonly kind: 'found'; readonly seed: number; readonly message: string; readonly lines: readonly string[] };

parentPort?.on('message', (task: Task) => void run(task).then(tell));

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
const tell = (answer: Answer): void => parentPort?.postMessage(answer);

async function run(task: Task): Promise<Answer> {
  // Every refusal is an error, and of most of them nobody looks at the stack.
  Error.stackTraceLimit = task.manner.linesMax === 0 ? 0 : 20;
  let report = NO_REPORT;
  for (let seed = task.from; seed < task.to; seed++) {
    try {
      report = addReports(report, await simulate(seed, task.manner, task.theme));
    } catch (error) {
      const { message, lines, cause } = error as Broken;
      return { kind: 'found', seed, message, lines: task.manner.linesMax === 0 ? [] : [...lines, inspect(cause)] };
    }
  }
  return { kind: 'done', report };
}
