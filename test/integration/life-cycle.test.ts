import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { type CacheEvents, type CustomStore, isMillraceError, type Receipt } from '../../src/index.ts';
import type { Front } from '../../src/ports/front.ts';
import { type Server, startPostgres, startRedis } from '../servers/index.ts';
import { AuditedTable, watched } from '../support/audited-table.ts';
import { frontPlaces } from '../support/fronts.ts';
import { eventually, Gate } from '../support/gate.ts';
import { Load } from '../support/load.ts';
import { frontKinds, NEVER, Stage, sharedKinds } from '../support/stage.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

const unavailable = (): MillraceError => new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the store is down');
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'resolved',
    (error: unknown) => (isMillraceError(error) ? error.code : String(error)),
  );

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

describe('when the store is gone for a while', () => {
  let postgres: Server;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());

  test.each(frontKinds)(
    'on %s nothing is lost, writers do not notice, and flushing goes on by itself',
    async (kind) => {
      await using own = await AuditedTable.onPostgres(postgres.url);
      await using stage = await Stage.on(kind);
      const cache = await stage.open<number>({
        store: own.store(),
        flush: { maxDelay: 5 },
        retry: { minDelay: 20, maxDelay: 150 },
      });
      const failures: CacheEvents['flush-failed'][] = [];
      cache.on('flush-failed', (event) => failures.push(event));
      const load = new Load(cache, 20);
      await eventually('it works', async () => (await own.count()) === 20);
      await postgres.kill9();
      const before = load.total;
      await eventually(
        'several attempts have failed',
        () => Math.max(0, ...failures.map(({ attempt }) => attempt)) >= 6,
      );
      expect(load.total).toBeGreaterThan(before + 20);
      const receipt: Receipt = await cache.set('during', 1);
      await postgres.restart();
      await receipt.stored();
      await load.stop();
      await cache.flush();
      expect(await load.faultsIn(own)).toEqual([]);
      expect(load.refusals).toEqual(new Set());
      expect(failures.every(({ error }) => error.code === 'MILLRACE_STORE_UNAVAILABLE')).toBe(true);
      // The waits grow from the one bound to the other, each with its share of chance.
      const spanMs = (attempt: number): number => Math.min(150, 20 * 2 ** (attempt - 1));
      expect(
        failures.filter(({ attempt, retryInMs }) => retryInMs < spanMs(attempt) / 10 || retryInMs > spanMs(attempt)),
      ).toEqual([]);
      expect(failures.map(({ attempt }) => attempt)).toEqual(expect.arrayContaining([1, 2, 3, 4, 5, 6]));
      const stats = await cache.stats();
      expect(stats).toMatchObject({ dead: 0, lost: 0, pending: { entries: 0 } });
      expect(stats.flushFailures).toBe(failures.length);
    },
  );
});

describe('when Redis is gone for a moment', () => {
  const fronts: Readonly<Record<'redis' | 'ioredis', (url: string) => Promise<Front>>> = {
    redis: async (url) => redisFront({ client: createClient({ url }) }),
    async ioredis(url) {
      const { Redis } = await import('ioredis');
      return redisFront({ client: new Redis(url, { lazyConnect: true }) });
    },
  };

  test.each(['redis', 'ioredis'] as const)(
    'with an append-only file, acknowledged writes survive and %s goes on by itself',
    async (driver) => {
      await using redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
      await using stage = await Stage.on('memory');
      const cache = await stage.open<number>({
        front: await fronts[driver](redis.url),
        store: table.store(),
        flush: { maxDelay: 5 },
        retry: { minDelay: 5, maxDelay: 50 },
      });
      const losses: unknown[] = [];
      cache.on('loss', (event) => losses.push(event));
      const load = new Load(cache, 20);
      for (let round = 0; round < 2; round++) {
        const before = load.total;
        await eventually('it works', () => load.total > before + 100);
        await redis.kill9();
        await redis.restart();
      }
      const before = load.total;
      await eventually('it works again', () => load.total > before + 100);
      await load.stop();
      await cache.flush();
      expect(await load.faultsIn(table)).toEqual([]);
      expect(losses).toEqual([]);
      expect([...load.refusals].filter((code) => code !== 'MILLRACE_FRONT_UNAVAILABLE')).toEqual([]);
      expect((await cache.stats()).pending.entries).toBe(0);
    },
  );

  test.each(['redis', 'ioredis'] as const)(
    'without persistence, %s tells of every write that is lost, and goes on',
    async (driver) => {
      await using redis = await startRedis();
      await using stage = await Stage.on('memory');
      const cache = await stage.open<number>({
        front: await fronts[driver](redis.url),
        store: table.store(),
        flush: NEVER,
      });
      const losses: CacheEvents['loss'][] = [];
      cache.on('loss', (event) => losses.push(event));
      await cache.set('kept', 0);
      await cache.set('both', 1);
      await cache.flush();
      const receipts = await Promise.all(Array.from({ length: 20 }, (_, n) => cache.set(`lost${n}`, n)));
      receipts.push(await cache.set('both', 2));
      const asked = receipts.map((receipt) => codeOf(receipt.stored()));
      await redis.kill9();
      await redis.restart();
      await eventually(
        'the loss is reported without anybody asking',
        () => losses.reduce((sum, { count }) => sum + count, 0) >= 21,
      );
      expect(losses.reduce((sum, { count }) => sum + count, 0)).toBe(21);
      expect(new Set(losses.map(({ cause }) => cause))).toEqual(new Set(['front-emptied']));
      expect(await Promise.all(asked)).toEqual(Array.from({ length: 21 }, () => 'MILLRACE_LOST'));
      // Who asks only now learns it, too.
      expect(await codeOf((receipts[0] as Receipt).stored())).toBe('MILLRACE_LOST');
      expect((await cache.stats()).lost).toBe(21);
      // Reads tell what the store holds, and later writes work.
      expect(await cache.get('lost1')).toBeUndefined();
      expect(Object.fromEntries(await cache.getMany(['kept', 'both']))).toEqual({ kept: 0, both: 1 });
      await cache.set('lost1', 100);
      await cache.flush();
      expect(await table.stored()).toEqual({ kept: 0, both: 1, lost1: 100 });
    },
  );
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
