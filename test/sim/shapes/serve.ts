import { parentPort } from 'node:worker_threads';
import { addReports, NO_REPORT } from '../report.ts';
import type { Answer, Task } from '../worker.ts';
import type { Cast } from './cast.ts';
import type { ShapeOracle } from './shape-oracle.ts';
import { ShapeWorld } from './world.ts';

/** Runs the schedules of a shape that this thread is sent. */
export function serve<O extends ShapeOracle>(cast: Cast<O>): void {
  parentPort?.on('message', ({ from, to, manner }: Task) => {
    // Every refusal is an error, and of most of them nobody looks at the stack.
    Error.stackTraceLimit = manner.linesMax === 0 ? 0 : 20;
    let report = NO_REPORT;
    let seed = from;
    const next = (): void => {
      if (seed === to) return tell({ kind: 'done', report });
      const world = new ShapeWorld(cast, seed, manner);
      try {
        report = addReports(report, world.run());
      } catch (error) {
        const { message, stack = '' } = error as Error;
        return tell({
          kind: 'found',
          seed,
          message,
          lines: manner.linesMax === 0 ? [] : [...world.journal.lines, stack],
        });
      }
      seed++;
      // Between two tasks of the event loop: that is where promise callbacks can be run to their end.
      setImmediate(next);
    };
    setImmediate(next);
  });
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
const tell = (answer: Answer): void => parentPort?.postMessage(answer);
