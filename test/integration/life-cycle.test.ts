import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import type { CacheEvents, CustomStore } from '../../src/index.ts';
import { AuditedTable, watched } from '../support/audited-table.ts';
import { frontPlaces } from '../support/fronts.ts';
import { eventually, Gate } from '../support/gate.ts';
import { codeOf } from '../support/outcome.ts';
import { frontKinds, NEVER, Stage, sharedKinds } from '../support/stage.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

const unavailable = (): MillraceError => new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the store is down');
describe.each(frontKinds)('closing on the %s front', (kind) => {
  test('drains what is pending and says what it did; a second call says the same', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<{ n?: number; bad?: boolean }>({ store: table.store(), flush: NEVER });
    await cache.set('first', { n: 0 });
    await cache.flush();
    for (let n = 0; n < 10; n++) await cache.set(`k${n}`, { n });
    await cache.set('bad', { bad: true });
    // Asked for, not yet acknowledged: it was accepted before the call, so it is waited for.
    const late = cache.set('late', { n: 11 });
    const closing = cache.close({ timeout: '10s' });
    expect(await closing).toEqual({ stored: 11, remaining: 0, dead: 1 });
    await late;
    expect(await table.count()).toBe(12);
    expect(await cache.close()).toEqual(await closing);
  });

  test('while the store is down it ends at its deadline, says what remains, and the next cache stores it', async () => {
    await using stage = await Stage.on(kind);
    const front = stage.place.front();
    let down = false;
    const cache = await stage.open<number>({
      front,
      store: watched(table.store(), {
        beforeApply() {
          if (down) throw unavailable();
        },
      }),
      flush: { maxDelay: 1 },
      retry: { minDelay: 5, maxDelay: 20 },
    });
    down = true;
    const receipt = await cache.set('a', 1);
    await cache.setMany([
      ['b', 2],
      ['c', 3],
    ]);
    const startedAt = performance.now();
    const report = await cache.close({ timeout: 200 });
    const tookMs = performance.now() - startedAt;
    expect(report).toEqual({ stored: 0, remaining: 3, dead: 0 });
    expect(tookMs).toBeGreaterThanOrEqual(195);
    expect(tookMs).toBeLessThan(1_000);
    expect(await codeOf(receipt.stored())).toBe('MILLRACE_CLOSED');
    const next = await stage.open<number>({ front, store: table.store(), flush: { maxDelay: 1 } });
    await eventually('the next cache stores them by itself', async () => (await table.count()) === 3);
    expect(await table.stored()).toEqual({ a: 1, b: 2, c: 3 });
    expect(await next.get('a')).toBe(1);
  });

  test('a store that hangs does not hold up the deadline', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await stage.open<number>({
      store: watched(table.store(), { beforeApply: () => gate.pass() }),
      flush: NEVER,
    });
    await cache.set('a', 1);
    const startedAt = performance.now();
    const report = await cache.close({ timeout: 100 });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(report.remaining).toBe(1);
    gate.open();
  });

  test('await using closes, and a cache that was never used closes without connecting', async () => {
    await using stage = await Stage.on(kind);
    {
      await using cache = stage.create<number>({ store: table.store(), flush: NEVER });
      await cache.set('a', 1);
    }
    expect(await table.stored()).toEqual({ a: 1 });
    const untouched = stage.create<number>({ store: table.store() });
    expect(await untouched.close()).toEqual({ stored: 0, remaining: 0, dead: 0 });
    expect(await codeOf(untouched.get('a'))).toBe('MILLRACE_CLOSED');
  });
});

describe.each(frontKinds)('backpressure on the %s front', (kind) => {
  test("onFull 'reject': a full buffer takes updates of what is pending, and no new keys", async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({
      store: table.store(),
      flush: NEVER,
      backpressure: { maxEntries: 10, onFull: 'reject' },
    });
    for (let n = 0; n < 10; n++) await cache.set(`k${n}`, n);
    const error = await cache.set('one too many', 1).catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: 'MILLRACE_FULL',
      key: 'one too many',
      message: expect.stringMatching(
        /10 of 10 entries and about .* are pending.*Nothing of the write was kept.*raise backpressure\.maxEntries/,
      ) as string,
    });
    expect(await codeOf(cache.set('ack', 1, { ack: 'stored' }))).toBe('MILLRACE_FULL');
    await cache.set('k3', 33);
    await cache.delete('k4');
    expect(await cache.get('k3')).toBe(33);
    expect(await cache.get('one too many')).toBeUndefined();
    expect((await cache.stats()).refused).toBe(2);
    await cache.flush();
    await cache.set('one too many', 1);
    await cache.flush();
    expect(Object.keys(await table.stored())).toHaveLength(10);
    expect(await table.stored()).toMatchObject({ k3: 33, 'one too many': 1 });
  });

  test("onFull 'wait': writers go on when a flush has made room, and never is more pending than allowed", async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await stage.open<number>({
      store: watched(table.store(), { beforeApply: () => gate.pass() }),
      flush: NEVER,
      backpressure: { maxEntries: 10 },
    });
    const done: number[] = [];
    const writing = Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        await cache.set(`k${n}`, n);
        done.push(n);
      }),
    );
    await gate.arrived;
    const { pending, refused } = await cache.stats();
    expect(pending.entries).toBeLessThanOrEqual(10);
    expect(done.length).toBeLessThanOrEqual(10);
    expect(refused).toBe(0);
    const watching = { done: false, most: 0 };
    const watch = (async () => {
      while (!watching.done) {
        watching.most = Math.max(watching.most, (await cache.stats()).pending.entries);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    gate.open();
    await writing;
    await cache.flush();
    watching.done = true;
    await watch;
    expect(watching.most).toBeLessThanOrEqual(10);
    expect(await table.count()).toBe(50);
  });

  test('bytes count as well', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<string>({
      store: table.store(),
      flush: NEVER,
      backpressure: { maxBytes: 1_000, onFull: 'reject' },
    });
    await cache.set('a', 'x'.repeat(600));
    expect(await codeOf(cache.set('b', 'x'.repeat(600)))).toBe('MILLRACE_FULL');
    await cache.flush();
    await cache.set('b', 'x'.repeat(600));
    expect(await cache.has('b')).toBe(true);
  });
});

describe.each(frontKinds)('a store of the user on the %s front', (kind) => {
  test('gets batches, again when it failed, and is asked on a miss', async () => {
    await using stage = await Stage.on(kind);
    const rows = new Map<string, number>([['there', 0]]);
    const batches: string[] = [];
    let faults = 2;
    const store: CustomStore<number> = {
      loadMany: async (keys) =>
        new Map(keys.filter((key) => rows.has(key)).map((key) => [key, rows.get(key) as number])),
      async apply(batch) {
        if (faults-- > 0) throw new Error('not today');
        batches.push([...batch].map(({ kind, key }) => `${kind} ${key}`).join(', '));
        for (const mutation of batch) {
          if (mutation.kind === 'put') rows.set(mutation.key, mutation.value);
          else rows.delete(mutation.key);
        }
      },
    };
    const cache = await stage.open<number>({ store, flush: NEVER, retry: { minDelay: 1, maxDelay: 5 } });
    const failures: CacheEvents['flush-failed'][] = [];
    cache.on('flush-failed', (event) => failures.push(event));
    expect(await cache.get('there')).toBe(0);
    await cache.setMany([
      ['a', 1],
      ['b', 2],
      ['there', 3],
    ]);
    await cache.delete('b');
    const receipt = await cache.set('c', 4);
    await cache.flush();
    await receipt.stored();
    expect(Object.fromEntries(rows)).toEqual({ there: 3, a: 1, c: 4 });
    expect(batches.join(', ').split(', ').toSorted()).toEqual(['delete b', 'put a', 'put c', 'put there']);
    expect(failures.map(({ attempt, error }) => ({ attempt, code: error.code }))).toEqual([
      { attempt: 1, code: 'MILLRACE_STORE_UNAVAILABLE' },
      { attempt: 2, code: 'MILLRACE_STORE_UNAVAILABLE' },
    ]);
    // It cannot keep dead letters, and does not pretend to.
    expect(await codeOf(cache.deadLetters.list())).toBe('MILLRACE_UNSUPPORTED');
  });
});

test.each(sharedKinds)('caches of several names share one %s front without meeting', async (kind) => {
  await using place = await frontPlaces[kind]();
  const front = place.front();
  await using stage = await Stage.on('memory');
  const tables = [await AuditedTable.onPostgres(), await AuditedTable.onPostgres()] as const;
  const one = await stage.open<number>({ front, name: 'one', store: tables[0].store(), flush: NEVER });
  const two = await stage.open<number>({ front, name: 'two', store: tables[1].store(), flush: NEVER });
  await one.set('k', 1);
  await two.set('k', 2);
  await one.close();
  expect(await two.get('k')).toBe(2);
  await two.flush();
  expect([await tables[0].stored(), await tables[1].stored()]).toEqual([{ k: 1 }, { k: 2 }]);
  await Promise.all(tables.map((own) => own[Symbol.asyncDispose]()));
});
