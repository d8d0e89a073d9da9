/** Runs the schedules that it is sent, in a thread of its own. */
import { parentPort } from 'node:worker_threads';
import { addReports, NO_REPORT, type Report } from './report.ts';
import { simulate } from './world.ts';

/** Seeds `from` up to, not including, `to`. */
export interface Task {
  readonly from: number;
  readonly to: number;
}

export type Answer = { readonly kind: 'done'; readonly task: Task; readonly report: Report } | { readonly kind: 'found'; readonly seed: number; readonly message: string; readonly stack: string };

// Every refusal is an error, and none of their stacks is looked at.
Error.stackTraceLimit = 0;

parentPort?.on('message', (task: Task) => void run(task).then(tell));

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
const tell = (answer: Answer): void => parentPort?.postMessage(answer);

async function run(task: Task): Promise<Answer> {
  let report = NO_REPORT;
  for (let seed = task.from; seed < task.to; seed++) {
    try {
      report = addReports(report, await simulate(seed));
    } catch (error) {
      const { message, stack = '' } = error as Error;
      return { kind: 'found', seed, message, stack };
    }
  }
  return { kind: 'done', task, report };
}
