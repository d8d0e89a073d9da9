/**
 * A process to be told to end. Writes keys of its own to a write-behind cache, one ledger line for each
 * acknowledgement, and drains when it gets a signal. Arguments: redis URL, PostgreSQL URL, schema, ledger file, drain
 * timeout in ms.
 */
import { appendFileSync } from 'node:fs';
import pg from 'pg';
import { createClient } from 'redis';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { closeOnSignals, createCache, isMillraceError } from '../../src/index.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';

const [redis, postgres, schema, ledger, timeoutMs] = process.argv.slice(2) as [string, string, string, string, string];
const WRITERS = 20;

const pool = new pg.Pool({ connectionString: postgres, max: 4 });
pool.on('error', () => undefined);
const cache = createCache<{ n: number }>({
  name: 'told',
  front: redisFront({ client: createClient({ url: redis }), prefix: `${schema}:` }),
  store: postgresStore({ pool, table: `${schema}.told`, key: 'id', value: 'doc' }),
  flush: { maxDelay: '50ms', batchSize: 100, lease: '1m' },
});
await cache.ready();
closeOnSignals([cache], {
  timeout: Number(timeoutMs),
  onClosed: (reports) => process.stdout.write(`${JSON.stringify(Object.fromEntries(reports))}\n`),
});
process.stdout.write('ready\n');

let n = 0;
let refused = false;
async function work(): Promise<void> {
  while (!refused) {
    const key = `${process.pid}-${++n}`;
    try {
      await cache.set(key, { n });
      appendFileSync(ledger, `${key}\n`);
    } catch (error) {
      if (!isMillraceError(error) || error.code !== 'MILLRACE_CLOSED') throw error;
      refused = true;
    }
  }
}
await Promise.all(Array.from({ length: WRITERS }, work));
