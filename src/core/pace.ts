/** What a pace may be, and the delay that it keeps to. */
export interface PaceBounds {
  /** Rows of one statement: fewest, with which it begins, and most. */
  readonly batchSize: number;
  readonly batchSizeMax: number;
  /** Most flushes in flight, with which it begins. */
  readonly concurrency: number;
  /** Age at which a mutation is to be flushed. */
  readonly maxDelayMs: number;
}

/** Part of `maxDelayMs` that a flush may take before it is slow; one that takes half of that is quick. */
const SLOW_PART = 1 / 4;
/** No flush that takes less is slow, however short the delay: a disk takes that long now and then. */
const SLOW_MS_MIN = 20;

/**
 * How hard a flusher presses its store: rows of a statement, and flushes in flight.
 *
 * A full flush that is slow relieves the store at once: half as many statements for the same rows, or fewer if it was
 * very slow, and half as many flushes. Each quick one takes a step back to the smallest batches and the most flushes.
 * So a store far away, or under load, is given fewer and larger batches until a flush takes a small part of the delay
 * that mutations may have anyway. Where batches can grow no more, flushes in flight are what is left, and they are
 * added one by one.
 */
export class Pace {
  readonly #bounds: PaceBounds;
  #batchSize: number;
  #concurrency: number;

  constructor(bounds: PaceBounds) {
    this.#bounds = bounds;
    this.#batchSize = bounds.batchSize;
    this.#concurrency = bounds.concurrency;
  }

  get batchSize(): number {
    return this.#batchSize;
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  /** A flush has stored `rows` in `durationMs`. */
  flushed(rows: number, durationMs: number): void {
    const { batchSize, batchSizeMax, maxDelayMs } = this.#bounds;
    const slowMs = Math.max(SLOW_MS_MIN, maxDelayMs * SLOW_PART);
    if (durationMs <= slowMs / 2) {
      this.#batchSize = Math.max(batchSize, this.#batchSize - batchSize);
      this.#addFlush();
      return;
    }
    // What is slow with less than a batch is not helped by a larger one.
    if (durationMs <= slowMs || rows < this.#batchSize) return;
    if (this.#batchSize === batchSizeMax) {
      this.#addFlush();
      return;
    }
    this.#batchSize = Math.min(batchSizeMax, Math.ceil(this.#batchSize * Math.max(2, durationMs / slowMs)));
    this.#halveFlushes();
  }

  /** A flush has failed, and not for what was in it. */
  failed(): void {
    this.#halveFlushes();
  }

  #addFlush(): void {
    this.#concurrency = Math.min(this.#bounds.concurrency, this.#concurrency + 1);
  }

  #halveFlushes(): void {
    this.#concurrency = Math.ceil(this.#concurrency / 2);
  }
}
