import type { Clock } from '../../ports/clock.ts';

/** Keys, or mutations that may be of as many, after which other lanes wait for the next round. */
const CROWD = 64;

/**
 * When the lanes of a cache send. What comes in one round of the event loop goes together, because the fewer steps
 * there are, the less each mutation costs. With a front that other processes share, which answers over a connection,
 * there is more to it:
 *
 * - A lone mutation, with nothing under way, goes at the end of its turn.
 * - So does what follows an answer. Those who were answered ask for the next in the same turn. Before its end, what
 *   waited for the answer would go without them, in a step of half the size.
 * - A large step has the round for itself, and the next lane sends in the round after. Otherwise the steps of all lanes
 *   would go out in one write and come back in one answer. Front and process would take turns, and nothing would ever
 *   part them again (docs/performance.md).
 *
 * Nothing of this with a front that answers within the turn: it would keep the loop in it for ever.
 */
export class SendTurns {
  readonly #clock: Clock;
  readonly #frontIsShared: boolean;
  readonly #turnEnd: Clock['turnEnd'];
  #isAnswered = false;
  #isCrowded = false;
  #waiting: (() => number)[] = [];

  constructor(clock: Clock, frontIsShared: boolean) {
    this.#clock = clock;
    this.#frontIsShared = frontIsShared;
    this.#turnEnd = frontIsShared ? clock.turnEnd?.bind(clock) : undefined;
  }

  /**
   * A step has been answered, and its callers are: calls `send` for what waited for that, and for what they ask for
   * next.
   */
  answered(send: () => number): void {
    if (this.#turnEnd === undefined) {
      send();
      return;
    }
    this.#isAnswered = true;
    this.#turnEnd(() => {
      this.#isAnswered = false;
      this.#send(send);
    });
  }

  /** Calls `send`, which gives how many keys it sent, when the mutations that are to go together have come. */
  collect(isQuiet: boolean, isLone: () => boolean, send: () => number): void {
    const now = (): void => this.#send(send);
    const later = (): void => this.#clock.soon(now);
    if (this.#turnEnd === undefined) later();
    else if (this.#isAnswered) this.#turnEnd(now);
    else if (isQuiet) this.#turnEnd(() => (isLone() ? now() : later()));
    else later();
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
