// A process that flushes the cache `bench` from 'go' until 'stop'.
import { Pool } from 'pg';
import { createClient } from 'redis';
import { createCache, postgresStore, redisFront } from './millrace.ts';
import { type Document, ROOMY, TABLE } from './stage.ts';

const [, , redisUrl = '', postgresUrl = ''] = process.argv;
const pool = new Pool({ connectionString: postgresUrl, max: 4 });
const cache = createCache<Document>({
  name: 'bench',
  lanes: 8,
  front: redisFront({ client: createClient({ url: redisUrl }) }),
  store: postgresStore({ pool, table: TABLE, key: 'k', value: 'v' }),
  backpressure: ROOMY,
});
process.on('message', (message) => {
  if (message === 'go') void cache.ready();
  else {
    void cache.close().then(async () => {
      await pool.end();
      process.disconnect();
    });
  }
});
process.send?.('here');
