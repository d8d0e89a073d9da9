import { createCache, MemoryStore, redisFront } from '../suite/millrace.ts';
import { atMost, type CaseReport, progress } from '../suite/report.ts';
import { type Document, documentOf, ROOMY, type Stage } from '../suite/stage.ts';

const ENTRIES = 100_000;
const value = documentOf();

/** Redis memory of pending entries beside the same entries as plain keys with an expiry. */
export async function redisMemory(stage: Stage): Promise<CaseReport> {
  const key = (i: number): string => `session:${String(i).padStart(8, '0')}`;
  const used = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await stage.redis.info('memory'))?.[1]);
  // Not to be counted: what the server keeps for the append-only file and for clients comes and goes.
  const grown = async (fill: () => Promise<unknown>): Promise<number> => {
    await stage.empty();
    const before = await used();
    await fill();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    return ((await used()) - before) / ENTRIES;
  };
  progress('plain keys');
  const plain = await grown(async () => {
    for (let i = 0; i < ENTRIES; i += 1_000)
      await Promise.all(
        Array.from({ length: 1_000 }, (_, n) =>
          stage.redis.set(key(i + n), JSON.stringify(value), { expiration: { type: 'EX', value: 3_600 } }),
        ),
      );
  });
  progress('pending entries');
  let close = (): Promise<unknown> => Promise.resolve();
  const pending = await grown(async () => {
    const cache = createCache<Document>({
      name: 'bench',
      front: redisFront({ client: stage.redis }),
      store: new MemoryStore(),
      flush: false,
      backpressure: ROOMY,
      ttl: '1h',
    });
    close = () => cache.close({ timeout: 1 });
    for (let i = 0; i < ENTRIES; i += 1_000)
      await cache.setMany(Array.from({ length: 1_000 }, (_, n) => [key(i + n), value] as const));
  });
  await close();
  return {
    name: 'redis-memory',
    title: `Redis memory of an entry of ${JSON.stringify(value).length} bytes under a key of ${key(0).length}`,
    lines: [`plain key with expiry ${plain.toFixed(0)} bytes`, `pending entry         ${pending.toFixed(0)} bytes`],
    verdicts: [atMost('bytes against a plain key', pending / plain, 1.5)],
    data: { plain, pending },
  };
}
