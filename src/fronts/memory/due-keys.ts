import { sweepTime } from '../embedded/sweeper.ts';

/** How many keys were looked at, and when the next are due; infinite when none are. */
export interface Swept {
  readonly looked: number;
  readonly nextAtMs: number;
}

/** Keys whose slots will have expired, by the time at which they are looked at; a key may be there several times. */
export class DueKeys {
  readonly #onDue: (atMs: number) => void;
  readonly #keys = new Map<number, Set<string>>();

  /** `onDue` is told of each time at which there will be something to look at. */
  constructor(onDue: (atMs: number) => void) {
    this.#onDue = onDue;
  }

  put(key: string, expiresAtMs: number, nowMs: number): void {
    const at = sweepTime(expiresAtMs, nowMs);
    let keys = this.#keys.get(at);
    if (keys === undefined) {
      this.#keys.set(at, (keys = new Set()));
      this.#onDue(at);
    }
    keys.add(key);
  }

  /** Takes out up to `limit` keys that were due by now. */
  take(nowMs: number, limit: number, look: (key: string) => void): Swept {
    let looked = 0;
    let nextAtMs = Number.POSITIVE_INFINITY;
    for (const [at, keys] of this.#keys) {
      if (at <= nowMs) {
        for (const key of keys) {
          if (looked >= limit) break;
          looked++;
          keys.delete(key);
          look(key);
        }
        if (keys.size === 0) this.#keys.delete(at);
      }
      if (keys.size > 0) nextAtMs = Math.min(nextAtMs, at);
    }
    return { looked, nextAtMs };
  }

  clear(): void {
    this.#keys.clear();
  }
}
