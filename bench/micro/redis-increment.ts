/**
 * Increments per second at 512 in flight: plain `INCRBY key 1` of node-redis against `add` and `increment` of counters,
 * over the same keys on the same server, in alternating rounds, medians. The store is PGlite and is not flushed to.
 * What limits it is in docs/performance.md.
 *
 *   node --import ./scripts/run-ts.mjs bench/micro/redis-increment.ts [redis://host:port] [rounds] [keys]
 */
import { randomUUID } from 'node:crypto';
import { PGlite } from '@electric-sql/pglite';
import { createClient } from 'redis';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { createCounters } from '../../src/index.ts';
import { postgresCounters } from '../../src/stores/postgres/index.ts';

const url = process.argv[2] ?? 'redis://127.0.0.1:6379';
const rounds = Number(process.argv[3] ?? 5);
const keys = Array.from({ length: Number(process.argv[4] ?? 1_000) }, (_, i) => `page:${i}`);
const ROUND_MS = 1_000;
const IN_FLIGHT = 512;

const name = `bench-${randomUUID().slice(0, 8)}`;
const plain = createClient({ url, commandOptions: { timeout: undefined } as object });
await plain.connect();
const pool = new PGlite();
await pool.exec('create table counts (key text primary key, count bigint)');
const counters = createCounters({
  name,
  front: redisFront({ client: createClient({ url }) }),
  store: postgresCounters({ pool, table: 'counts', key: 'key', count: 'count' }),
  flush: { maxDelay: '1h', batchSize: 10_000 },
});
await counters.getMany(keys);

async function rate(one: (key: string) => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (performance.now() - start < ROUND_MS) await one(keys[done++ % keys.length] as string);
    }),
  );
  return (done * 1_000) / (performance.now() - start);
}

const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
const seen = { plain: [] as number[], add: [] as number[], increment: [] as number[] };
for (let round = 0; round <= rounds; round++) {
  const found = {
    plain: await rate((key) => plain.sendCommand(['INCRBY', `${name}:${key}`, '1'])),
    add: await rate((key) => counters.add(key)),
    increment: await rate((key) => counters.increment(key)),
  };
  // The first round warms up.
  if (round > 0) for (const kind of ['plain', 'add', 'increment'] as const) seen[kind].push(found[kind]);
}
const incrby = median(seen.plain);
for (const kind of ['plain', 'add', 'increment'] as const)
  console.log(
    `${kind.padEnd(10)} ${Math.round(median(seen[kind])).toLocaleString('en').padStart(9)}/s  ` +
      (median(seen[kind]) / incrby).toFixed(2),
  );

await counters.close();
for await (const names of plain.scanIterator({ MATCH: `*${name}*`, COUNT: 1_000 }))
  if (names.length > 0) await plain.unlink(names);
plain.destroy();
await pool.close();
