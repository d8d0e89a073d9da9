import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { createClient } from 'redis';
import type * as lmdbEntry from '../../src/fronts/lmdb/index.ts';
import type * as memoryEntry from '../../src/fronts/memory/index.ts';
import type * as redisEntry from '../../src/fronts/redis/index.ts';
import type * as entry from '../../src/index.ts';
import type * as postgresEntry from '../../src/stores/postgres/index.ts';
import type * as testingEntry from '../../src/testing/index.ts';

// The built package, as users have it.
const load = async <M>(path: string): Promise<M> => (await import(`../../dist/${path}.mjs`)) as M;
export const { createCache, createCounters, createLog } = await load<typeof entry>('index');
export const { redisFront } = await load<typeof redisEntry>('fronts/redis/index');
export const { lmdbFront } = await load<typeof lmdbEntry>('fronts/lmdb/index');
export const { memoryFront } = await load<typeof memoryEntry>('fronts/memory/index');
export const { postgresCounters, postgresLog, postgresStore } =
  await load<typeof postgresEntry>('stores/postgres/index');
export const { MemoryStore } = await load<typeof testingEntry>('testing/index');

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
  /** Tables of documents, counts and events, empty; Millrace's own tables are gone. */
  readonly freshTable: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export type Client = ReturnType<typeof connectedTo>;

export const TABLE = 'bench_documents';
export const COUNTS = 'bench_counts';
/** Without a key. */
export const EVENTS = 'bench_events';

function connectedTo(url: string) {
  return createClient({ url, commandOptions: { timeout: undefined } as object });
}

export async function openStage({ quick, rounds, redisUrl, postgresUrl }: Settings): Promise<Stage> {
  const redis = connectedTo(redisUrl);
  redis.on('error', () => undefined);
  await redis.connect();
  const ioredis = new Redis(redisUrl, { enableAutoPipelining: true, lazyConnect: true });
  const pool = new Pool({ connectionString: postgresUrl, max: 10 });
  return {
    quick,
    rounds,
    redisUrl,
    postgresUrl,
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
      await pool.query(`drop table if exists ${TABLE}, ${COUNTS}, ${EVENTS}, millrace_fence, millrace_dead_letter;
        create table ${TABLE} (k text primary key, v jsonb not null);
        create table ${COUNTS} (k text primary key, n bigint not null);
        create table ${EVENTS} (v jsonb not null)`);
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
