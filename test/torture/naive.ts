import type pg from 'pg';
import { createClient } from 'redis';
import type { Doc, Event, Subject, SubjectSpec } from './subject.ts';

const FLUSH_MS = 50;

/**
 * The write-behind of a hundred tutorials: values go to Redis, what has changed into a map of the process, and a timer
 * writes the map to the database. What the harness has to find wrong.
 */
export function naiveWriteBehind({ front, schema }: SubjectSpec, pool: pg.Pool): Subject {
  const redis = createClient({ url: front.at });
  redis.on('error', () => undefined);
  const dirty = new Map<string, Doc | undefined>();
  const sums = new Map<string, bigint>();
  const scores = new Map<string, number>();
  let events: Event[] = [];
  const flush = async (): Promise<void> => {
    const batch = [...dirty];
    dirty.clear();
    const deltas = [...sums];
    sums.clear();
    const changed = [...scores];
    scores.clear();
    const appended = events;
    events = [];
    for (const [key, doc] of batch) {
      if (doc === undefined) await pool.query(`delete from ${schema}.docs where id = $1`, [key]);
      else
        await pool.query(
          `insert into ${schema}.docs (id, doc) values ($1, $2) on conflict (id) do update set doc = excluded.doc`,
          [key, JSON.stringify(doc)],
        );
    }
    for (const [key, by] of deltas)
      await pool.query(
        `insert into ${schema}.counts as c (key, count) values ($1, $2)
        on conflict (key) do update set count = c.count + excluded.count`,
        [key, by],
      );
    for (const [member, score] of changed)
      await pool.query(
        `insert into ${schema}.scores (member, score) values ($1, $2)
        on conflict (member) do update set score = excluded.score`,
        [member, score],
      );
    for (const event of appended)
      await pool.query(`insert into ${schema}.events (event, o) values ($1, $2)`, [JSON.stringify(event), Date.now()]);
  };
  const timer = setInterval(() => void flush().catch(() => undefined), FLUSH_MS);
  const stored = { stored: flush, lane: 0, epoch: 0, seq: 0 };
  const add = async (key: string, by: bigint): Promise<bigint> => {
    const total = BigInt((await redis.sendCommand(['INCRBY', key, String(by)])) as number | string);
    sums.set(key, (sums.get(key) ?? 0n) + by);
    return total;
  };
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
      return (await pool.query<{ doc: Doc }>(`select doc from ${schema}.docs where id = $1`, [key])).rows[0]?.doc;
    },
    async add(key, by) {
      await add(key, by);
      return stored;
    },
    increment: add,
    total: async (key) => BigInt((await redis.get(key)) ?? 0),
    async append(event) {
      events.push(event);
      return stored;
    },
    async score(member, by) {
      const score = await redis.zIncrBy('board', by, member);
      scores.set(member, score);
      return { ...stored, score };
    },
    scoreOf: async (member) => (await redis.zScore('board', member)) ?? 0,
    board: async () =>
      (await redis.zRangeWithScores('board', 0, -1, { REV: true })).map(({ value, score }) => ({
        member: value,
        score,
      })),
    flush,
    pending: async () => dirty.size + sums.size + events.length + scores.size,
    deadLetters: async () => [],
    async close() {
      clearInterval(timer);
      redis.destroy();
      await pool.end();
    },
  };
}
