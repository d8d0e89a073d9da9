import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { type Cache, createCache, MillraceError } from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/**
 * The engine on a virtual clock, against a plain map: whatever the store does, reads are as if there were only the map.
 */

const RUNS = 400;
const KEYS = ['a', 'b', 'c', 'd', 'e', '__proto__', 'constructor'];

type Step =
  | { readonly do: 'set'; readonly key: string; readonly value: number; readonly ttlMs: number | undefined }
  | { readonly do: 'setUnawaited'; readonly key: string; readonly values: readonly number[] }
  | { readonly do: 'delete' | 'get'; readonly key: string }
  | { readonly do: 'getMany'; readonly keys: readonly string[] }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'storeFails'; readonly times: number; readonly after: boolean }
  | { readonly do: 'slowStore'; readonly ms: number }
  | { readonly do: 'flush' | 'restart' | 'secondWorker' };

const key = fc.constantFrom(...KEYS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      key,
      value: fc.nat(99),
      ttlMs: fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('setUnawaited' as const),
      key,
      values: fc.array(fc.nat(99), { minLength: 2, maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('get' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('getMany' as const), keys: fc.array(key, { maxLength: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('storeFails' as const),
      times: fc.integer({ min: 1, max: 4 }),
      after: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('slowStore' as const), ms: fc.integer({ min: 0, max: 800 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('flush' as const, 'restart' as const, 'secondWorker' as const) }),
  },
);

class World {
  readonly clock = new VirtualClock();
  readonly front = memoryFront();
  readonly map = new Map<string, number>();
  readonly store: MemoryStore;
  #failures = 0;
  #failAfterCommit = false;
  #slowMs = 0;
  #tokens = 0;
  cache: Cache<number>;
  readonly caches: Cache<number>[] = [];

  constructor() {
    const fail = (afterCommit: boolean): void => {
      if (this.#failures === 0 || this.#failAfterCommit !== afterCommit) return;
      this.#failures--;
      throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'planned fault');
    };
    const wait = (): Promise<void> => new Promise((resolve) => void this.clock.after(this.#slowMs, resolve));
    this.store = new MemoryStore({
      beforeLoad: wait,
      beforeApply: wait,
      beforeCommit: () => fail(false),
      afterCommit: () => fail(true),
    });
    this.cache = this.open();
  }

  open(): Cache<number> {
    const cache = createCache<number>({
      name: 'model',
      front: this.front,
      store: this.store,
      lanes: 2,
      ttl: 200,
      flush: { maxDelay: 300, batchSize: 3, maxBatchSize: 12, lease: '1s' },
      retry: { minDelay: 10, maxDelay: 100 },
      clock: this.clock,
      random: { fraction: () => ((this.#tokens++ * 7) % 10) / 10, token: () => `token${this.#tokens++}` },
    });
    this.caches.push(cache);
    return cache;
  }

  async run(step: Step): Promise<void> {
    const { cache, clock, map } = this;
    switch (step.do) {
      case 'set':
        map.set(step.key, step.value);
        await clock.until(cache.set(step.key, step.value, step.ttlMs === undefined ? {} : { ttl: step.ttlMs }));
        return;
      case 'setUnawaited':
        map.set(step.key, step.values.at(-1) as number);
        await clock.until(Promise.all(step.values.map((value) => cache.set(step.key, value))));
        return;
      case 'delete':
        map.delete(step.key);
        await clock.until(cache.delete(step.key));
        return;
      case 'get':
        assert.equal(await clock.until(cache.get(step.key)), map.get(step.key));
        return;
      case 'getMany': {
        const known = [...new Set(step.keys)]
          .filter((wanted) => map.has(wanted))
          .map((wanted) => [wanted, map.get(wanted)]);
        assert.deepEqual([...(await clock.until(cache.getMany(step.keys)))], known);
        return;
      }
      case 'advance':
        await clock.advance(step.ms);
        return;
      case 'storeFails':
        this.#failures = step.times;
        this.#failAfterCommit = step.after;
        return;
      case 'slowStore':
        this.#slowMs = step.ms;
        return;
      case 'flush':
        await clock.until(cache.flush());
        this.expectStored();
        return;
      case 'restart':
        await clock.until(cache.close({ timeout: 50 }));
        this.cache = this.open();
        return;
      case 'secondWorker':
        this.cache = this.open();
        await clock.until(this.cache.ready());
        return;
    }
  }

  expectStored(): void {
    assert.deepEqual(
      new Map([...this.store.rows].map(([stored, json]) => [stored, JSON.parse(json) as number])),
      this.map,
    );
  }

  async end(): Promise<void> {
    await this.clock.until(this.cache.flush());
    this.expectStored();
    for (const wanted of KEYS) assert.equal(await this.clock.until(this.cache.get(wanted)), this.map.get(wanted));
    for (const cache of this.caches) await this.clock.until(cache.close({ timeout: 1_000 }));
  }
}

test('a write-behind cache reads like a map and ends with the map in the store', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const next of steps) await world.run(next);
      await world.end();
      runs++;
    }),
    { numRuns: RUNS },
  );
  expect(runs).toBeGreaterThanOrEqual(RUNS);
});
