/**
 * Sessions of a web shop, written behind: each visitor's clicks become one row. Checks itself with SQL and ends with
 * exit code 1 when something is not as it should be.
 *
 *   node --import ./scripts/run-ts.mjs examples/sessions.ts
 *   node --import ./scripts/run-ts.mjs examples/sessions.ts --redis redis://localhost --postgres postgres://localhost/db
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createCache, type Front, type Store } from 'millrace';

interface Session {
  readonly userId: string;
  readonly cart: readonly string[];
  readonly pages: number;
}

type Sql = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

const VISITORS = 50;
const CLICKS = 20;
const TTL_MS = 300;

const { values: flags } = parseArgs({ options: { redis: { type: 'string' }, postgres: { type: 'string' } } });
const run = randomBytes(4).toString('hex');
const table = `sessions_${run}`;
const cleanUp: (() => Promise<unknown>)[] = [];

/** Redis where a URL is given, otherwise LMDB in a temporary folder. */
async function openFront(): Promise<Front> {
  if (flags.redis !== undefined) {
    const [{ createClient }, { redisFront }] = await Promise.all([import('redis'), import('millrace/redis')]);
    return redisFront({ client: createClient({ url: flags.redis }), prefix: `example-${run}:` });
  }
  const { lmdbFront } = await import('millrace/lmdb');
  const path = await mkdtemp(join(tmpdir(), 'millrace-sessions-'));
  cleanUp.push(() => rm(path, { recursive: true, force: true }));
  return lmdbFront({ path });
}

/** PostgreSQL where a URL is given, otherwise PGlite in memory; with a way to look at the rows past the cache. */
async function openStore(): Promise<{ store: Store; sql: Sql }> {
  const { postgresStore } = await import('millrace/postgres');
  const mapping = { table, key: 'user_id', value: 'session_data', version: 'revision', touch: ['last_activity', 'updated_at'] } as const;
  if (flags.postgres !== undefined) {
    const { default: pg } = await import('pg');
    const pool = new pg.Pool({ connectionString: flags.postgres });
    pool.on('error', () => undefined);
    const sql: Sql = async (text, values) => (await pool.query(text, values)).rows;
    cleanUp.push(async () => {
      await sql(`drop table if exists ${table}; delete from millrace_fence where cache = 'sessions-${run}'`).finally(() => pool.end());
    });
    return { store: postgresStore({ pool, ...mapping }), sql };
  }
  const { PGlite } = await import('@electric-sql/pglite');
  const database = await PGlite.create();
  cleanUp.push(() => database.close());
  const sql: Sql = async (text, values) => (await database.query<Record<string, unknown>>(text, values)).rows;
  return { store: postgresStore({ pool: database, ...mapping }), sql };
}

async function shop(): Promise<void> {
  const front = await openFront();
  const { store, sql } = await openStore();
  await sql(`create table ${table} (
    user_id       text primary key,
    session_data  jsonb not null,
    revision      bigint not null,
    last_activity timestamptz not null,
    updated_at    timestamptz not null
  )`);
  const sessions = createCache<Session>({ name: `sessions-${run}`, front, store, ttl: TTL_MS, flush: { maxDelay: '200ms', batchSize: 100 } });
  cleanUp.unshift(() => sessions.close());
  sessions.on('loss', ({ count }) => assert.fail(`${count} acknowledged writes are lost`));
  const rows = async (condition = 'true'): Promise<number> => Number((await sql(`select count(*)::int as n from ${table} where ${condition}`))[0]?.['n']);

  // Everybody clicks at the same time. A click reads the session that the click before it wrote, stored or not.
  const visitors = Array.from({ length: VISITORS }, (_, at) => `user-${at}`);
  const start = performance.now();
  await Promise.all(
    visitors.map(async (userId) => {
      for (let click = 1; click <= CLICKS; click++) {
        const before = (await sessions.get(userId)) ?? { userId, cart: [], pages: 0 };
        assert.equal(before.pages, click - 1, `${userId} reads what it wrote`);
        await sessions.set(userId, { userId, cart: click % 5 === 0 ? [...before.cart, `sku-${click}`] : before.cart, pages: click });
      }
    }),
  );
  console.log(`${VISITORS * CLICKS} clicks acknowledged in ${(performance.now() - start).toFixed(0)} ms; the store has ${await rows()} rows`);

  await sessions.flush();
  const { stored, coalesced, statements } = await sessions.stats();
  console.log(`flushed: rows written ${stored}, statements ${statements}, clicks replaced by a later one ${coalesced}`);

  // A row per visitor with the last click. `touch` stamped it, `version` counted its writes, and there were few.
  assert.equal(await rows(), VISITORS);
  assert.equal(await rows(`(session_data ->> 'pages')::int = ${CLICKS} and jsonb_array_length(session_data -> 'cart') = ${CLICKS / 5}`), VISITORS);
  assert.equal(await rows(`last_activity > now() - interval '1 minute' and updated_at = last_activity`), VISITORS);
  const [written] = await sql(`select sum(revision)::int as writes from ${table}`);
  assert.equal(Number(written?.['writes']), stored);
  assert.equal(stored + coalesced, VISITORS * CLICKS);

  // Stored entries expire in the front, never in the store: the next read fetches the row.
  await sleep(TTL_MS + 100);
  assert.equal((await sessions.inspect('user-0')).front, 'empty');
  const loads = (await sessions.stats()).loads;
  assert.equal((await sessions.get('user-0'))?.pages, CLICKS);
  assert.equal((await sessions.stats()).loads, loads + 1);

  // Signing out deletes: gone for readers at once, in the store after the flush.
  await sessions.delete('user-0');
  assert.equal(await sessions.get('user-0'), undefined);
  assert.equal(await rows(`user_id = 'user-0'`), 1);
  await sessions.flush();
  assert.equal(await rows(`user_id = 'user-0'`), 0);

  const report = await sessions.close();
  assert.equal(report.remaining, 0);
  console.log(`verified: ${await rows()} rows, each with its visitor's last click; ${report.remaining} entries pending`);
}

try {
  await shop();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const task of cleanUp) await task();
}
