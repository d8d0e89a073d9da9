import type pg from 'pg';
import { createClient } from 'redis';
import type { Doc, Subject, SubjectSpec } from './subject.ts';

const FLUSH_MS = 50;

/**
 * The write-behind of a hundred tutorials: the value goes to Redis, the key into a map of the process, and a timer writes
 * the map to the database. What the harness has to find wrong.
 */
export function naiveWriteBehind({ front, table }: SubjectSpec, pool: pg.Pool): Subject {
  const redis = createClient({ url: front.at });
  redis.on('error', () => undefined);
  const dirty = new Map<string, Doc | undefined>();
  const flush = async (): Promise<void> => {
    const batch = [...dirty];
    dirty.clear();
    for (const [key, doc] of batch) {
      if (doc === undefined) await pool.query(`delete from ${table} where id = $1`, [key]);
      else await pool.query(`insert into ${table} (id, doc) values ($1, $2) on conflict (id) do update set doc = excluded.doc`, [key, JSON.stringify(doc)]);
    }
  };
  const timer = setInterval(() => void flush().catch(() => undefined), FLUSH_MS);
  const stored = { stored: flush, lane: 0, epoch: 0, seq: 0 };
  return {
    ready: async () => void (await redis.connect()),
    async set(key, doc) {
      await redis.set(key, JSON.stringify(doc));
      dirty.set(key, doc);
      return stored;
    },
    async delete(key) {
      await redis.del(key);
      dirty.set(key, undefined);
      return stored;
    },
    async get(key) {
      const cached = await redis.get(key);
      if (cached !== null) return JSON.parse(cached) as Doc;
      return (await pool.query<{ doc: Doc }>(`select doc from ${table} where id = $1`, [key])).rows[0]?.doc;
    },
    flush,
    pending: async () => dirty.size,
    deadLetters: async () => [],
    async close() {
      clearInterval(timer);
      redis.destroy();
      await pool.end();
    },
  };
}
