import type { Prng } from './prng.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * The simulated world's time, in ms: events happen one after the other, those of the same moment in an order that the
 * seed decides.
 */
export class Scheduler {
  nowMs = 0;
  /** Events that happened. */
  steps = 0;
  readonly #prng: Prng;
  readonly #heap: Event[] = [];

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  after(ms: number, run: () => void): () => void {
    let cancelled = false;
    this.#push({
      at: this.nowMs + Math.max(0, ms),
      order: this.#prng.fraction(),
      run: () => (cancelled ? undefined : run()),
    });
    return () => {
      cancelled = true;
    };
  }

  get isEmpty(): boolean {
    return this.#heap.length === 0;
  }

  /** Lets events happen until the condition holds (true) or the time is up (false). */
  until(done: () => boolean, limitMs: number): boolean {
    const endMs = this.nowMs + limitMs;
    settle();
    while (!done()) {
      const next = this.#heap[0];
      if (next === undefined || next.at > endMs) {
        this.nowMs = endMs;
        return false;
      }
      this.#pop();
      this.nowMs = Math.max(this.nowMs, next.at);
      this.steps++;
      next.run();
      settle();
    }
    return true;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/**
 * Lets every promise callback run that is due, before it returns. A macrotask would come after all of them too, but a
 * turn of the event loop costs ten times what a step of the simulation does.
 */
// oxlint-disable-next-line no-underscore-dangle -- Node has no other name for it
const settle = (process as unknown as { _tickCallback(): void })._tickCallback;
