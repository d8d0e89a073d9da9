import { attemptsMax } from '../../../src/core/breaker.ts';
import { isMillraceError } from '../../../src/index.ts';
import type { Findings } from '../violation.ts';

/**
 * Calls that may be begun after a failure that the breaker does not count, because it belongs to a call from before the
 * store was last held to be down.
 */
const UNCOUNTED_MAX = 20;

/** How often one process asks a store that does not answer: within the budget that its breaker promises. */
export class Attempts {
  readonly #process: string;
  readonly #nowMs: () => number;
  readonly #maxDelayMs: number;
  readonly #findings: Findings;
  /** Since when the store has failed, as far as the process knows, and what it has begun since. */
  #outage: { readonly sinceMs: number; begun: number } | undefined;

  constructor(process: string, nowMs: () => number, maxDelayMs: number, findings: Findings) {
    this.#process = process;
    this.#nowMs = nowMs;
    this.#maxDelayMs = maxDelayMs;
    this.#findings = findings;
  }

  /** One call of the store, whatever it consists of. */
  async watch<T>(call: () => Promise<T>): Promise<T> {
    this.#begin();
    try {
      const result = await call();
      this.#outage = undefined;
      return result;
    } catch (error) {
      const code = isMillraceError(error) ? error.code : '';
      if (code === 'MILLRACE_REJECTED') this.#outage = undefined;
      // What the front did not deliver says nothing of the store.
      else if (code === 'MILLRACE_STORE_UNAVAILABLE') this.#outage ??= { sinceMs: this.#nowMs(), begun: 0 };
      throw error;
    }
  }

  #begin(): void {
    if (this.#outage === undefined) return;
    const { sinceMs } = this.#outage;
    const begun = ++this.#outage.begun;
    const most = attemptsMax(this.#nowMs() - sinceMs, this.#maxDelayMs) + UNCOUNTED_MAX;
    if (begun > most)
      this.#findings.fail(
        10,
        `${this.#process} asked a store that is down ${begun} times ` +
          `within ${Math.round(this.#nowMs() - sinceMs)} ms, and may do so ${most} times`,
      );
  }
}
