import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Clock, Timer } from './ports/clock.ts';
import type { Random } from './ports/random.ts';

/** The machine's time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, task, keepAlive = false): Timer {
    // A longer span would overflow the timer and fire at once.
    const timer = setTimeout(task, Math.min(ms, 2 ** 31 - 1));
    if (!keepAlive) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (task) => void setImmediate(task),
  // A tick runs before microtasks, unless it is asked for by one: then when there are none left.
  turnEnd: (task) => queueMicrotask(() => process.nextTick(task)),
};

/** The machine's chance. */
export const systemRandom: Random = {
  fraction: () => Math.random(),
  token: () => randomBytes(16).toString('base64url'),
};
