import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { load, median, ratioOf, type Sample } from '../suite/measure.ts';
import { createCache, lmdbFront, MemoryStore, memoryFront } from '../suite/millrace.ts';
import { atLeast, type CaseReport, dataOf, linesOf } from '../suite/report.ts';
import { type Document, documentOf, ROOMY, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const OWN_MEMORY = 'millrace, memory front';
const OWN_LMDB = 'millrace, LMDB front';
const PLAIN_LMDB = 'plain LMDB puts, synced';
const value = documentOf();

export const memoryWriters: Contestants = { 'JSON text into a Map': intoMap, [OWN_MEMORY]: intoMemory };
export const lmdbWriters: Contestants = { [PLAIN_LMDB]: intoPlainLmdb, [OWN_LMDB]: intoLmdb };

/** There is no Redis here. */
function written(count: number, write: (i: number) => Promise<unknown>): Promise<Sample> {
  return load(IN_FLIGHT, count, () => Promise.resolve(0), write);
}

function writtenToMemory({ quick }: Stage, write: (key: string) => Promise<unknown>): Promise<Sample> {
  return written(quick ? 300_000 : 2_000_000, (i) => write(`k${i % 100_000}`));
}

function writtenToLmdb({ quick }: Stage, write: (key: string) => Promise<unknown>): Promise<Sample> {
  return written(quick ? 60_000 : 200_000, (i) => write(`k${i}`));
}

/** What nobody can be faster than: the values are made into text, and kept. */
function intoMap(stage: Stage): Contestant {
  const map = new Map<string, string>();
  return {
    run: () =>
      writtenToMemory(stage, async (key) => {
        map.set(key, JSON.stringify(value));
      }),
  };
}

function intoMemory(stage: Stage): Contestant {
  let cache: ReturnType<typeof createCache<Document>>;
  return {
    async before() {
      cache = createCache<Document>({
        name: 'bench',
        front: memoryFront(),
        store: new MemoryStore(),
        flush: false,
        backpressure: ROOMY,
      });
      await cache.ready();
    },
    run: () => writtenToMemory(stage, (key) => cache.set(key, value)),
    async after() {
      await cache.close({ timeout: 1 });
    },
  };
}

const freshFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'millrace-bench-'));

function intoPlainLmdb(stage: Stage): Contestant {
  let path: string;
  let plain: RootDatabase<string, string>;
  return {
    async before() {
      path = await freshFolder();
      plain = open<string, string>({ path: join(path, 'plain'), encoding: 'string', mapSize: 2 ** 32 });
    },
    run: () =>
      writtenToLmdb(stage, async (key) => {
        await plain.put(key, JSON.stringify(value));
        await plain.flushed;
      }),
    async after() {
      await plain.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

function intoLmdb(stage: Stage): Contestant {
  let path: string;
  let cache: ReturnType<typeof createCache<Document>>;
  return {
    async before() {
      path = await freshFolder();
      cache = createCache<Document>({
        name: 'bench',
        front: lmdbFront({ path: join(path, 'front') }),
        store: new MemoryStore(),
        flush: false,
        backpressure: ROOMY,
      });
      await cache.ready();
    },
    run: () => writtenToLmdb(stage, (key) => cache.set(key, value)),
    async after() {
      await cache.close({ timeout: 1 });
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** The memory front, no server: what the engine itself costs. Written by key, flushed into a store in memory. */
export async function memory(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { memoryWriters });
  const { perSecond } = median(rounds.get(OWN_MEMORY) as readonly Sample[]);
  return {
    name: 'memory',
    title: `memory front, ${IN_FLIGHT} in flight, no server`,
    lines: linesOf(rounds),
    verdicts: [atLeast('accepted writes/s', perSecond, 1_000_000, '/s')],
    data: dataOf(rounds),
  };
}

/** The LMDB front beside LMDB itself: each write is resolved when its commit is synced to disk. */
export async function lmdb(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { lmdbWriters });
  return {
    name: 'lmdb',
    title: `LMDB front, synced, distinct keys, ${IN_FLIGHT} in flight`,
    lines: linesOf(rounds),
    verdicts: [atLeast('writes/s against plain LMDB', ratioOf(rounds, OWN_LMDB, PLAIN_LMDB), 0.6)],
    data: dataOf(rounds),
  };
}
