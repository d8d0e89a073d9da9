import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CacheOptions, MillraceError } from '../../index.ts';
import { driver } from '../driver.ts';
import { addressOf, answerOf, CONNECT_TIMEOUT_MS, reasonOf } from './servers.ts';
import { type RoundTrips, watchedPool } from './watched-pool.ts';

/** The database behind, with empty tables. */
export interface StorePlace {
  readonly title: string;
  readonly kind: string;
  readonly version: string;
  readonly note: string | undefined;
  readonly store: CacheOptions<unknown>['store'];
  /** Plain SQL, past Millrace and past the added latency. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  close(keep: boolean): Promise<string>;
}

export const TABLE = 'user_sessions';

// The tables of docker/schema.sql; page_views is there for counters.
const TABLES = `
  CREATE TABLE user_sessions (
    user_id       text PRIMARY KEY,
    session_data  jsonb NOT NULL,
    last_activity timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE page_views (
    id         serial PRIMARY KEY,
    page_url   text NOT NULL,
    view_count bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
  );
`;
const MAPPING = {
  table: TABLE,
  key: 'user_id',
  value: 'session_data',
  touch: ['last_activity', 'updated_at'],
} as const;

export async function pglitePlace(trips: RoundTrips, keep: boolean): Promise<StorePlace> {
  const [{ PGlite }, { postgresStore }] = await Promise.all([
    driver('@electric-sql/pglite', () => import('@electric-sql/pglite')),
    import('../../stores/postgres/index.ts'),
  ]);
  // In memory, unless somebody wants to look at it afterwards.
  const path = keep ? await mkdtemp(join(tmpdir(), 'millrace-demo-store-')) : undefined;
  const pglite = path === undefined ? await PGlite.create() : await PGlite.create(path);
  await pglite.exec(TABLES);
  const query = async (sql: string, values: unknown[] = []) =>
    (await pglite.query<Record<string, unknown>>(sql, values)).rows;
  const version = String((await query('SHOW server_version'))[0]?.['server_version']);
  return {
    title: `PGlite (PostgreSQL ${version} in this process${path === undefined ? ', in memory' : ''})`,
    kind: 'pglite',
    version,
    note: 'PGlite has no network and never syncs to disk: right for trying out, not for data that matters',
    store: postgresStore({ pool: watchedPool(pglite, trips), ...MAPPING }),
    query,
    async close(keep) {
      await pglite.close();
      if (keep && path !== undefined) return `the store is kept in ${path}`;
      if (path !== undefined) await rm(path, { recursive: true, force: true });
      return 'the database in memory is gone';
    },
  };
}

/** Works in a schema of its own, so that nothing else in the database is touched. */
export async function postgresPlace(url: string, run: string, trips: RoundTrips): Promise<StorePlace> {
  const [{ default: pg }, { postgresStore }] = await Promise.all([
    driver('pg', () => import('pg')),
    import('../../stores/postgres/index.ts'),
  ]);
  const schema = `millrace_demo_${run}`;
  const server = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  server.on('error', () => undefined);
  const query = async (sql: string, values: unknown[] = []) =>
    (await server.query<Record<string, unknown>>(sql, values)).rows;
  try {
    await answerOf(server.connect());
    await server.query(`CREATE SCHEMA ${schema}`);
    await server.query(`SET search_path = ${schema}`);
    await server.query(TABLES);
  } catch (cause) {
    await server.end().catch(() => undefined);
    throw new MillraceError(
      'MILLRACE_STORE_UNAVAILABLE',
      `the PostgreSQL server at ${addressOf(url)} ${reasonOf(cause)}`,
      { cause },
    );
  }
  const version = String((await query('SHOW server_version'))[0]?.['server_version']).split(' ')[0] as string;
  const pool = new pg.Pool({ connectionString: url, options: `-c search_path=${schema}`, max: 10 });
  pool.on('error', () => undefined);
  return {
    title: `PostgreSQL ${version}, schema ${schema}`,
    kind: 'postgres',
    version,
    note: undefined,
    store: postgresStore({ pool: watchedPool(pool, trips), ...MAPPING }),
    query,
    async close(keep) {
      await pool.end();
      if (!keep) await server.query(`DROP SCHEMA ${schema} CASCADE`);
      await server.end();
      return keep ? `the schema ${schema} is kept` : `the schema ${schema} is dropped`;
    },
  };
}
