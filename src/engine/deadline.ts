import { defer } from '../core/deferred.ts';
import type { Clock, Timer } from '../ports/clock.ts';

/** A moment until which several things, one after the other, may take their time. Keeps the process alive until then. */
export class Deadline {
  readonly #clock: Clock;
  readonly #passed = defer<undefined>();
  #timer: Timer;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#timer = this.#after(ms);
  }

  /** Resolves with what `work` does, or with undefined when the deadline passes before. */
  wait<T>(work: Promise<T> | undefined): Promise<T | undefined> {
    return Promise.race([work, this.#passed.promise]);
  }

  cancel(): void {
    this.#timer.cancel();
  }

  #after(ms: number): Timer {
    return this.#clock.after(ms, () => this.#passed.resolve(undefined), true);
  }
}
