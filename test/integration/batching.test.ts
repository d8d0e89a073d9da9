import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import type { Cache, FlushEvent } from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { eventually } from '../support/gate.ts';
import { frontKinds, NEVER, Stage } from '../support/stage.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

function flushesOf(cache: Cache<unknown>): FlushEvent[] {
  const flushes: FlushEvent[] = [];
  cache.on('flush', (event) => flushes.push(event));
  return flushes;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

describe.each(frontKinds)('batches from the %s front, as PostgreSQL sees them', (kind) => {
  const options = { flush: { maxDelay: '1h', batchSize: 100 } } as const;

  test('1,000 writes at once arrive in 10 statements of 100', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), ...options });
    const flushes = flushesOf(cache as Cache<unknown>);
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => cache.set(`k${i}`, i)));
    await eventually('the flushes are reported', () => sum(flushes.map(({ rows }) => rows)) === 1_000);
    expect(await table.count()).toBe(1_000);
    expect(await table.statements()).toEqual(Array.from({ length: 10 }, () => 'INSERT'));
    expect(flushes.every(({ rows, statements }) => rows === 100 * statements)).toBe(true);
    expect(await cache.stats()).toMatchObject({ accepted: 1_000, stored: 1_000, statements: 10, coalesced: 0 });
  });

  test('1,000 writes one after the other, to a store that keeps up, arrive in 10 statements of 100', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), ...options });
    const flushes = flushesOf(cache as Cache<unknown>);
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 99; i++) await cache.set(`k${round}-${i}`, i);
      // The hundredth alone sets it off: nobody asks for a flush and nothing is due.
      expect(flushes).toHaveLength(round);
      await cache.set(`k${round}-99`, 99);
      await eventually(
        'the full batch is stored',
        async () => flushes.length === round + 1 && (await cache.stats()).pending.entries === 0,
      );
    }
    expect(flushes.map(({ rows, statements }) => ({ rows, statements }))).toEqual(
      Array.from({ length: 10 }, () => ({ rows: 100, statements: 1 })),
    );
    expect(await table.statements()).toEqual(Array.from({ length: 10 }, () => 'INSERT'));
    expect(await table.count()).toBe(1_000);
  });

  test('writes that are faster than the store are flushed in full statements and one remainder per flush', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), ...options });
    const flushes = flushesOf(cache as Cache<unknown>);
    for (let i = 0; i < 1_000; i++) await cache.set(`k${i}`, i);
    await eventually('less than a batch is left', async () => (await cache.stats()).pending.entries < 100);
    const full = [...flushes];
    expect(full.length).toBeGreaterThan(0);
    for (const { rows, statements } of full) {
      expect(rows).toBeGreaterThanOrEqual(100);
      expect(statements).toBe(Math.ceil(rows / 100));
    }
    await cache.flush();
    expect(await table.count()).toBe(1_000);
    expect((await table.statements()).length).toBe(sum(flushes.map(({ statements }) => statements)));
  });

  test('updates of one key between two flushes cause one row write, with the last value', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), flush: NEVER });
    for (let n = 1; n <= 3; n++) await cache.set('three', n);
    for (let n = 1; n <= 50; n++) await cache.set('hundred', n);
    await Promise.all(Array.from({ length: 50 }, (_, i) => cache.set('hundred', 51 + i)));
    await cache.flush();
    expect(await table.versions('three')).toEqual([3]);
    expect(await table.versions('hundred')).toEqual([100]);
    expect(await table.statements()).toEqual(['INSERT']);
    expect(await cache.stats()).toMatchObject({ accepted: 103, coalesced: 101, stored: 2, statements: 1 });
  });

  test('a delete that follows a put before the flush is all that is sent', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), flush: NEVER });
    await cache.set('k', 1);
    await cache.flush();
    await table.query('truncate {{schema}}.statements, {{schema}}.versions');
    await cache.set('k', 2);
    await cache.delete('k');
    await cache.set('never', 1);
    await cache.delete('never');
    await cache.flush();
    expect(await table.versions('k')).toEqual([null]);
    expect(await table.versions('never')).toEqual([]);
    expect(await table.statements()).toEqual(['DELETE']);
    // And the other way round: a put after a delete is an update, nothing is deleted on the way.
    await cache.set('again', 1);
    await cache.flush();
    await cache.delete('again');
    await cache.set('again', 2);
    await cache.flush();
    expect(await table.versions('again')).toEqual([1, 2]);
  });

  test('a key that is written without a pause is stored again and again', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), flush: { maxDelay: '20ms' } });
    const flushes = flushesOf(cache as Cache<unknown>);
    const until = performance.now() + 10_000;
    let n = 0;
    while (flushes.length < 5 && performance.now() < until) {
      await cache.set('k', n++);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(flushes.length).toBeGreaterThanOrEqual(5);
    expect(flushes.every(({ lagMs }) => lagMs >= 15)).toBe(true);
    await cache.flush();
    const versions = (await table.versions('k')) as number[];
    expect(versions.at(-1)).toBe(n - 1);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(versions.length).toBeLessThan(n);
  });
});

describe('when a flush begins', () => {
  const MAX_DELAY_MS = 100;
  async function open(batchSize = 100, lanes = 4) {
    const clock = new VirtualClock();
    const commits: { at: number; keys: string[] }[] = [];
    const store = new MemoryStore();
    store.hooks.beforeCommit = () => void commits.push({ at: clock.monotonic(), keys: [] });
    store.hooks.afterCommit = () =>
      void commits.at(-1)?.keys.push(...(store.batches.at(-1)?.rows.map(({ key }) => key) ?? []));
    const stage = await Stage.on('memory');
    const cache = stage.create<number>({
      front: memoryFront(),
      store,
      clock,
      lanes,
      flush: { maxDelay: MAX_DELAY_MS, batchSize },
    });
    await clock.until(cache.ready());
    const startedAt = clock.monotonic();
    return { clock, store, cache, commits, elapsed: () => clock.monotonic() - startedAt, startedAt };
  }

  test('few writes are flushed together when the oldest has reached its age, not before and not later', async () => {
    const { clock, store, cache, commits, startedAt } = await open();
    await clock.until(cache.set('first', 1));
    await clock.advance(60);
    await clock.until(cache.set('second', 2));
    await clock.advance(MAX_DELAY_MS - 60 - 1);
    expect(store.rows.size).toBe(0);
    await clock.advance(1);
    expect([...store.rows.keys()].toSorted()).toEqual(['first', 'second']);
    expect(commits.map(({ at }) => at - startedAt)).toEqual([MAX_DELAY_MS]);
    // The age counts from the next write, not from the last flush.
    await clock.advance(70);
    await clock.until(cache.set('third', 3));
    await clock.advance(MAX_DELAY_MS - 1);
    expect(store.rows.size).toBe(2);
    await clock.advance(1);
    expect(store.rows.size).toBe(3);
    await clock.until(cache.close());
  });

  test('a full batch does not wait for its age, one that is not quite full does', async () => {
    const { clock, store, cache } = await open(10);
    for (let i = 0; i < 9; i++) await clock.until(cache.set(`k${i}`, i));
    await clock.advance(20);
    expect(store.rows.size).toBe(0);
    await clock.until(cache.set('k9', 9));
    await clock.advance(5);
    expect(store.rows.size).toBe(10);
    expect(store.batches.map(({ rows }) => rows.length)).toEqual([10]);
    await clock.until(cache.close());
  });

  test('what was written while a flush failed keeps its own schedule', async () => {
    const { clock, store, cache, startedAt } = await open(100, 1);
    let down = true;
    store.hooks.beforeApply = () => {
      if (down) throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the store is down');
    };
    const failures: number[] = [];
    cache.on('flush-failed', () => failures.push(clock.monotonic() - startedAt));
    await clock.until(cache.set('first', 1));
    await clock.advance(MAX_DELAY_MS + 10);
    expect(failures.length).toBeGreaterThan(0);
    await clock.until(cache.set('second', 2));
    down = false;
    await clock.advance(MAX_DELAY_MS - 1);
    // The failed one is repeated as it was, after its wait of 100 ms at the most.
    expect([...store.rows.keys()]).toEqual(['first']);
    await clock.advance(1);
    expect([...store.rows.keys()]).toEqual(['first', 'second']);
    await clock.until(cache.close());
  });

  test('a key that is written every millisecond is stored every interval', async () => {
    const { clock, store, cache, commits, startedAt } = await open();
    for (let n = 0; n < 1_000; n++) {
      await clock.until(cache.set('hot', n));
      await clock.advance(1);
    }
    const times = commits.map(({ at }) => at - startedAt);
    expect(times.length).toBeGreaterThanOrEqual(9);
    expect(times.length).toBeLessThanOrEqual(10);
    times.forEach((at, i) => expect(at - (times[i - 1] ?? 0)).toBeGreaterThanOrEqual(MAX_DELAY_MS));
    times.forEach((at, i) => expect(at - (times[i - 1] ?? 0)).toBeLessThanOrEqual(MAX_DELAY_MS + 2));
    // What is stored is what was written last before the flush.
    const stored = store.versions.get('hot')?.map(Number) ?? [];
    expect(stored).toEqual(stored.toSorted((a, b) => a - b));
    stored.forEach((n, i) => expect(Math.abs(n - (times[i] as number))).toBeLessThanOrEqual(2));
    await clock.until(cache.close());
  });
});
