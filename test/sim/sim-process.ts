import type { Clock } from '../../src/index.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * A process of the simulated world: it can be suspended, its wall clock can jump, and it can be killed at any await.
 */
export class SimProcess {
  readonly name: string;
  alive = true;
  readonly #scheduler: Scheduler;
  #frozen = false;
  readonly #held: (() => void)[] = [];
  #clockOffsetMs = 0;

  /** `turns`: its event loop has turns, at whose end it sends (`src/engine/base/send-turns.ts`). */
  constructor(name: string, scheduler: Scheduler, turns = false) {
    this.name = name;
    this.#scheduler = scheduler;
    if (turns) this.clock.turnEnd = (task) => queueMicrotask(() => process.nextTick(() => this.deliver(task)));
  }

  /** Runs a callback of the process: not at all once it is dead, and later while it is suspended. */
  deliver(callback: () => void): void {
    if (!this.alive) return;
    if (this.#frozen) this.#held.push(callback);
    else callback();
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const callback of this.#held.splice(0)) this.deliver(callback);
  }

  kill(): void {
    this.alive = false;
    this.#held.length = 0;
  }

  jumpClock(ms: number): void {
    this.#clockOffsetMs += ms;
  }

  readonly clock: Clock = {
    now: () => 1_700_000_000_000 + this.#scheduler.nowMs + this.#clockOffsetMs,
    monotonic: () => this.#scheduler.nowMs,
    // In whole milliseconds, as real timers: a difference of two times can be too small to move the clock.
    after: (ms, task) => ({ cancel: this.#scheduler.after(Math.ceil(ms), () => this.deliver(task)) }),
    soon: (task) => void this.#scheduler.after(0, () => this.deliver(task)),
  };
}
