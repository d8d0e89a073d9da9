import { compete, load, ratioOf, type Contestant } from '../suite/measure.ts';
import { atLeast, dataOf, linesOf, type CaseReport } from '../suite/report.ts';
import { createCache, documentOf, MemoryStore, redisFront, ROOMY, type Document, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const KEYS = 10_000;
const MANY = 100;
const value = documentOf();
const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`);

/** Read hits beside plain GET, and a hundred keys at once beside a hundred single reads. Both parse the JSON text. */
export async function reads(stage: Stage): Promise<CaseReport> {
  await stage.empty();
  const cache = createCache<Document>({ name: 'bench', front: redisFront({ client: stage.redis }), store: new MemoryStore(), flush: false, backpressure: ROOMY });
  await cache.ready();
  await cache.setMany(keys.map((key) => [key, value]));
  for (const key of keys) await stage.redis.set(key, JSON.stringify(value));
  const count = stage.quick ? 60_000 : 200_000;
  const batches = Math.ceil(count / MANY / 4);
  const manyAt = (i: number): string[] => Array.from({ length: MANY }, (_, n) => keys[(i * MANY + n) % KEYS] as string);
  const contestants: Contestant[] = [
    { name: 'GET, node-redis', run: () => load(IN_FLIGHT, count, stage.redisCpuUs, async (i) => JSON.parse((await stage.redis.get(keys[i % KEYS] as string)) as string) as unknown) },
    { name: 'GET, ioredis', run: () => load(IN_FLIGHT, count, stage.redisCpuUs, async (i) => JSON.parse((await stage.ioredis.get(keys[i % KEYS] as string)) as string) as unknown) },
    { name: 'millrace get', run: () => load(IN_FLIGHT, count, stage.redisCpuUs, (i) => cache.get(keys[i % KEYS] as string)) },
    { name: 'millrace, 100 gets one after the other', run: () => load(4, Math.ceil(batches / 10), stage.redisCpuUs, async (i) => { for (const key of manyAt(i)) await cache.get(key); }) },
    { name: 'millrace getMany(100)', run: () => load(4, batches, stage.redisCpuUs, (i) => cache.getMany(manyAt(i))) },
    { name: 'MGET of 100, node-redis', run: () => load(4, batches, stage.redisCpuUs, async (i) => (await stage.redis.mGet(manyAt(i))).map((json) => JSON.parse(json as string) as unknown)) },
  ];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  await cache.close({ timeout: 1 });
  return {
    name: 'reads',
    title: `read hits of ${JSON.stringify(value).length} bytes, ${IN_FLIGHT} in flight; batches of ${MANY}, 4 in flight`,
    lines: linesOf(rounds),
    verdicts: [
      atLeast('read hits/s against GET', ratioOf(rounds, 'millrace get', 'GET, node-redis'), 0.95),
      atLeast('getMany(100) against 100 single gets', ratioOf(rounds, 'millrace getMany(100)', 'millrace, 100 gets one after the other'), 5),
    ],
    data: dataOf(rounds),
  };
}
