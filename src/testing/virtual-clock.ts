import type { Clock, Timer } from '../ports/clock.ts';

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * A clock that stands still until a test moves it, in whole milliseconds. Tasks run in the order of their time, those
 * of the same time in the order in which they were set; promise callbacks run to their end between two tasks.
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #order = 0;
  #tasks: Task[] = [];

  /** @param startMs wall-clock ms since the epoch at which it stands first */
  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs;
  }

  after(ms: number, task: () => void): Timer {
    const entry: Task = { at: this.#nowMs + Math.max(0, Math.ceil(ms)), order: this.#order++, run: task };
    this.#tasks.push(entry);
    return {
      cancel: () => {
        this.#tasks = this.#tasks.filter((other) => other !== entry);
      },
    };
  }

  soon(task: () => void): void {
    this.after(0, task);
  }

  /** Tasks that are set: a test can see that nothing was left behind. */
  get tasks(): number {
    return this.#tasks.length;
  }

  /** Moves on by `ms`, running what becomes due. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.at > untilMs) break;
      this.#tasks = this.#tasks.filter((task) => task !== next);
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.run();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  /** Moves on, task by task, until the promise is settled; gives up after `limitMs`. */
  async until<T>(work: Promise<T>, limitMs = 3_600_000): Promise<T> {
    const outcome = { settled: false };
    const mark = (): void => {
      outcome.settled = true;
    };
    work.then(mark, mark);
    const untilMs = this.#nowMs + limitMs;
    await settle();
    while (!outcome.settled) {
      const next = this.#next();
      if (next === undefined || next.at > untilMs)
        throw new Error(`nothing settled the promise within ${limitMs} ms of virtual time`);
      await this.advance(next.at - this.#nowMs);
    }
    return work;
  }

  #next(): Task | undefined {
    let next: Task | undefined;
    for (const task of this.#tasks)
      if (next === undefined || task.at < next.at || (task.at === next.at && task.order < next.order)) next = task;
    return next;
  }
}

/** Lets every promise callback run that is due: a macrotask comes after all of them. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
