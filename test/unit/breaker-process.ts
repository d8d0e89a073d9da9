import { strict as assert } from 'node:assert';
import { FAILURES_TO_OPEN } from '../../src/core/breaker.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import {
  type Cache,
  type CacheEvents,
  type CacheOptions,
  createCache,
  isMillraceError,
  MillraceError,
} from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

export const MIN_MS = 100;
export const MAX_MS = 10_000;

/** A store that can be down, and caches of one process on it. */
export class Process {
  readonly clock = new VirtualClock();
  fault: (() => unknown) | undefined;
  /** Calls that reached the store, and how many were under way at once at most. */
  calls = 0;
  underWay = 0;
  underWayMax = 0;
  latencyMs = 0;
  readonly store: MemoryStore;
  readonly events: (CacheEvents['breaker'] & { readonly cache: string })[] = [];
  readonly errors: string[] = [];
  #fraction = 0;

  constructor() {
    const ask = async (): Promise<void> => {
      this.calls++;
      this.underWayMax = Math.max(this.underWayMax, ++this.underWay);
      if (this.latencyMs > 0) await new Promise<void>((resolve) => this.clock.after(this.latencyMs, resolve));
      this.underWay--;
      if (this.fault !== undefined) throw this.fault();
    };
    this.store = new MemoryStore({ beforeLoad: ask, beforeApply: ask });
  }

  down(): void {
    this.fault = () => new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the server is away');
  }

  up(): void {
    this.fault = undefined;
  }

  open(name: string, options: Partial<CacheOptions<number>> = {}): Cache<number> {
    const cache = createCache<number>({
      name,
      front: memoryFront(),
      store: this.store,
      lanes: 2,
      ...(options.policy === undefined ? { flush: { maxDelay: 10 } } : {}),
      retry: { minDelay: MIN_MS, maxDelay: MAX_MS },
      clock: this.clock,
      random: { fraction: () => (this.#fraction = (this.#fraction + 0.618) % 1), token: () => `t${Math.random()}` },
      ...options,
    });
    cache.on('breaker', (event) => this.events.push({ ...event, cache: name }));
    cache.on('error', ({ error }) => this.errors.push(error.code));
    return cache;
  }

  /** What became of it: a value, or the code and message of the refusal. */
  async outcome(work: Promise<unknown>): Promise<unknown> {
    return this.clock.until(
      work.then(
        (value) => value,
        (error: unknown) => (isMillraceError(error) ? `${error.code}: ${error.message}` : error),
      ),
    );
  }

  async trip(cache: Cache<number>): Promise<void> {
    this.down();
    for (let i = 0; i < FAILURES_TO_OPEN; i++) await this.outcome(cache.get(`trip${i}`));
    assert.equal((await cache.stats()).breaker.state, 'open');
  }
}
