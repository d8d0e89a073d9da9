import { rm } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { Pool } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lmdbFront } from '../../src/fronts/lmdb/index.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { type RedisFrontOptions, redisFront } from '../../src/fronts/redis/index.ts';
import { createCache, type Finding } from '../../src/index.ts';
import type { CacheOptions } from '../../src/options/cache.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { type Server, startPostgres, startRedis } from '../servers/index.ts';
import { eventually } from '../support/gate.ts';
import { command, connected } from './redis-fixture.ts';

const schema = `doctor_${process.pid}`;
let redis: Server;
let replica: Server;
let postgres: Server;
let admin: Pool;

beforeAll(async () => {
  redis = await startRedis({ waitaof: true, args: ['--repl-diskless-sync-delay', '0', '--appendonly', 'yes'] });
  replica = await startRedis({ waitaof: true, args: ['--replicaof', '127.0.0.1', `${redis.port}`] });
  postgres = await startPostgres();
  admin = new Pool({ connectionString: postgres.url });
  admin.on('error', () => undefined);
  await connected(redis.url, 1);
});
beforeEach(async () => {
  await admin.query(
    `drop schema if exists ${schema} cascade;
    create schema ${schema};
    create table ${schema}.docs (id text primary key, doc jsonb not null)`,
  );
});
afterAll(async () => {
  await admin.end();
  await Promise.all([redis, replica, postgres].map((server) => server[Symbol.asyncDispose]()));
});

type Part = Partial<CacheOptions<unknown>> & {
  readonly redis?: Partial<RedisFrontOptions>;
  readonly pool?: Pool;
  readonly table?: string;
  readonly at?: string;
};

/** Examines a cache of its own; no server that it asks keeps a connection of it. */
async function examine({
  redis: own,
  pool = admin,
  table = `${schema}.docs`,
  at = redis.url,
  ...options
}: Part = {}): Promise<Finding[]> {
  await using cache = createCache({
    name: 'doctor',
    front: redisFront({ client: createClient({ url: at }), ...own }),
    store: postgresStore({ pool, table, key: 'id', value: 'doc' }),
    ttl: '1h',
    ...options,
  });
  return cache.examine();
}

async function finding(check: string, part: Part = {}): Promise<Finding | undefined> {
  return (await examine(part)).find((each) => each.check === check);
}

/** Sets what is examined, and puts it back. */
async function during<T>(
  set: () => Promise<unknown>,
  unset: () => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  await set();
  try {
    return await work();
  } finally {
    await unset();
  }
}

const config = (url: string, ...pairs: string[]): Promise<unknown> => command(url, 'CONFIG', 'SET', ...pairs);

test('nothing is wrong with servers that are set up well, and every finding says what it saw', async () => {
  const findings = await examine({ ack: 'replicated' });
  expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([]);
  expect(findings.every(({ found, check }) => found !== '' && /^(redis|postgres|cache)\./.test(check))).toBe(true);
  // Looking changed nothing.
  expect((await admin.query(`select to_regclass('${schema}.millrace_fence') as made`)).rows[0]).toEqual({ made: null });
});

describe('in Redis it sees', () => {
  test.each<[string, Finding['severity'], string[], string[], Partial<CacheOptions<unknown>>]>([
    ['redis.maxmemory-policy', 'error', ['maxmemory-policy', 'allkeys-lru'], ['maxmemory-policy', 'noeviction'], {}],
    [
      'redis.maxmemory-policy',
      'ok',
      ['maxmemory-policy', 'allkeys-lru'],
      ['maxmemory-policy', 'noeviction'],
      { policy: 'write-through' },
    ],
    ['redis.maxmemory', 'warning', ['maxmemory', '3mb'], ['maxmemory', '0'], {}],
    ['redis.maxmemory', 'warning', ['maxmemory', '100mb'], ['maxmemory', '0'], {}],
    ['redis.maxmemory', 'warning', ['maxmemory', '1gb'], ['maxmemory', '0'], { ttl: undefined as never }],
    ['redis.maxmemory', 'ok', ['maxmemory', '1gb'], ['maxmemory', '0'], {}],
    ['redis.appendonly', 'warning', ['appendonly', 'no'], ['appendonly', 'yes'], {}],
    ['redis.appendonly', 'warning', ['appendfsync', 'no'], ['appendfsync', 'everysec'], {}],
    ['redis.appendonly', 'warning', ['no-appendfsync-on-rewrite', 'yes'], ['no-appendfsync-on-rewrite', 'no'], {}],
    ['redis.level', 'error', ['appendonly', 'no'], ['appendonly', 'yes'], { ack: 'fsynced' }],
    ['redis.min-replicas-to-write', 'error', ['min-replicas-to-write', '3'], ['min-replicas-to-write', '0'], {}],
  ])('%s: %s with %j', async (check, severity, set, unset, options) => {
    const found = await during(
      () => config(redis.url, ...set),
      () => config(redis.url, ...unset),
      () => finding(check, options),
    );
    expect(found).toMatchObject({ check, severity });
    expect([found?.means, found?.change].every((text) => (text === undefined) === (severity === 'ok'))).toBe(true);
  });

  test('that it is a replica, and too few of them', async () => {
    expect(await finding('redis.role', { at: replica.url })).toMatchObject({ severity: 'error' });
    expect(await finding('redis.level', { ack: 'replicated', redis: { replicas: 2 } })).toMatchObject({
      severity: 'error',
      found: expect.stringMatching(/1 of 2/),
    });
    expect(await finding('redis.replica-0')).toMatchObject({ severity: 'ok' });
  });

  test('a failed write of the append-only file or of a snapshot', async () => {
    await using server = await startRedis({ args: ['--save', '3600 1'] });

    await command(server.url, 'SET', 'a', '1');
    // Nothing can be made where the folder was removed.
    await rm(server.dir, { recursive: true });
    await command(server.url, 'BGSAVE').catch(() => undefined);
    await eventually('the snapshot has failed', async () =>
      String(await command(server.url, 'INFO', 'persistence')).includes('rdb_last_bgsave_status:err'),
    );
    expect(await finding('redis.snapshot', { at: server.url })).toMatchObject({ severity: 'error' });
    // It would not end of its own accord without a snapshot.
    await server.kill9();
    expect(await finding('front', { at: server.url })).toMatchObject({ severity: 'error' });
  });

  test('what its user may not do', async () => {
    await command(redis.url, 'ACL', 'SETUSER', 'narrow', 'on', '>s3cret', '~*', '+@all', '-config', '-evalsha');
    const findings = await examine({ at: redis.url.replace('redis://', 'redis://narrow:s3cret@') });
    expect(findings.find(({ check }) => check === 'redis.permissions')).toMatchObject({
      severity: 'error',
      found: expect.stringMatching(/NOPERM/),
    });
    expect(findings.find(({ check }) => check === 'redis.config')).toMatchObject({ severity: 'warning' });
    expect(JSON.stringify(findings)).not.toContain('s3cret');
  });

  test('that nobody answers, without saying with which password it asked', async () => {
    const findings = await examine({ at: 'redis://user:s3cret@127.0.0.1:1' });
    expect(findings[0]).toMatchObject({
      severity: 'error',
      check: 'front',
      found: expect.stringMatching(/MILLRACE_FRONT_UNAVAILABLE/),
    });
    expect(JSON.stringify(findings)).not.toContain('s3cret');
    // The rest is examined all the same.
    expect(findings.find(({ check }) => check === 'postgres.version')).toMatchObject({ severity: 'ok' });
  });

  test('that the cache is there with another number of lanes', async () => {
    const cache = createCache({
      name: 'doctor',
      front: redisFront({ client: createClient({ url: redis.url }), prefix: 'lanes:' }),
      store: postgresStore({ pool: admin, table: `${schema}.docs`, key: 'id', value: 'doc' }),
      lanes: 2,
    });
    await cache.ready();
    await cache.close();
    const findings = await examine({ redis: { prefix: 'lanes:' }, lanes: 3 });
    for (const check of ['redis.lanes', 'postgres.lanes'])
      expect(findings.find((each) => each.check === check)).toMatchObject({
        severity: 'error',
        found: expect.stringMatching(/2/),
      });
  });
});

describe('in PostgreSQL it sees', () => {
  test.each<[string, Finding['severity'], string, string]>([
    ['postgres.fsync', 'error', 'fsync', 'off'],
    ['postgres.full_page_writes', 'warning', 'full_page_writes', 'off'],
    ['postgres.synchronous_commit', 'error', 'synchronous_commit', 'off'],
    ['postgres.autovacuum', 'warning', 'autovacuum', 'off'],
    ['postgres.read-only', 'error', 'default_transaction_read_only', 'on'],
    ['postgres.transaction_timeout', 'warning', 'transaction_timeout', "'5s'"],
  ])('%s: %s with %s = %s', async (check, severity, setting, value) => {
    const alter = async (sql: string): Promise<void> => {
      await admin.query(sql);
      await admin.query('select pg_reload_conf()');
    };
    const found = await during(
      () => alter(`alter system set ${setting} = ${value}`),
      () => alter(`alter system reset ${setting}`),
      async () => {
        await expect.poll(() => finding(check), { timeout: 10_000 }).toMatchObject({ check, severity });
        return finding(check);
      },
    );
    expect(found).toMatchObject({ means: expect.stringMatching(/./), change: expect.stringMatching(/./) });
    await expect.poll(async () => (await finding(check))?.severity ?? 'ok', { timeout: 10_000 }).toBe('ok');
  });

  test('table, key and types that do not fit', async () => {
    await admin.query(`alter table ${schema}.docs drop constraint docs_pkey, alter doc type text`);
    expect(await finding('postgres.table')).toMatchObject({
      severity: 'error',
      found: expect.stringMatching(/unique(.|\n)*jsonb/),
    });
    expect(await finding('postgres.table', { table: 'nowhere' })).toMatchObject({
      severity: 'error',
      found: expect.stringMatching(/does not exist/),
    });
  });

  test('triggers, rules, deferrable constraints, row security and tables that a crash empties', async () => {
    await admin.query(`
      create function ${schema}.keep() returns trigger language plpgsql as $$ begin return new; end $$;
      create trigger changes before insert on ${schema}.docs for each row execute function ${schema}.keep();
      create trigger tells after insert on ${schema}.docs for each statement execute function ${schema}.keep();
      create rule quiet as on delete to ${schema}.docs do instead nothing;
      alter table ${schema}.docs add column other int,
        add constraint later unique (other) deferrable initially deferred`);
    const findings = await examine();
    expect(findings.filter(({ check }) => check === 'postgres.triggers')).toMatchObject([
      { severity: 'warning', found: expect.stringMatching(/changes/) },
      { severity: 'ok', found: expect.stringMatching(/tells/) },
    ]);
    expect(findings.find(({ check }) => check === 'postgres.rules')).toMatchObject({ severity: 'warning' });
    expect(findings.find(({ check }) => check === 'postgres.constraints')).toMatchObject({
      severity: 'ok',
      found: expect.stringMatching(/later/),
    });
    await admin.query(`alter table ${schema}.docs set unlogged`);
    expect(await finding('postgres.unlogged')).toMatchObject({ severity: 'error' });
  });

  test('permissions, and connections that the login does not get', async () => {
    await admin.query(
      `drop role if exists narrow;
      create role narrow login password 's3cret' connection limit 3;
      grant usage on schema ${schema} to narrow;
      grant select on ${schema}.docs to narrow`,
    );
    const pool = new Pool({
      connectionString: postgres.url
        .replace('postgres:', 'narrow:')
        .replace('narrow://postgres', 'postgres://narrow:s3cret'),
      max: 10,
    });
    try {
      const findings = await examine({ pool });
      expect(findings.find(({ check }) => check === 'postgres.table')).toMatchObject({
        severity: 'error',
        found: expect.stringMatching(/grant insert, update, delete/),
      });
      expect(findings.find(({ check }) => check === 'postgres.connections')).toMatchObject({
        severity: 'warning',
        found: expect.stringMatching(/3 for this role/),
      });
      await admin.query(`grant insert, update, delete on ${schema}.docs to narrow`);
      expect((await examine({ pool })).find(({ check }) => check === 'postgres.own-tables')).toMatchObject({
        severity: 'error',
        change: expect.stringMatching(/create table/),
      });
      expect(JSON.stringify(findings)).not.toContain('s3cret');
    } finally {
      await pool.end();
      await admin.query(`drop owned by narrow; drop role narrow`);
    }
    const small = new Pool({ connectionString: postgres.url, max: 2 });
    try {
      expect(await finding('postgres.connections', { pool: small })).toMatchObject({
        severity: 'warning',
        change: expect.stringMatching(/above 2/),
      });
    } finally {
      await small.end();
    }
  });

  test('that nobody answers', async () => {
    const pool = new Pool({ connectionString: 'postgres://user:s3cret@127.0.0.1:1/db' });
    const findings = await examine({ pool });
    await pool.end();
    expect(findings[0]).toMatchObject({ severity: 'error', check: 'store' });
    expect(JSON.stringify(findings)).not.toContain('s3cret');
  });

  test('PGlite, which never syncs', async () => {
    const pglite = await PGlite.create();
    await pglite.exec('create table docs (id text primary key, doc jsonb not null)');
    const findings = await examine({
      front: memoryFront(),
      store: postgresStore({ pool: pglite, table: 'docs', key: 'id', value: 'doc' }),
    });
    await pglite.close();
    expect(
      findings
        .filter(({ severity }) => severity !== 'ok')
        .map(({ check }) => check)
        .toSorted(),
    ).toEqual(['cache.front', 'postgres.fsync']);
  }, 60_000);
});

test('with LMDB and a store of one’s own it says what these do not promise', async () => {
  const store = { loadMany: async () => [], apply: async () => undefined };
  const findings = await examine({ front: lmdbFront({ path: `/tmp/millrace-doctor-${process.pid}/nowhere` }), store });
  expect(findings.filter(({ check }) => check === 'cache.store' || check === 'cache.dead-letters')).toMatchObject([
    { severity: 'warning' },
    { severity: 'warning' },
  ]);
  expect(findings.find(({ check }) => check === 'lmdb.folder')).toMatchObject({
    severity: 'ok',
    found: expect.stringMatching(/not made yet/),
  });
  expect(
    await finding('lmdb.disk', {
      front: lmdbFront({ path: '/tmp' }),
      store,
      backpressure: { maxBytes: Number.MAX_SAFE_INTEGER },
    }),
  ).toMatchObject({ severity: 'warning' });
  const inMemory = await finding('lmdb.file-system', { front: lmdbFront({ path: '/dev/shm' }), store });
  expect(inMemory?.severity).toBe(process.platform === 'linux' ? 'warning' : undefined);
});
