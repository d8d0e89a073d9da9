import type { Pool } from 'pg';
import type { PgClientLike, PgPoolLike } from '../../src/stores/postgres/index.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { attach, put, Schema } from './postgres-fixture.ts';

export const rowsOf = (count: number, value: unknown = 1) =>
  Array.from({ length: count }, (_, at) => put(`k${`${at}`.padStart(6, '0')}`, value));
export const inBatches = (rows: ReturnType<typeof rowsOf>, size: number) =>
  Array.from({ length: Math.ceil(rows.length / size) }, (_, at) => rows.slice(at * size, (at + 1) * size));

export async function open(ddl = '', options = {}) {
  const schema = await Schema.create();
  await schema.pool.query(`create table t (k text primary key, v jsonb, n bigint, at timestamptz); ${ddl}`);
  const store = await attach(
    postgresStore({ pool: schema.pool, table: 't', key: 'k', value: 'v', version: 'n', touch: 'at', ...options }),
  );
  await store.raiseEpoch(0);
  return { schema, store, [Symbol.asyncDispose]: () => schema[Symbol.asyncDispose]() };
}

/** A pool whose clients' queries go through `around`. */
export function tapped(
  pool: Pool,
  around: (text: string, run: () => Promise<unknown>, client: PgClientLike) => Promise<unknown>,
): PgPoolLike {
  return {
    query: pool.query.bind(pool),
    get totalCount() {
      return pool.totalCount;
    },
    async connect() {
      const client = await pool.connect();
      return {
        query: (config: { text: string }) => around(config.text, () => client.query(config), client),
        release: (error?: Error) => client.release(error),
        on: client.on.bind(client),
        removeListener: client.removeListener.bind(client),
      };
    },
  } as PgPoolLike;
}
