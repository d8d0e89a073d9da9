import type { Clock } from '../ports/clock.ts';

/** Keys, or mutations that may be of as many, after which other lanes wait for the next round. */
const CROWD = 64;

/**
 * When the lanes of a cache send: what comes in one round of the event loop goes together, because the fewer steps there are,
 * the less each mutation costs.
 *
 * A large step has the round for itself, and the next lane sends in the round after. Otherwise the steps of all lanes would go
 * out in one write, come back in one answer, and be followed by the next of all lanes: front and process would take turns,
 * which costs a quarter of what they can do, and nothing would ever part them again (docs/performance.md).
 */
export class Rounds {
  readonly #clock: Clock;
  readonly #frontIsShared: boolean;
  #isCrowded = false;
  #waiting: (() => number)[] = [];

  constructor(clock: Clock, frontIsShared: boolean) {
    this.#clock = clock;
    this.#frontIsShared = frontIsShared;
  }

  /**
   * Calls `send`, which gives how many keys it sent, when the mutations that are to go together have come. A lone one, with nothing
   * under way, goes at the end of its turn.
   *
   * The latter only with a front that other processes share, which answers over a connection: one that answers within the turn
   * would keep the loop in it for ever.
   */
  collect(isQuiet: boolean, isLone: () => boolean, send: () => number): void {
    const clock = this.#clock;
    if (!isQuiet || !this.#frontIsShared || clock.turnEnd === undefined) {
      clock.soon(() => this.#send(send));
      return;
    }
    clock.turnEnd(() => {
      if (isLone()) send();
      else clock.soon(() => this.#send(send));
    });
  }

  #send(send: () => number): void {
    if (this.#isCrowded) {
      this.#waiting.push(send);
      return;
    }
    if (send() < CROWD || !this.#frontIsShared) return;
    this.#isCrowded = true;
    this.#clock.soon(() => {
      this.#isCrowded = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const next of waiting) this.#send(next);
    });
  }
}
