import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { compete, load, ratioOf, median, type Contestant, type Sample } from '../suite/measure.ts';
import { atLeast, dataOf, linesOf, type CaseReport } from '../suite/report.ts';
import { createCache, documentOf, lmdbFront, memoryFront, MemoryStore, ROOMY, type Document, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const value = documentOf();
const none = (): Promise<number> => Promise.resolve(0);

/** The memory front, no server: what the engine itself costs. Written by key, flushed into a store in memory. */
export async function memory(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 300_000 : 2_000_000;
  let cache: ReturnType<typeof createCache<Document>>;
  const map = new Map<string, string>();
  const contestants: Contestant[] = [
    // What nobody can be faster than: the values are made into text, and kept.
    {
      name: 'JSON text into a Map',
      run: () =>
        load(IN_FLIGHT, count, none, async (i) => {
          map.set(`k${i % 100_000}`, JSON.stringify(value));
        }),
    },
    {
      name: 'millrace, memory front',
      async before() {
        cache = createCache<Document>({ name: 'bench', front: memoryFront(), store: new MemoryStore(), flush: false, backpressure: ROOMY });
        await cache.ready();
      },
      run: () => load(IN_FLIGHT, count, none, (i) => cache.set(`k${i % 100_000}`, value)),
      async after() {
        await cache.close({ timeout: 1 });
      },
    },
  ];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  const { perSecond } = median(rounds.get('millrace, memory front') as readonly Sample[]);
  return { name: 'memory', title: `memory front, ${IN_FLIGHT} in flight, no server`, lines: linesOf(rounds), verdicts: [atLeast('accepted writes/s', perSecond, 1_000_000, '/s')], data: dataOf(rounds) };
}

/** The LMDB front beside LMDB itself: each write is resolved when its commit is synced to disk. */
export async function lmdb(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 60_000 : 200_000;
  let path = '';
  let cache: ReturnType<typeof createCache<Document>>;
  let plain: RootDatabase<string, string>;
  const fresh = async (): Promise<void> => {
    path = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  };
  const gone = (): Promise<void> => rm(path, { recursive: true, force: true });
  const contestants: Contestant[] = [
    {
      name: 'plain LMDB puts, synced',
      async before() {
        await fresh();
        plain = open<string, string>({ path: join(path, 'plain'), encoding: 'string', mapSize: 2 ** 32 });
      },
      run: () =>
        load(IN_FLIGHT, count, none, async (i) => {
          await plain.put(`k${i}`, JSON.stringify(value));
          await plain.flushed;
        }),
      async after() {
        await plain.close();
        await gone();
      },
    },
    {
      name: 'millrace, LMDB front',
      async before() {
        await fresh();
        cache = createCache<Document>({ name: 'bench', front: lmdbFront({ path: join(path, 'front') }), store: new MemoryStore(), flush: false, backpressure: ROOMY });
        await cache.ready();
      },
      run: () => load(IN_FLIGHT, count, none, (i) => cache.set(`k${i}`, value)),
      async after() {
        await cache.close({ timeout: 1 });
        await gone();
      },
    },
  ];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  return {
    name: 'lmdb',
    title: `LMDB front, synced, distinct keys, ${IN_FLIGHT} in flight`,
    lines: linesOf(rounds),
    verdicts: [atLeast('writes/s against plain LMDB', ratioOf(rounds, 'millrace, LMDB front', 'plain LMDB puts, synced'), 0.6)],
    data: dataOf(rounds),
  };
}
