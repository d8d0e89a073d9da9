import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pool, PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { EVENTS, TABLE } from '../suite/stage.ts';

export type Row = readonly [key: string, json: string];

const UPSERT = 'on conflict (k) do update set v = excluded.v';

async function withClient<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    client.release();
  }
}

/** The fastest way into an empty table: one COPY. */
export function copy(pool: Pool, rows: readonly Row[]): Promise<void> {
  return copyLines(pool, `${TABLE} (k, v)`, rows, ([key, json]) => `${key}\t${escaped(json)}\n`);
}

/** The same for events, into a table without a key. */
export function copyEvents(pool: Pool, events: readonly string[]): Promise<void> {
  return copyLines(pool, `${EVENTS} (v)`, events, (json) => `${escaped(json)}\n`);
}

function copyLines<T>(pool: Pool, into: string, rows: readonly T[], lineOf: (row: T) => string): Promise<void> {
  return withClient(pool, async (client) => {
    const lines = (function* () {
      for (let at = 0; at < rows.length; at += 500)
        yield rows
          .slice(at, at + 500)
          .map(lineOf)
          .join('');
    })();
    await pipeline(Readable.from(lines), client.query(copyFrom(`copy ${into} from stdin`)));
  });
}

const escaped = (json: string): string => json.replaceAll('\\', '\\\\');

/** Events in inserts of `size` rows, each its own transaction. */
export async function insertEvents(pool: Pool, events: readonly string[], size: number): Promise<void> {
  const text = `insert into ${EVENTS} (v) select * from unnest($1::jsonb[])`;
  await withClient(pool, async (client) => {
    for (let at = 0; at < events.length; at += size)
      await client.query({ name: 'events', text, values: [events.slice(at, at + size)] });
  });
}

/** A bulk upsert of `size` rows a statement, each its own transaction, as one writes it by hand. */
export async function bulkUpsert(pool: Pool, rows: readonly Row[], size: number): Promise<void> {
  const text = `insert into ${TABLE} (k, v) select * from unnest($1::text[], $2::jsonb[]) ${UPSERT}`;
  await withClient(pool, async (client) => {
    for (let at = 0; at < rows.length; at += size) {
      const part = rows.slice(at, at + size);
      await client.query({ name: 'bulk', text, values: [part.map(([key]) => key), part.map(([, json]) => json)] });
    }
  });
}

/** The textbook flush: a transaction with an upsert for each row. */
export async function singleUpserts(pool: Pool, rows: readonly Row[]): Promise<void> {
  await withClient(pool, async (client) => {
    await client.query('begin');
    for (const [key, json] of rows)
      await client.query({
        name: 'single',
        text: `insert into ${TABLE} (k, v) values ($1, $2) ${UPSERT}`,
        values: [key, json],
      });
    await client.query('commit');
  });
}
