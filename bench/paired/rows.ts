import type { Millrace } from '../suite/builds.ts';
import { load, type Sample, timed } from '../suite/measure.ts';
import { COUNTS, documentOf, EVENTS, ROOMY, SCORES, type Stage, TABLE } from '../suite/stage.ts';
import type { FrontName, OpenFront } from './fronts.ts';

/** Where a row's work is done: through a build's public interface, over an empty front and empty tables. */
export interface Place extends Pick<OpenFront, 'front' | 'kind'> {
  readonly millrace: Millrace;
  readonly stage: Stage;
}

/** Something that is opened, does its work once, and is closed. */
export interface Subject {
  /** Operations of the work. */
  readonly count: number;
  readonly run: () => Promise<Sample>;
  readonly close: () => Promise<unknown>;
}

export interface Row {
  readonly front: FrontName;
  readonly open: (place: Place) => Promise<Subject>;
}

type Work = (place: Place) => Promise<Subject>;

/** How often, by the kind of front: for half a second to a second on an ordinary machine. */
type Counts = Readonly<Record<OpenFront['kind'], number>>;

const HOT_KEYS = 100;
const COUNTERS = 1_000;
const READ_KEYS = 10_000;
/** On the memory front keys come again, so that it measures writes and not the growing of a map. */
const MEMORY_KEYS = 100_000;
const MANY = 1_000;
const BATCH = 500;
const value = documentOf();

const WORKS: Readonly<Record<string, Work>> = {
  'writes-1': writes(1, { redis: 5_000, lmdb: 1_000, memory: 50_000 }),
  'writes-512': writes(512, { redis: 80_000, lmdb: 40_000, memory: 200_000 }),
  'hot-keys': writes(512, { redis: 100_000, lmdb: 80_000, memory: 200_000 }, HOT_KEYS),
  add: counted((counters, key) => counters.add(key)),
  increment: counted((counters, key) => counters.increment(key)),
  appends,
  scores,
  reads,
  'write-through': writeThrough,
  drain,
};

const REDIS_TWICE: readonly FrontName[] = ['redis', 'ioredis', 'lmdb', 'memory'];
const EACH_ONCE: readonly FrontName[] = ['redis', 'lmdb', 'memory'];

/** By name, for example `scores/lmdb`. `redis` is node-redis. */
export const ROWS: Readonly<Record<string, Row>> = Object.fromEntries(
  Object.entries(WORKS).flatMap(([name, open]) =>
    (name.startsWith('writes-') ? REDIS_TWICE : EACH_ONCE).map((front) => [`${name}/${front}`, { front, open }]),
  ),
);

/** Accepted writes. Nothing is flushed, because accepting is what is measured. */
function writes(inFlight: number, counts: Counts, keys?: number): Work {
  return async ({ millrace, front, kind }) => {
    const cache = millrace.createCache({
      name: 'bench',
      front,
      store: new millrace.MemoryStore(),
      ttl: '1h',
      flush: false,
      backpressure: ROOMY,
    });
    await cache.ready();
    const distinct = keys ?? (kind === 'memory' ? MEMORY_KEYS : Number.POSITIVE_INFINITY);
    return {
      ...measured(inFlight, counts[kind], (i) => cache.set(`k${i % distinct}`, value)),
      close: () => cache.close({ timeout: 1 }),
    };
  };
}

type Counters = ReturnType<Millrace['createCounters']>;

function counted(one: (counters: Counters, key: string) => Promise<unknown>): Work {
  return async ({ millrace, front, stage, kind }) => {
    const counters: Counters = millrace.createCounters({
      name: 'bench',
      front,
      store: millrace.postgresCounters({ pool: stage.pool, table: COUNTS, key: 'k', count: 'n' }),
      flush: { maxDelay: '1h', batchSize: 10_000 },
      backpressure: ROOMY,
    });
    const keys = Array.from({ length: COUNTERS }, (_, i) => `page:${i}`);
    await counters.getMany(keys);
    const counts: Counts = { redis: 100_000, lmdb: 80_000, memory: 200_000 };
    return {
      ...measured(512, counts[kind], (i) => one(counters, keys[i % COUNTERS] as string)),
      close: () => closed(counters),
    };
  };
}

/** Accepted events. */
async function appends({ millrace, front, stage, kind }: Place): Promise<Subject> {
  const log = millrace.createLog({
    name: 'bench',
    front,
    store: millrace.postgresLog({ pool: stage.pool, table: EVENTS, value: 'v' }),
    flush: { maxDelay: '1h' },
    backpressure: ROOMY,
  });
  await log.ready();
  log.pause();
  const counts: Counts = { redis: 60_000, lmdb: 40_000, memory: 150_000 };
  return {
    ...measured(512, counts[kind], () => log.append(value)),
    close: () => closed(log),
  };
}

/** Accepted scores, on a leaderboard that is loaded. */
async function scores({ millrace, front, stage, kind }: Place): Promise<Subject> {
  const board = millrace.createLeaderboard({
    name: 'bench',
    front,
    store: millrace.postgresLeaderboard({ pool: stage.pool, table: SCORES, member: 'k', score: 'n' }),
    flush: { maxDelay: '1h', batchSize: 10_000 },
    backpressure: ROOMY,
  });
  await board.top(1);
  const counts: Counts = { redis: 60_000, lmdb: 40_000, memory: 150_000 };
  return {
    ...measured(512, counts[kind], (i) => board.add(`m${i % COUNTERS}`, 1)),
    close: () => closed(board),
  };
}

/** Reads of keys that the front has. */
async function reads({ millrace, front, kind }: Place): Promise<Subject> {
  const cache = millrace.createCache({
    name: 'bench',
    front,
    store: new millrace.MemoryStore(),
    flush: false,
    backpressure: ROOMY,
  });
  const keys = Array.from({ length: READ_KEYS }, (_, i) => `k${i}`);
  await cache.setMany(keys.map((key) => [key, value]));
  const counts: Counts = { redis: 100_000, lmdb: 200_000, memory: 300_000 };
  return {
    ...measured(512, counts[kind], (i) => cache.get(keys[i % READ_KEYS] as string)),
    close: () => cache.close({ timeout: 1 }),
  };
}

async function writeThrough({ millrace, front, stage }: Place): Promise<Subject> {
  const cache = millrace.createCache({
    name: 'bench',
    policy: 'write-through',
    front,
    store: millrace.postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }),
    ttl: '1h',
  });
  await cache.ready();
  return {
    ...measured(64, 10_000, (i) => cache.set(`k${i}`, value)),
    close: () => cache.close(),
  };
}

/** Pending keys on their way into PostgreSQL; only that is timed. */
async function drain({ millrace, front, stage }: Place): Promise<Subject> {
  const cache = millrace.createCache({
    name: 'bench',
    front,
    store: millrace.postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }),
    flush: { batchSize: BATCH, maxDelay: '1h' },
    backpressure: ROOMY,
  });
  await cache.ready();
  cache.pause();
  const count = 30 * MANY;
  for (let at = 0; at < count; at += MANY)
    await cache.setMany(Array.from({ length: MANY }, (_, i) => [`k${at + i}`, value] as const));
  return {
    count,
    run: () =>
      timed(count, nothing, async () => {
        cache.resume();
        await cache.flush();
      }),
    close: () => cache.close(),
  };
}

/** Closed while it is paused it stores nothing, and leaves the machine to whoever comes next. */
async function closed(subject: Pick<Counters, 'pause' | 'close'>): Promise<void> {
  await subject.pause();
  await subject.close();
}

const nothing = (): Promise<number> => Promise.resolve(0);

function measured(
  inFlight: number,
  count: number,
  operate: (i: number) => Promise<unknown>,
): Pick<Subject, 'count' | 'run'> {
  return { count, run: () => load(inFlight, count, nothing, operate) };
}
