import { cpus } from 'node:os';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { createClient } from 'redis';

export interface Document {
  readonly user: string;
  readonly cart: readonly string[];
  readonly note: string;
}

/** A value of about `bytes` as JSON text; 200 unless a case says otherwise. */
export function documentOf(bytes = 200): Document {
  const small = { user: 'u'.repeat(40), cart: ['a', 'b', 'c'], note: '' };
  return { ...small, note: 'x'.repeat(Math.max(0, bytes - JSON.stringify(small).length)) };
}

/** How much of each work a run does, and on which servers. */
export interface Settings {
  readonly quick: boolean;
  readonly rounds: number;
  readonly redisUrl: string;
  readonly postgresUrl: string;
  /** The folder of the checkout that this one is compared with, where two builds are. */
  readonly against?: string;
}

/** What each process of a run has: the settings, and clients of its own. */
export interface Stage extends Settings {
  /** node-redis without its command timeout, which would cost it four fifths of its throughput. */
  readonly redis: Client;
  /** ioredis with autopipelining. */
  readonly ioredis: Redis;
  readonly pool: Pool;
  /** CPU time that Redis has used, µs. */
  readonly redisCpuUs: () => Promise<number>;
  /** Empties Redis. */
  readonly empty: () => Promise<void>;
  /** Tables of documents, counts, events and scores, empty; all others are gone, Millrace's own too. */
  readonly freshTable: () => Promise<void>;
  /** What a result depends on besides the code. */
  readonly versions: () => Promise<Record<string, string>>;
  readonly close: () => Promise<void>;
}

export type Client = ReturnType<typeof connectedTo>;

export const TABLE = 'bench_documents';
export const COUNTS = 'bench_counts';
/** Without a key. */
export const EVENTS = 'bench_events';
export const SCORES = 'bench_scores';

function connectedTo(url: string) {
  return createClient({ url, commandOptions: { timeout: undefined } as object });
}

export async function openStage(settings: Settings): Promise<Stage> {
  const { redisUrl, postgresUrl } = settings;
  const redis = connectedTo(redisUrl);
  redis.on('error', () => undefined);
  await redis.connect();
  const ioredis = new Redis(redisUrl, { enableAutoPipelining: true, lazyConnect: true });
  const pool = new Pool({ connectionString: postgresUrl, max: 10 });
  return {
    ...settings,
    redis,
    ioredis,
    pool,
    async redisCpuUs() {
      const info = await redis.info('cpu');
      return ['used_cpu_user', 'used_cpu_sys'].reduce(
        (sum, name) => sum + Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1]) * 1e6,
        0,
      );
    },
    async empty() {
      await redis.flushAll();
    },
    async freshTable() {
      // Whatever there is, because another version of Millrace may have other tables.
      const { rows } = await pool.query<{ name: string }>(
        `select quote_ident(tablename) as name from pg_tables where schemaname = current_schema()`,
      );
      if (rows.length > 0) await pool.query(`drop table ${rows.map(({ name }) => name).join(', ')} cascade`);
      await pool.query(`create table ${TABLE} (k text primary key, v jsonb not null);
        create table ${COUNTS} (k text primary key, n bigint not null);
        create table ${EVENTS} (v jsonb not null);
        create table ${SCORES} (k text primary key, n double precision not null)`);
    },
    async versions() {
      const { rows } = await pool.query<{ server_version: string }>('show server_version');
      return {
        node: process.version,
        redis: /(?:redis|valkey)_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? '',
        postgres: rows[0]?.server_version ?? '',
        processor: `${cpus().length} x ${cpus()[0]?.model ?? ''}`,
      };
    },
    async close() {
      ioredis.disconnect();
      redis.destroy();
      await pool.end();
    },
  };
}

/** No write of a case is meant to wait for room. */
export const ROOMY = { maxEntries: 10_000_000, maxBytes: 2 ** 34 };
