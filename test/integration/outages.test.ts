import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { redisFront } from '../../src/fronts/redis/index.ts';
import type { CacheEvents, Receipt } from '../../src/index.ts';
import type { Front } from '../../src/ports/front.ts';
import { type Server, startPostgres, startRedis } from '../servers/index.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { eventually } from '../support/gate.ts';
import { Load } from '../support/load.ts';
import { codeOf } from '../support/outcome.ts';
import { frontKinds, NEVER, Stage } from '../support/stage.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

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
