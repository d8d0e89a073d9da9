import { Cacheable } from 'cacheable';
import KeyvRedis from '@keyv/redis';
import { compete, load, ratioOf, type Contestant, type Rounds, type Sample } from '../suite/measure.ts';
import { atLeast, atMost, dataOf, linesOf, type CaseReport } from '../suite/report.ts';
import { createCache, documentOf, MemoryStore, postgresStore, redisFront, ROOMY, TABLE, type Document, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const HOT_KEYS = 100;
const TTL_S = 3_600;
const value = documentOf();
const encoded = (): string => JSON.stringify(value);

type Write = (i: number) => Promise<unknown>;

/** Millrace accepting writes on Redis: value, pending mark and seq. Nothing is flushed, because accepting is what is measured. */
function millrace(stage: Stage, key: (i: number) => string, run: (write: Write) => Promise<Sample>): Contestant {
  let cache: ReturnType<typeof createCache<Document>>;
  return {
    name: 'millrace',
    async before() {
      await stage.empty();
      cache = createCache<Document>({ name: 'bench', front: redisFront({ client: stage.redis }), store: new MemoryStore(), ttl: '1h', flush: false, backpressure: ROOMY });
      await cache.ready();
    },
    run: () => run((i) => cache.set(key(i), value)),
    async after() {
      await cache.close({ timeout: 1 });
    },
  };
}

function plain(stage: Stage, key: (i: number) => string, run: (write: Write) => Promise<Sample>): Contestant {
  return { name: 'SET EX, node-redis', before: stage.empty, run: () => run((i) => stage.redis.set(key(i), encoded(), { expiration: { type: 'EX', value: TTL_S } })) };
}

function ioredis(stage: Stage, key: (i: number) => string, run: (write: Write) => Promise<Sample>): Contestant {
  return { name: 'SET EX, ioredis', before: stage.empty, run: () => run((i) => stage.ioredis.set(key(i), encoded(), 'EX', TTL_S)) };
}

/** A cache library with a second tier that is written without waiting. It accepts in memory: nothing is durable yet. */
function cacheable(stage: Stage, key: (i: number) => string, run: (write: Write) => Promise<Sample>): Contestant {
  let cache: Cacheable;
  return {
    name: 'cacheable, non-blocking (not durable when accepted)',
    async before() {
      await stage.empty();
      cache = new Cacheable({ secondary: new KeyvRedis(stage.redisUrl), nonBlocking: true, ttl: TTL_S * 1_000 });
    },
    run: () => run((i) => cache.set(key(i), value)),
    async after() {
      await cache.disconnect();
    },
  };
}

async function accepted(stage: Stage, name: string, title: string, inFlight: number, count: number, key: (i: number) => string, others: boolean): Promise<{ readonly rounds: Rounds<Sample>; readonly report: Omit<CaseReport, 'verdicts'> }> {
  const run = (write: Write): Promise<Sample> => load(inFlight, count, stage.redisCpuUs, write);
  const contestants = [plain(stage, key, run), millrace(stage, key, run), ...(others ? [ioredis(stage, key, run), cacheable(stage, key, run)] : [])];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  return { rounds, report: { name, title: `${title}: ${count.toLocaleString('en')} writes of ${encoded().length} bytes`, lines: linesOf(rounds), data: dataOf(rounds) } };
}

export async function acceptedWrites(stage: Stage): Promise<CaseReport> {
  const { rounds, report } = await accepted(stage, 'accepted-writes', `accepted writes, distinct keys, ${IN_FLIGHT} in flight`, IN_FLIGHT, stage.quick ? 60_000 : 200_000, (i) => `k${i}`, true);
  return {
    ...report,
    verdicts: [
      atLeast('writes/s against SET of node-redis', ratioOf(rounds, 'millrace', 'SET EX, node-redis'), 1),
      atLeast('writes/s against SET of ioredis', ratioOf(rounds, 'millrace', 'SET EX, ioredis'), 1.8),
      atMost('client CPU against SET of node-redis', ratioOf(rounds, 'millrace', 'SET EX, node-redis', (s) => s.clientUs), 0.6),
    ],
  };
}

export async function oneInFlight(stage: Stage): Promise<CaseReport> {
  const { rounds, report } = await accepted(stage, 'one-in-flight', 'accepted writes, distinct keys, one in flight', 1, stage.quick ? 5_000 : 20_000, (i) => `k${i}`, false);
  return {
    ...report,
    verdicts: [
      atMost('p50 against SET', ratioOf(rounds, 'millrace', 'SET EX, node-redis', (s) => s.p50Us), 1.1),
      atMost('p99 against SET', ratioOf(rounds, 'millrace', 'SET EX, node-redis', (s) => s.p99Us), 1.25),
    ],
  };
}

export async function hotKeys(stage: Stage): Promise<CaseReport> {
  const { rounds, report } = await accepted(stage, 'hot-keys', `accepted writes, ${HOT_KEYS} hot keys, ${IN_FLIGHT} in flight`, IN_FLIGHT, stage.quick ? 60_000 : 200_000, (i) => `h${i % HOT_KEYS}`, false);
  const rows = await rowsWritten(stage);
  return {
    ...report,
    lines: [...report.lines, `flushed every second while they are written: ${(rows * 100).toFixed(2)} % of the writes are rows of the store`],
    verdicts: [atLeast('writes/s against SET', ratioOf(rounds, 'millrace', 'SET EX, node-redis'), 1.5), atMost('rows written to the store', rows * 100, 1, ' %')],
  };
}

/** Rows that PostgreSQL is given, for each write of hot keys, with the default flushing. */
async function rowsWritten(stage: Stage): Promise<number> {
  const count = stage.quick ? 300_000 : 1_000_000;
  await stage.empty();
  await stage.freshTable();
  const cache = createCache<Document>({ name: 'bench', front: redisFront({ client: stage.redis }), store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }) });
  let rows = 0;
  cache.on('flush', (flush) => void (rows += flush.rows));
  await load(IN_FLIGHT, count, stage.redisCpuUs, (i) => cache.set(`h${i % HOT_KEYS}`, value));
  await cache.close();
  return rows / count;
}
