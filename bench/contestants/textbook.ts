import type { Pool } from 'pg';
import { type Client, TABLE } from '../suite/stage.ts';
import { type Row, singleUpserts } from './bulk.ts';

const TTL_S = 3_600;

/** The textbook write-through: one upsert, then SETEX. */
export async function writeThrough(pool: Pool, redis: Client, [key, json]: Row): Promise<void> {
  await pool.query({
    name: 'through',
    text: `insert into ${TABLE} (k, v) values ($1, $2) on conflict (k) do update set v = excluded.v`,
    values: [key, json],
  });
  await redis.setEx(key, TTL_S, json);
}

/** The textbook write-behind: SETEX, a map in the process, and a timer that writes it upsert by upsert. */
export class TextbookWriteBehind {
  readonly #pool: Pool;
  readonly #redis: Client;
  #dirty = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  #flushing: Promise<void> = Promise.resolve();

  constructor(pool: Pool, redis: Client, everyMs: number) {
    this.#pool = pool;
    this.#redis = redis;
    this.#timer = setInterval(() => void this.flush(), everyMs);
  }

  async write([key, json]: Row): Promise<void> {
    await this.#redis.setEx(key, TTL_S, json);
    this.#dirty.set(key, json);
  }

  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(async () => {
      const dirty = [...this.#dirty];
      this.#dirty = new Map();
      if (dirty.length > 0) await singleUpserts(this.#pool, dirty);
    });
    return this.#flushing;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }
}
