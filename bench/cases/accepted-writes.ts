import type { Cacheable } from 'cacheable';
import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { load, type Rounds, ratioOf, type Sample } from '../suite/measure.ts';
import { createCache, MemoryStore, postgresStore, redisFront } from '../suite/millrace.ts';
import { atLeast, atMost, type CaseReport, dataOf, linesOf } from '../suite/report.ts';
import { type Document, documentOf, ROOMY, type Stage, TABLE } from '../suite/stage.ts';

const HOT_KEYS = 100;
const TTL_S = 3_600;
const value = documentOf();
const encoded = (): string => JSON.stringify(value);

/** Writes that are measured. */
class Writes {
  constructor(
    readonly inFlight: number,
    readonly counts: { readonly quick: number; readonly full: number },
    readonly key: (i: number) => string,
  ) {}

  countOf({ quick }: Stage): number {
    return quick ? this.counts.quick : this.counts.full;
  }

  by(stage: Stage, write: (key: string) => Promise<unknown>): Promise<Sample> {
    return load(this.inFlight, this.countOf(stage), stage.redisCpuUs, (i) => write(this.key(i)));
  }
}

const DISTINCT = new Writes(512, { quick: 60_000, full: 200_000 }, (i) => `k${i}`);
const ALONE = new Writes(1, { quick: 5_000, full: 20_000 }, (i) => `k${i}`);
const HOT = new Writes(512, { quick: 60_000, full: 200_000 }, (i) => `h${i % HOT_KEYS}`);

const SET = 'SET EX, node-redis';
const SET_IOREDIS = 'SET EX, ioredis';

export const writersOfDistinct: Contestants = {
  ...setAndMillrace(DISTINCT),
  [SET_IOREDIS]: (stage) => ({
    before: stage.empty,
    run: () => DISTINCT.by(stage, (key) => stage.ioredis.set(key, encoded(), 'EX', TTL_S)),
  }),
  'cacheable, non-blocking (not durable when accepted)': (stage) => cacheable(stage, DISTINCT),
};
export const writersAlone: Contestants = setAndMillrace(ALONE);
export const writersOfHot: Contestants = setAndMillrace(HOT);

function setAndMillrace(writes: Writes): Contestants {
  return {
    [SET]: (stage) => ({
      before: stage.empty,
      run: () =>
        writes.by(stage, (key) => stage.redis.set(key, encoded(), { expiration: { type: 'EX', value: TTL_S } })),
    }),
    millrace: (stage) => millrace(stage, writes),
  };
}

/**
 * Millrace accepting writes on Redis: value, pending mark and seq. Nothing is flushed, because accepting is what is
 * measured.
 */
function millrace(stage: Stage, writes: Writes): Contestant {
  let cache: ReturnType<typeof createCache<Document>>;
  return {
    async before() {
      await stage.empty();
      cache = createCache<Document>({
        name: 'bench',
        front: redisFront({ client: stage.redis }),
        store: new MemoryStore(),
        ttl: '1h',
        flush: false,
        backpressure: ROOMY,
      });
      await cache.ready();
    },
    run: () => writes.by(stage, (key) => cache.set(key, value)),
    async after() {
      await cache.close({ timeout: 1 });
    },
  };
}

/** A cache library with a second tier that is written without waiting. It accepts in memory: nothing is durable yet. */
function cacheable(stage: Stage, writes: Writes): Contestant {
  let cache: Cacheable;
  return {
    async before() {
      await stage.empty();
      // Here, because no other process needs them.
      const [{ Cacheable }, { default: KeyvRedis }] = await Promise.all([import('cacheable'), import('@keyv/redis')]);
      cache = new Cacheable({ secondary: new KeyvRedis(stage.redisUrl), nonBlocking: true, ttl: TTL_S * 1_000 });
    },
    run: () => writes.by(stage, (key) => cache.set(key, value)),
    async after() {
      await cache.disconnect();
    },
  };
}

export async function acceptedWrites(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { writersOfDistinct });
  return {
    ...reported('accepted-writes', `distinct keys, ${DISTINCT.inFlight} in flight`, stage, DISTINCT, rounds),
    verdicts: [
      atLeast('writes/s against SET of node-redis', ratioOf(rounds, 'millrace', SET), 1),
      atLeast('writes/s against SET of ioredis', ratioOf(rounds, 'millrace', SET_IOREDIS), 1.8),
      atMost(
        'client CPU against SET of node-redis',
        ratioOf(rounds, 'millrace', SET, (s) => s.clientUs),
        0.6,
      ),
    ],
  };
}

export async function oneInFlight(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { writersAlone });
  return {
    ...reported('one-in-flight', 'distinct keys, one in flight', stage, ALONE, rounds),
    verdicts: [
      atMost(
        'p50 against SET',
        ratioOf(rounds, 'millrace', SET, (s) => s.p50Us),
        1.1,
      ),
      atMost(
        'p99 against SET',
        ratioOf(rounds, 'millrace', SET, (s) => s.p99Us),
        1.25,
      ),
    ],
  };
}

export async function hotKeys(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { writersOfHot });
  const rows = await rowsWritten(stage);
  const report = reported('hot-keys', `${HOT_KEYS} hot keys, ${HOT.inFlight} in flight`, stage, HOT, rounds);
  return {
    ...report,
    lines: [
      ...report.lines,
      `flushed every second while they are written: ${(rows * 100).toFixed(2)} % of the writes are rows of the store`,
    ],
    verdicts: [
      atLeast('writes/s against SET', ratioOf(rounds, 'millrace', SET), 1.5),
      atMost('rows written to the store', rows * 100, 1, ' %'),
    ],
  };
}

function reported(
  name: string,
  of: string,
  stage: Stage,
  writes: Writes,
  rounds: Rounds<Sample>,
): Omit<CaseReport, 'verdicts'> {
  return {
    name,
    title: `accepted writes, ${of}: ${writes.countOf(stage).toLocaleString('en')} writes of ${encoded().length} bytes`,
    lines: linesOf(rounds),
    data: dataOf(rounds),
  };
}

/** Rows that PostgreSQL is given, for each write of hot keys, with the default flushing. */
async function rowsWritten(stage: Stage): Promise<number> {
  const count = stage.quick ? 300_000 : 1_000_000;
  await stage.empty();
  await stage.freshTable();
  const cache = createCache<Document>({
    name: 'bench',
    front: redisFront({ client: stage.redis }),
    store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }),
  });
  let rows = 0;
  cache.on('flush', (flush) => void (rows += flush.rows));
  await load(HOT.inFlight, count, stage.redisCpuUs, (i) => cache.set(HOT.key(i), value));
  await cache.close();
  return rows / count;
}
