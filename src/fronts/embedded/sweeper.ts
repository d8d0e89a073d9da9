import type { Clock, Timer } from '../../ports/clock.ts';

/** Longest time between two looks: the wall clock may jump, and other processes set expiries too. */
const LOOK_MS_MAX = 60_000;
/** Between two parts of a sweep, so that it never holds up the steps. */
const PAUSE_MS = 1;

/** Removes a bounded part of what expired; tells when to come again. */
export type Sweep = (nowMs: number) => Promise<SweepResult> | SweepResult;
export type SweepResult = { readonly more: boolean; readonly nextAtMs: number | undefined };

/**
 * When a slot that expires is looked at by the sweep: at its expiry, rounded up by at most an eighth of the time it
 * has. So a key that is written and cleaned over and over has at most about ten dates at any time, and none of them
 * need be searched for and cancelled.
 */
export function sweepTime(expiresAtMs: number, nowMs: number): number {
  const lifeMs = Math.max(8, expiresAtMs - nowMs);
  const stepMs = 2 ** Math.floor(Math.log2(lifeMs / 8));
  return Math.ceil(expiresAtMs / stepMs) * stepMs;
}

/** Calls a sweep when something is due, by the clock of whoever uses the front. Its timer keeps no process alive. */
export class Sweeper {
  readonly #sweep: Sweep;
  readonly #clocks: Clock[] = [];
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #sweeping = false;
  #nextAtMs: number | undefined;

  constructor(sweep: Sweep) {
    this.#sweep = sweep;
  }

  /** Sweeps by this clock until the function that is returned is called. */
  use(clock: Clock): () => void {
    this.#clocks.push(clock);
    this.#arm();
    return () => {
      const i = this.#clocks.indexOf(clock);
      if (i < 0) return;
      this.#clocks.splice(i, 1);
      if (i === 0) this.#disarm();
      this.#arm();
    };
  }

  /** Something is to be looked at then. */
  due(atMs: number): void {
    if (this.#nextAtMs !== undefined && this.#nextAtMs <= atMs) return;
    this.#nextAtMs = atMs;
    if (atMs < this.#timerAtMs) this.#arm();
  }

  #arm(): void {
    const [clock] = this.#clocks;
    if (clock === undefined || this.#sweeping || this.#nextAtMs === undefined) return;
    const nowMs = clock.now();
    const waitMs = Math.min(LOOK_MS_MAX, Math.max(PAUSE_MS, this.#nextAtMs - nowMs));
    this.#disarm();
    this.#timerAtMs = nowMs + waitMs;
    this.#timer = clock.after(waitMs, () => {
      this.#disarm();
      void this.#run(clock);
    });
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  async #run(clock: Clock): Promise<void> {
    this.#sweeping = true;
    this.#nextAtMs = undefined;
    let result: SweepResult = { more: false, nextAtMs: undefined };
    try {
      result = await this.#sweep(clock.now());
    } catch {
      // What is left is still there at the next look; expired slots are not served meanwhile.
      result = { more: false, nextAtMs: clock.now() + LOOK_MS_MAX };
    }
    this.#sweeping = false;
    const nextAtMs = result.more ? clock.now() : result.nextAtMs;
    if (nextAtMs !== undefined) this.due(nextAtMs);
    this.#arm();
  }
}
