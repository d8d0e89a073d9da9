import { backoffMs } from '../../core/backoff.ts';
import { type Deferred, defer } from '../../core/deferred.ts';
import type { MillraceError } from '../../errors.ts';
import type { Timer } from '../../ports/clock.ts';
import type { DeadLetter } from '../../ports/store.ts';
import { leaveAtAbort } from '../base/abort.ts';
import type { StoreSide, Surroundings } from '../base/context.ts';

const POLL_MS_MIN = 50;
const POLL_MS_MAX = 1_000;
/** Ids of one question. */
const IDS_MAX = 1_000;

/**
 * Who waits for what becomes of a letter, in whichever process it is tried again. The store is asked while somebody
 * waits, at growing intervals; while it fails, no more often than a flush would try.
 */
export class LetterWaiters {
  readonly #context: Surroundings & StoreSide;
  readonly #waiters = new Map<string, Set<Deferred<DeadLetter | undefined>>>();
  #pollMs = POLL_MS_MIN;
  #failures = 0;
  #timer: Timer | undefined;
  /** What is said once the cache is closed. */
  #closed: MillraceError | undefined;

  constructor(context: Surroundings & StoreSide) {
    this.#context = context;
  }

  /**
   * The letter when it does not wait any more; undefined when it is gone, and nobody knows why. Is never settled once
   * the signal is aborted.
   */
  outcome(id: string, signal?: AbortSignal): Promise<DeadLetter | undefined> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const waiter = defer<DeadLetter | undefined>();
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(waiter));
    leaveAtAbort(signal, waiter.promise, () => waiters.delete(waiter));
    this.#timer ??= this.#pollIn(POLL_MS_MIN);
    return waiter.promise;
  }

  close(error: MillraceError): void {
    this.#closed = error;
    this.#timer?.cancel();
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  #pollIn(ms: number): Timer {
    return this.#context.clock.after(ms, () => void this.#poll(), true);
  }

  async #poll(): Promise<void> {
    for (const [id, waiters] of this.#waiters) if (waiters.size === 0) this.#waiters.delete(id);
    try {
      const ids = [...this.#waiters.keys()];
      for (let from = 0; from < ids.length; from += IDS_MAX) await this.#ask(ids.slice(from, from + IDS_MAX));
      this.#failures = 0;
      this.#pollMs = this.#waiters.size === 0 ? POLL_MS_MIN : Math.min(POLL_MS_MAX, this.#pollMs * 1.5);
    } catch {
      // The flusher reports it; here it is only asked again later.
      this.#failures++;
      const { settings, random } = this.#context;
      this.#pollMs = Math.max(
        POLL_MS_MIN,
        backoffMs(this.#failures, settings.retry.minDelayMs, settings.retry.maxDelayMs, random.fraction()),
      );
    }
    this.#timer = this.#waiters.size === 0 || this.#closed !== undefined ? undefined : this.#pollIn(this.#pollMs);
  }

  async #ask(ids: readonly string[]): Promise<void> {
    const found = await this.#context.store.lanes?.deadLetters?.find(ids);
    const letters = new Map(found?.map((letter) => [letter.id, letter]));
    for (const id of ids) {
      const letter = letters.get(id);
      if (letter?.state !== 'waiting') for (const waiter of this.#take(id)) waiter.resolve(letter);
    }
  }

  #take(id: string): Iterable<Deferred<DeadLetter | undefined>> {
    const waiters = this.#waiters.get(id) ?? [];
    this.#waiters.delete(id);
    return waiters;
  }
}
