/** Reads batches while earlier ones are written. */

/** How many wait at the most: one would do if each took the same time to fetch as to be written. */
const WAITING_MAX = 2;

/**
 * Fetches what comes next while what came before is being worked on, from the moment it is made. Memory: two items,
 * beside the one that is worked on.
 */
export class ReadAhead<T> implements AsyncIterable<T> {
  readonly #source: AsyncIterator<T>;
  readonly #waiting: Promise<IteratorResult<T>>[] = [];

  constructor(source: AsyncIterable<T>) {
    this.#source = source[Symbol.asyncIterator]();
    for (let i = 0; i < WAITING_MAX; i++) this.#fetch();
  }

  #fetch(): void {
    const next = this.#source.next();
    // It is awaited later; until then its failure is nobody's.
    next.catch(() => undefined);
    this.#waiting.push(next);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { done, value } = await next;
      if (done === true) return;
      this.#fetch();
      yield value as T;
    }
  }

  /** Lets go of the source, without waiting to see it go. */
  stop(): void {
    this.#source.return?.().catch(() => undefined);
  }
}
