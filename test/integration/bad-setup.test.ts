import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { type CacheOptions, createCache, type MillraceError } from '../../src/index.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { postgresUrl, type Server, startRedis } from '../servers/index.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { NEVER, Stage } from '../support/stage.ts';
import { expectRefusal } from './refusal.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
  await table.query('create table {{schema}}.heap (id text not null, doc jsonb)');
  await table.query('create table {{schema}}.other (id text primary key, body jsonb)');
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

const valid = (): CacheOptions<unknown> => ({ name: 'c', front: memoryFront(), store: new MemoryStore() });
/** As JavaScript would pass it, which no type stops. */
const untyped = (options: Record<string, unknown>): CacheOptions<unknown> =>
  ({ ...valid(), ...options }) as CacheOptions<unknown>;

describe('options', () => {
  test('all faults are listed together, with what is allowed', async () => {
    const error = await expectRefusal(
      () =>
        createCache(
          untyped({
            name: 'no spaces',
            polcy: 'write-through',
            lanes: 0,
            ttl: '5 minutes',
            flush: { maxDelay: -1, size: 3 },
            retry: { attempts: 1.5 },
            backpressure: { onFull: 'explode' },
          }),
        ),
      'MILLRACE_OPTIONS',
      /name must be 1 to 64 characters/,
      /unknown option polcy.*Known: name, policy/,
      /lanes must be a whole number from 1 to 256, not 0/,
      /ttl must be milliseconds or a string like '250ms'.*not '5 minutes'/,
      /flush\.maxDelay must be/,
      /unknown option flush\.size/,
      /retry\.attempts must be a whole number/,
      /onFull must be one of 'wait', 'reject'/,
    );
    expect(error.message.split('\n').filter((line) => line.startsWith('  - '))).toHaveLength(8);
  });

  test.each([
    ['Policy', { Policy: 'write-through' }, /did you mean policy\?/],
    ['a missing front', { front: undefined }, /front is missing: use redisFront/],
    ['a missing store', { store: {} }, /store is missing: use postgresStore/],
    ['a client in place of a front', { front: createClient() }, /front is missing/],
    ['refreshAhead without ttl', { refreshAhead: 0.5 }, /refreshAhead needs a ttl/],
    [
      'flush options of a policy that has nothing to flush',
      { policy: 'cache-aside', flush: { maxDelay: 1 } },
      /flush has no meaning with policy 'cache-aside'/,
    ],
    ['a level that the policy does not know', { policy: 'write-through', ack: 'buffered' }, /always 'stored'/],
    ['a level that the front does not have', { ack: 'replicated' }, /memory front, which offers 'buffered', 'stored'/],
    ['something that is no schema', { schema: { parse: () => 1 } }, /not a Standard Schema/],
    ['a delay that is shorter than none', { retry: { minDelay: '1s', maxDelay: '10ms' } }, /retry\.minDelay is longer/],
    [
      'a store that claims more than it can',
      { store: { loadMany() {}, apply() {}, capabilities: { transactions: true } } },
      /transactions/,
    ],
  ])('%s', async (_, options, says) => {
    const error = await expectRefusal(() => createCache(untyped(options)), 'MILLRACE_OPTIONS', says);
    expect(error.cache).toBe('c');
  });

  test.each([undefined, null, 'sessions'])('%s in place of options', async (options) => {
    const error = await expectRefusal(
      () => createCache(options as unknown as CacheOptions<unknown>),
      'MILLRACE_OPTIONS',
      /must be an object/,
    );
    expect(error.cache).toBeUndefined();
  });

  test('of one write', async () => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open({ store: table.store(), flush: NEVER });
    await expectRefusal(() => cache.set('k', 1, { ttl: -1 }), 'MILLRACE_OPTIONS', /ttl must be a positive duration/);
    await expectRefusal(
      () => cache.set('k', 1, { ttl: 'soon' as '1s' }),
      'MILLRACE_OPTIONS',
      /ttl must be a positive duration/,
    );
    await expectRefusal(
      () => cache.set('k', 1, { ack: 'maybe' as 'stored' }),
      'MILLRACE_ACK',
      /offers 'buffered', 'stored'/,
    );
    expect(await cache.get('k')).toBeUndefined();
  });
});

describe('the table', () => {
  const open = async (options: Record<string, unknown>): Promise<void> => {
    await using stage = await Stage.on('memory');
    await stage.open({ store: table.store(options) });
  };

  test.each([
    ['is missing', () => ({ table: `${table.schema}.nowhere` }), [/nowhere/, /does not exist|missing/]],
    ['has no such column', () => ({ value: 'document' }), [/document/]],
    ['has no such column, and another one that is meant', () => ({ table: `${table.schema}.other` }), [/doc/]],
    ['has a key column without a unique constraint', () => ({ table: `${table.schema}.heap` }), [/unique/, /"?id"?/]],
  ])('%s', async (_, options, says) => {
    const error = await expectRefusal(() => open(options()), 'MILLRACE_STORE_SCHEMA', ...says);
    expect(error.cache).toBe('c');
  });
  test('is right again: the same cache can be used, it asks anew', async () => {
    await using stage = await Stage.on('memory');
    const cache = stage.create<number>({ store: table.store({ table: `${table.schema}.late` }), flush: NEVER });
    await expectRefusal(() => cache.set('k', 1), 'MILLRACE_STORE_SCHEMA');
    await table.query('create table {{schema}}.late (id text primary key, doc jsonb)');
    await cache.set('k', 1);
    await cache.flush();
    expect(await table.query('select id, doc from {{schema}}.late')).toEqual([{ id: 'k', doc: 1 }]);
  });
});

describe('servers', () => {
  const SECRET = 's3cret-of-the-test';
  const plain = (error: MillraceError): string => `${error.message} ${JSON.stringify(error)}`;

  test('a PostgreSQL that cannot be reached', async () => {
    await using stage = await Stage.on('memory');
    const pool = new Pool({ connectionString: `postgres://user:${SECRET}@127.0.0.1:1/db` });
    const cache = stage.create({ store: postgresStore({ pool, table: 'docs', key: 'id', value: 'doc' }) });
    const error = await expectRefusal(() => cache.ready(), 'MILLRACE_STORE_UNAVAILABLE', /cannot be reached/);
    expect(plain(error)).not.toContain(SECRET);
    await expectRefusal(() => cache.get('k'), 'MILLRACE_STORE_UNAVAILABLE');
    await pool.end();
  });

  test('a PostgreSQL that has no such database', async () => {
    await using stage = await Stage.on('memory');
    const url = new URL(postgresUrl());
    url.pathname = '/nowhere';
    url.password = SECRET;
    const pool = new Pool({ connectionString: url.href });
    const error = await expectRefusal(
      () => stage.open({ store: postgresStore({ pool, table: 'docs', key: 'id', value: 'doc' }) }),
      'MILLRACE_STORE_SCHEMA',
      /database does not exist/,
    );
    expect(plain(error)).not.toContain(SECRET);
    await pool.end();
  });

  test.each(['node-redis', 'ioredis'])('a Redis that cannot be reached, through %s', async (driver) => {
    await using stage = await Stage.on('memory');
    const url = `redis://user:${SECRET}@127.0.0.1:1`;
    const client = driver === 'ioredis' ? new Redis(url, { lazyConnect: true }) : createClient({ url });
    const error = await expectRefusal(
      () => stage.open({ front: redisFront({ client }), store: table.store() }),
      'MILLRACE_FRONT_UNAVAILABLE',
      /Redis/,
    );
    expect(plain(error)).not.toContain(SECRET);
  });

  describe('a Redis of our own', () => {
    let redis: Server;
    let client: ReturnType<typeof createClient>;
    beforeAll(async () => {
      redis = await startRedis({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] });
      client = createClient({ url: redis.url });
    });
    afterAll(() => redis.stop());

    test('that may evict what is not stored is refused for write-behind, and for write-behind only', async () => {
      await using stage = await Stage.on('memory');
      const front = redisFront({ client });
      await expectRefusal(
        () => stage.open({ front, store: table.store() }),
        'MILLRACE_FRONT_SETTINGS',
        /maxmemory-policy allkeys-lru/,
        /set maxmemory-policy to noeviction or volatile-lru/,
      );
      const through = await stage.open<number>({ front, store: table.store(), policy: 'write-through' });
      await through.set('k', 1);
      expect(await through.get('k')).toBe(1);
    });
  });
});
