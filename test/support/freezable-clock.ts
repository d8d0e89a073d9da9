import { systemClock } from '../../src/clock-and-random.ts';
import type { Clock } from '../../src/index.ts';

/** Real time that can stand still for one engine: what a suspended process sees. Its timers fire when it thaws. */
export class FreezableClock implements Clock {
  #frozen = false;
  readonly #held: (() => void)[] = [];

  now = (): number => systemClock.now();
  monotonic = (): number => systemClock.monotonic();
  after: Clock['after'] = (ms, task, keepAlive) => systemClock.after(ms, () => this.#run(task), keepAlive);
  soon: Clock['soon'] = (task) => systemClock.soon(() => this.#run(task));

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const task of this.#held.splice(0)) task();
  }

  #run(task: () => void): void {
    if (this.#frozen) this.#held.push(task);
    else task();
  }
}
