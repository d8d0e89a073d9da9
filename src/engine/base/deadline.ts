import { defer } from '../../core/deferred.ts';
import type { Clock, Timer } from '../../ports/clock.ts';

/**
 * A moment until which several things, one after the other, may take their time. Keeps the process alive until then.
 */
export class Deadline {
  readonly #passed = defer<undefined>();
  readonly #timer: Timer;

  constructor(clock: Clock, ms: number) {
    this.#timer = clock.after(ms, () => this.#passed.resolve(undefined), true);
  }

  /** Resolves with what `work` does, or with undefined when the deadline passes before. */
  wait<T>(work: T | Promise<T>): Promise<T | undefined> {
    return Promise.race([work, this.#passed.promise]);
  }

  cancel(): void {
    this.#timer.cancel();
  }
}

/** What `work` resolves with, or undefined once `ms` have passed. */
export async function within<T>(clock: Clock, ms: number, work: T | Promise<T>): Promise<T | undefined> {
  const deadline = new Deadline(clock, ms);
  try {
    return await deadline.wait(work);
  } finally {
    deadline.cancel();
  }
}
