/**
 * A process to be killed. Writes counters to random keys of a write-behind cache and keeps a ledger: `ask` before an
 * operation, `ack` after it, each in the file before the next step. Each key has one operation under way at a time.
 *
 * Arguments: front (redis URL or LMDB folder), PostgreSQL URL, schema, ledger file, mode ('write' | 'drain').
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { createClient } from 'redis';
import { lmdbFront } from '../../src/fronts/lmdb/index.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { createCache } from '../../src/index.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { readLedger } from './ledger.ts';

const [frontPlace, postgres, schema, ledger, mode] = process.argv.slice(2) as [string, string, string, string, string];
const KEYS = 40;
const IN_FLIGHT = 16;

const pool = new pg.Pool({ connectionString: postgres, max: 4 });
pool.on('error', () => undefined);
const front = frontPlace.startsWith('redis:') ? redisFront({ client: createClient({ url: frontPlace }), prefix: `${schema}:` }) : lmdbFront({ path: frontPlace });
const cache = createCache<{ n: number }>({
  name: 'torn',
  front,
  store: postgresStore({ pool, table: `${schema}.torn`, key: 'id', value: 'doc' }),
  ttl: '2s',
  flush: { maxDelay: '20ms', batchSize: 20, lease: '200ms' },
  retry: { minDelay: '5ms', maxDelay: '100ms' },
});
cache.on('loss', (event) => appendFileSync(ledger, `loss ${event.count}\n`));
await cache.ready();
process.stdout.write('ready\n');

if (mode === 'drain') {
  await cache.flush();
  const report = await cache.close();
  process.stdout.write(`${JSON.stringify(report)}\n`);
  await pool.end();
  process.exit(0);
}

const written = existsSync(ledger) ? readLedger(readFileSync(ledger, 'utf8')) : new Map();
const counters = Array.from({ length: KEYS }, (_, k) => written.get(`k${k}`)?.asked ?? 0);
const busy = new Set<number>();

async function work(): Promise<never> {
  for (;;) {
    let k = Math.floor(Math.random() * KEYS);
    while (busy.has(k)) k = (k + 1) % KEYS;
    busy.add(k);
    const n = (counters[k] = (counters[k] as number) + 1);
    const kind = Math.random() < 0.15 ? 'del' : 'put';
    appendFileSync(ledger, `ask k${k} ${n} ${kind}\n`);
    await (kind === 'put' ? cache.set(`k${k}`, { n }) : cache.delete(`k${k}`));
    appendFileSync(ledger, `ack k${k} ${n} ${kind}\n`);
    const seen = await cache.get(`k${k}`);
    if (kind === 'put' ? seen?.n !== n : seen !== undefined) appendFileSync(ledger, `misread k${k} ${n} ${kind} ${JSON.stringify(seen)}\n`);
    busy.delete(k);
  }
}
await Promise.all(Array.from({ length: IN_FLIGHT }, work));
