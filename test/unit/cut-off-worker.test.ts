import { expect, test, vi } from 'vitest';
import { attemptsMax } from '../../src/core/breaker.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { type Cache, createCache, MillraceError } from '../../src/index.ts';
import type { AttachedStore, FenceStore, LaneStore, Store, StoreAttachment } from '../../src/ports/store.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

// Many steps of a virtual clock: no span of real time is expected.
vi.setConfig({ testTimeout: 60_000 });

/** Two workers on one front and one store, each with a way to the store of its own. */

const LEASE_MS = 1_000;

class Way implements Store {
  readonly kind = 'memory';
  readonly capabilities = { transactions: true, deadLetters: true };
  readonly #store: MemoryStore;
  readonly #clock: VirtualClock;
  cut = false;
  latencyMs = 0;
  raises = 0;

  constructor(store: MemoryStore, clock: VirtualClock) {
    this.#store = store;
    this.#clock = clock;
  }

  async attach(attachment: StoreAttachment): Promise<AttachedStore> {
    const attached = await this.#store.attach(attachment);
    const lanes = attached.lanes as LaneStore;
    const fences = lanes.fences as FenceStore;
    const pass = async (): Promise<void> => {
      if (this.latencyMs > 0) await new Promise<void>((resolve) => this.#clock.after(this.latencyMs, resolve));
      if (this.cut) throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'no way to the server');
    };
    return {
      ...attached,
      lanes: {
        ...lanes,
        apply: (flush) => pass().then(() => lanes.apply(flush)),
        fences: {
          ...fences,
          raiseEpoch: (lane) => {
            this.raises++;
            return pass().then(() => fences.raiseEpoch(lane));
          },
        },
      },
    };
  }
}

const worker = (time: VirtualClock, front: ReturnType<typeof memoryFront>, store: Store): Cache<number> =>
  createCache<number>({
    name: 'c',
    front,
    store,
    lanes: 2,
    flush: { maxDelay: 20, lease: LEASE_MS },
    retry: { minDelay: 10, maxDelay: 2_000 },
    clock: time,
  });

test('a worker that cannot reach the store lets go of its lanes, and one that can stores what is pending', async () => {
  const time = new VirtualClock();
  const store = new MemoryStore();
  const front = memoryFront();
  const [near, far] = [new Way(store, time), new Way(store, time)];
  const first = worker(time, front, far);
  await time.until(first.ready());
  const second = worker(time, front, near);
  await time.until(second.ready());
  expect(near.raises).toBe(0);
  far.cut = true;
  const receipt = await time.until(first.set('x', 1));
  await time.advance(10 * LEASE_MS);
  expect(store.rows.get('x')).toBe('1');
  await time.until(receipt.stored());
  // The way is back: the lanes stay where they are, and nothing is stored twice.
  far.cut = false;
  await time.advance(10 * LEASE_MS);
  await time.until(first.set('x', 2));
  await time.until(first.flush());
  expect(store.versions.get('x')).toEqual(['1', '2']);
  expect(near.raises).toBe(2);
  await time.until(Promise.all([first.close(), second.close()]));
});

test('while nobody can, taking lanes is tried within the budget, and it goes on when one can', async () => {
  const time = new VirtualClock();
  const store = new MemoryStore();
  const front = memoryFront();
  const ways = [new Way(store, time), new Way(store, time)] as const;
  const first = worker(time, front, ways[0]);
  await time.until(first.ready());
  const second = worker(time, front, ways[1]);
  await time.until(second.ready());
  for (const way of ways) way.cut = true;
  await time.until(first.set('x', 1));
  await time.advance(600_000);
  for (const way of ways) way.cut = false;
  await time.advance(20_000);
  expect(store.rows.get('x')).toBe('1');
  await time.until(second.set('x', 2));
  await time.until(second.flush());
  expect(store.versions.get('x')).toEqual(['1', '2']);
  for (const { raises } of ways) expect(raises).toBeLessThanOrEqual(attemptsMax(630_000, 2_000));
  await time.until(Promise.all([first.close(), second.close()]));
});

test('a flush that takes many times as long as its lease keeps its lane', async () => {
  const time = new VirtualClock();
  const store = new MemoryStore();
  const front = memoryFront();
  const [slow, other] = [new Way(store, time), new Way(store, time)];
  const first = worker(time, front, slow);
  await time.until(first.ready());
  const second = worker(time, front, other);
  await time.until(second.ready());
  slow.latencyMs = 30 * LEASE_MS;
  await time.until(first.set('x', 1));
  await time.until(first.flush());
  expect(store.versions.get('x')).toEqual(['1']);
  expect(other.raises).toBe(0);
  await time.until(Promise.all([first.close(), second.close()]));
});
