import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { load, ratioOf, type Sample } from '../suite/measure.ts';
import { createCache, MemoryStore, redisFront } from '../suite/millrace.ts';
import { atLeast, type CaseReport, dataOf, linesOf } from '../suite/report.ts';
import { type Document, documentOf, ROOMY, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const KEYS = 10_000;
const MANY = 100;
const value = documentOf();
const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`);

type Cache = ReturnType<typeof createCache<Document>>;

export const readers: Contestants = {
  'GET, node-redis': (stage) =>
    plain(stage, () => singly(stage, async (key) => JSON.parse((await stage.redis.get(key)) as string) as unknown)),
  'GET, ioredis': (stage) =>
    plain(stage, () => singly(stage, async (key) => JSON.parse((await stage.ioredis.get(key)) as string) as unknown)),
  'millrace get': (stage) => millrace(stage, (cache) => singly(stage, (key) => cache.get(key))),
  'millrace, 100 gets one after the other': (stage) =>
    millrace(stage, (cache) =>
      inBatches(stage, 1 / 10, async (many) => {
        for (const key of many) await cache.get(key);
      }),
    ),
  'millrace getMany(100)': (stage) => millrace(stage, (cache) => inBatches(stage, 1, (many) => cache.getMany(many))),
  'MGET of 100, node-redis': (stage) =>
    plain(stage, () =>
      inBatches(stage, 1, async (many) =>
        (await stage.redis.mGet(many)).map((json) => JSON.parse(json as string) as unknown),
      ),
    ),
};

const countOf = ({ quick }: Stage): number => (quick ? 60_000 : 200_000);

function singly(stage: Stage, read: (key: string) => Promise<unknown>): Promise<Sample> {
  return load(IN_FLIGHT, countOf(stage), stage.redisCpuUs, (i) => read(keys[i % KEYS] as string));
}

/** @param part Of the batches that others read: a slow contestant's rate shows in fewer. */
function inBatches(stage: Stage, part: number, read: (many: string[]) => Promise<unknown>): Promise<Sample> {
  const manyAt = (i: number): string[] => Array.from({ length: MANY }, (_, n) => keys[(i * MANY + n) % KEYS] as string);
  return load(4, Math.ceil((countOf(stage) / MANY / 4) * part), stage.redisCpuUs, (i) => read(manyAt(i)));
}

function plain(stage: Stage, run: () => Promise<Sample>): Contestant {
  return {
    async open() {
      await Promise.all(keys.map((key) => stage.redis.set(key, JSON.stringify(value))));
    },
    run,
  };
}

function millrace(stage: Stage, run: (cache: Cache) => Promise<Sample>): Contestant {
  const cache = createCache<Document>({
    name: 'bench',
    front: redisFront({ client: stage.redis }),
    store: new MemoryStore(),
    flush: false,
    backpressure: ROOMY,
  });
  return {
    async open() {
      await cache.ready();
      await cache.setMany(keys.map((key) => [key, value]));
    },
    run: () => run(cache),
    async close() {
      await cache.close({ timeout: 1 });
    },
  };
}

/** Read hits beside plain GET, and a hundred keys at once beside a hundred single reads. Both parse the JSON text. */
export async function reads(stage: Stage): Promise<CaseReport> {
  await stage.empty();
  const rounds = await compete(stage, import.meta.url, { readers });
  return {
    name: 'reads',
    title: [
      `read hits of ${JSON.stringify(value).length} bytes, ${IN_FLIGHT} in flight`,
      `batches of ${MANY}, 4 in flight`,
    ].join('; '),
    lines: linesOf(rounds),
    verdicts: [
      atLeast('read hits/s against GET', ratioOf(rounds, 'millrace get', 'GET, node-redis'), 0.95),
      atLeast(
        'getMany(100) against 100 single gets',
        ratioOf(rounds, 'millrace getMany(100)', 'millrace, 100 gets one after the other'),
        5,
      ),
    ],
    data: dataOf(rounds),
  };
}
