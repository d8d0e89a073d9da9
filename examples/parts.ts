import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Front } from 'millrace';
import type { PGliteLike, PgPoolLike } from 'millrace/postgres';

/** Where the servers are; embedded parts stand in for what is left out. */
export const serverFlags = { redis: { type: 'string' }, postgres: { type: 'string' } } as const;

interface Servers {
  readonly redis?: string | undefined;
  readonly postgres?: string | undefined;
}

/** What an example runs on, with a way to look at the rows past Millrace. */
export interface Parts {
  /** Of the cache and of its table: of this run alone. */
  readonly name: string;
  readonly front: Front;
  readonly pool: PGliteLike | PgPoolLike;
  readonly sql: (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  /** Front and store in words. */
  readonly kinds: string;
  /** Done when the example ends, however it does; the last first. */
  readonly atEnd: (task: () => Promise<unknown>) => void;
}

/** Runs an example and cleans up behind it; exit code 1 when it fails. */
export async function runExample(
  example: string,
  servers: Servers,
  play: (parts: Parts) => Promise<void>,
): Promise<void> {
  const name = `${example}_${randomBytes(4).toString('hex')}`;
  const tasks: (() => Promise<unknown>)[] = [];
  const atEnd: Parts['atEnd'] = (task) => void tasks.unshift(task);
  try {
    const front =
      servers.redis === undefined ? await openLmdb(name, atEnd) : await openRedis(servers.redis, name, atEnd);
    const { pool, sql } =
      servers.postgres === undefined ? await openPGlite(atEnd) : await openPostgres(servers.postgres, name, atEnd);
    const frontKind = servers.redis === undefined ? 'LMDB' : 'Redis';
    const kinds = `${frontKind} and ${servers.postgres === undefined ? 'PGlite' : 'PostgreSQL'}`;
    await play({ name, front, pool, sql, kinds, atEnd });
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    for (const task of tasks) await task();
  }
}

async function openLmdb(name: string, atEnd: Parts['atEnd']): Promise<Front> {
  const { lmdbFront } = await import('millrace/lmdb');
  const path = await mkdtemp(join(tmpdir(), `millrace-${name}-`));
  atEnd(() => rm(path, { recursive: true, force: true }));
  return lmdbFront({ path });
}

async function openRedis(url: string, name: string, atEnd: Parts['atEnd']): Promise<Front> {
  const [{ createClient }, { redisFront }] = await Promise.all([import('redis'), import('millrace/redis')]);
  const prefix = `example-${name}:`;
  atEnd(async () => {
    // The prefix stands within the braces of the hash tag.
    const client = await createClient({ url }).connect();
    for await (const keys of client.scanIterator({ MATCH: `{${prefix}*`, COUNT: 1_000 }))
      if (keys.length > 0) await client.unlink(keys);
    await client.close();
  });
  return redisFront({ client: createClient({ url }), prefix });
}

async function openPGlite(atEnd: Parts['atEnd']): Promise<Pick<Parts, 'pool' | 'sql'>> {
  const { PGlite } = await import('@electric-sql/pglite');
  const pool = await PGlite.create();
  atEnd(() => pool.close());
  return { pool, sql: async (text, values) => (await pool.query<Record<string, unknown>>(text, values)).rows };
}

async function openPostgres(url: string, name: string, atEnd: Parts['atEnd']): Promise<Pick<Parts, 'pool' | 'sql'>> {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => undefined);
  // What is only written through has no fence, and a new database not even the table of them.
  const forget = `do $$ begin
    if to_regclass('millrace_fence') is not null then delete from millrace_fence where cache = '${name}'; end if;
  end $$`;
  atEnd(() => pool.query(`drop table if exists ${name}; ${forget}`).finally(() => pool.end()));
  return { pool, sql: async (text, values) => (await pool.query<Record<string, unknown>>(text, values)).rows };
}
