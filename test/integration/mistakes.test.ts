import { afterEach, describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { type Cache, createCache } from '../../src/index.ts';
import type { CacheOptions } from '../../src/options/cache.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { FreezableClock } from '../support/freezable-clock.ts';
import { type FrontPlace, frontPlaces } from '../support/fronts.ts';
import { eventually, Gate } from '../support/gate.ts';

const unavailable = (): MillraceError => new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the store is down');

/** A store whose first commit waits at the gate, and fails; those after it do not. */
function failingOnce(gate: Gate): MemoryStore {
  let commits = 0;
  return new MemoryStore({
    async beforeCommit() {
      if (commits++ > 0) return;
      await gate.pass();
      throw unavailable();
    },
  });
}

/** The mistakes that textbook versions of write-behind make. Each has a test of its name, on every front. */
describe.each(['memory', 'lmdb', 'redis', 'ioredis'] as const)('on the %s front', (kind) => {
  const caches: Cache<unknown>[] = [];
  let place: FrontPlace;
  let names = 0;

  async function open<V>(store: MemoryStore, options: Partial<CacheOptions<V>> = {}): Promise<Cache<V>> {
    place ??= await frontPlaces[kind]();
    const cache = createCache<V>({
      name: `m${names}`,
      front: place.front(),
      store,
      flush: { maxDelay: '1h', lease: '300ms' },
      ...options,
    });
    caches.push(cache as Cache<unknown>);
    await cache.ready();
    return cache;
  }

  afterEach(async () => {
    await Promise.all(caches.splice(0).map((cache) => cache.close({ timeout: '2s' })));
    names++;
  });

  test('1: a failed batch is put back over newer values of the same keys', async () => {
    const gate = new Gate();
    const store = failingOnce(gate);
    const cache = await open<number>(store, { retry: { minDelay: 1, maxDelay: 5 } });
    await cache.set('a', 1);
    await cache.set('b', 1);
    const flushed = cache.flush();
    await gate.arrived;
    // The batch with the old value is on its way, and fails after the new value was accepted.
    await cache.set('a', 2);
    gate.open();
    await flushed;
    expect(await cache.get('a')).toBe(2);
    await cache.flush();
    expect(store.versions.get('a')).toEqual(['1', '2']);
    expect(store.rows.get('a')).toBe('2');
    expect(store.rows.get('b')).toBe('1');
  });

  test('2: a value expires before its flush and is never stored', async () => {
    const store = new MemoryStore();
    const cache = await open<string>(store, { ttl: '30ms' });
    await cache.set('a', 'kept');
    await cache.set('b', 'kept', { ttl: '10ms' });
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await cache.get('a')).toBe('kept');
    expect((await cache.inspect('b')).frontTtlMs).toBeUndefined();
    await cache.flush();
    expect(store.rows.get('a')).toBe('"kept"');
    expect(store.rows.get('b')).toBe('"kept"');
    // Once stored they expire, and are read from the store again.
    await eventually('the clean entry expires', async () => (await cache.inspect('a')).front === 'empty');
    expect(await cache.get('a')).toBe('kept');
  });

  test('3: the set of dirty keys is deleted after the flush, with the keys that were added meanwhile', async () => {
    const gate = new Gate();
    let commits = 0;
    const store = new MemoryStore({ beforeCommit: () => (commits++ === 0 ? gate.pass() : undefined) });
    const cache = await open<number>(store);
    await cache.set('early', 1);
    const flushed = cache.flush();
    await gate.arrived;
    await Promise.all(Array.from({ length: 50 }, (_, i) => cache.set(`late${i}`, i)));
    gate.open();
    await flushed;
    expect((await cache.stats()).pending.entries).toBe(50);
    await cache.flush();
    expect(store.rows.size).toBe(51);
  });

  test('4: the buffer is cleared before the store has committed, and the process dies', async () => {
    const gate = new Gate();
    const dying = new MemoryStore({ beforeCommit: () => gate.pass() });
    const clock = new FreezableClock();
    const cache = await open<number>(dying, { clock });
    await cache.set('a', 1);
    void cache.flush().catch(() => undefined);
    await gate.arrived;
    // The process hangs before its commit and its lease runs out: another takes the lanes over. What the first one
    // would commit is never seen by the second, as if it had died here.
    clock.freeze();
    const store = new MemoryStore();
    for (const [lane, fence] of dying.fences) store.fences.set(lane, fence);
    const heir = await open<number>(store);
    await eventually('the heir stores what the other did not', () => store.rows.get('a') === '1');
    expect(await heir.get('a')).toBe(1);
    clock.thaw();
    gate.open();
  });

  test('5: two flushes run at once and write in the wrong order', async () => {
    const gate = new Gate();
    let applies = 0;
    const store = new MemoryStore({ beforeCommit: () => (applies++ === 0 ? gate.pass() : undefined) });
    const clock = new FreezableClock();
    const zombie = await open<number>(store, { clock });
    await zombie.set('a', 1);
    const zombieFlush = zombie.flush().catch(() => undefined);
    await gate.arrived;
    // The first worker stands still beyond its lease. A second one takes the lane and stores a newer value.
    clock.freeze();
    const heir = await open<number>(store, { flush: { maxDelay: 1, lease: '300ms' } });
    await heir.set('a', 2);
    await eventually('the second worker stores', () => store.rows.get('a') === '2');
    clock.thaw();
    gate.open();
    await zombieFlush;
    // Its late commit was refused: the old value is not in the store a second time.
    expect(store.versions.get('a')).toEqual(['1', '2']);
  });

  test('6: flush in a timer rejects and takes the process down, or stops flushing for ever', async () => {
    let down = true;
    const store = new MemoryStore({
      beforeApply() {
        if (down) throw new Error('a fault of no known kind');
      },
    });
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const cache = await open<number>(store, { flush: { maxDelay: 1 }, retry: { minDelay: 1, maxDelay: 10 } });
      const attempts: number[] = [];
      cache.on('flush-failed', ({ attempt }) => void attempts.push(attempt));
      await cache.set('a', 1);
      await eventually('several attempts have failed', () => attempts.length >= 5);
      expect(attempts.slice(0, 5)).toEqual([1, 2, 3, 4, 5]);
      down = false;
      await eventually('the flush goes on by itself', () => store.rows.get('a') === '1');
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  test('7: a reader that loaded before a write fills the cache after it', async () => {
    const gate = new Gate();
    let loads = 0;
    const store = new MemoryStore({ afterLoad: () => (loads++ === 0 ? gate.pass() : undefined) });
    store.rows.set('a', '"old"');
    const cache = await open<string>(store);
    const slow = cache.get('a');
    await gate.arrived;
    await cache.set('a', 'new');
    await cache.flush();
    gate.open();
    await slow;
    expect(await cache.get('a')).toBe('new');
    expect((await cache.inspect('a')).front).toBe('value');
  });

  test('7, with a delete: a slow reader does not bring a deleted key back', async () => {
    const gate = new Gate();
    let loads = 0;
    const store = new MemoryStore({ afterLoad: () => (loads++ === 0 ? gate.pass() : undefined) });
    store.rows.set('a', '"old"');
    const cache = await open<string>(store);
    const slow = cache.get('a');
    await gate.arrived;
    await cache.delete('a');
    await cache.flush();
    // The tombstone is gone: a reader that joined the old load now would see the deleted value.
    expect(await cache.get('a')).toBeUndefined();
    gate.open();
    await slow;
    expect(await cache.get('a')).toBeUndefined();
  });

  test('8: a delete is lost or undone by an earlier put that comes late', async () => {
    const gate = new Gate();
    const store = failingOnce(gate);
    const cache = await open<number>(store, { retry: { minDelay: 1, maxDelay: 5 } });
    await cache.set('a', 1);
    const flushed = cache.flush();
    await gate.arrived;
    await cache.delete('a');
    expect(await cache.get('a')).toBeUndefined();
    gate.open();
    await flushed;
    expect(await cache.get('a')).toBeUndefined();
    await cache.flush();
    expect(store.versions.get('a')).toEqual(['1', undefined]);
    expect(await cache.get('a')).toBeUndefined();
  });

  test('10: a crash between store and front leaves write-through readers the old value until it expires', async () => {
    const gate = new Gate();
    let hold = false;
    const store = new MemoryStore({ afterCommit: () => (hold ? gate.pass() : undefined) });
    const writer = createCache<string>({
      name: `m${names}`,
      front: (place ??= await frontPlaces[kind]()).front(),
      store,
      policy: 'write-through',
    });
    const reader = createCache<string>({ name: `m${names}`, front: place.front(), store, policy: 'write-through' });
    caches.push(reader as Cache<unknown>);
    await writer.set('a', 'old');
    expect(await reader.get('a')).toBe('old');
    hold = true;
    const dying = writer.set('a', 'new');
    await gate.arrived;
    // The store has committed and the writer never gets to tell the front.
    expect(await reader.get('a')).toBe('new');
    expect((await reader.inspect('a')).front).toBe('intent');
    gate.open();
    await dying;
    expect((await reader.inspect('a')).front).toBe('value');
    await writer.close();
  });
});
