import type { Cache, CacheOptions, FlushEvent, MillraceError, Policy } from '../../index.ts';
import type { Statistics } from './measure.ts';
import type { DemoOptions } from './options.ts';
import { runTimed } from './timed.ts';
import { keyOf, type Session, sessionOf } from './workload.ts';

/** What one policy did with the work. */
export interface PolicyResult {
  readonly policy: Policy;
  readonly writes: number;
  /** Of the acknowledgements; undefined when none was reached. */
  readonly latency: Statistics | undefined;
  readonly totalMs: number;
  /** Records that the store held when the last write was acknowledged. */
  readonly storedAtOnce: number;
  /** From the first write until the store held all of them. */
  readonly storedAfterMs: number;
  readonly flushes: FlushTotals;
  /** The first read of an entry after its write. */
  readonly firstRead: Statistics | undefined;
}

export interface FlushTotals {
  readonly count: number;
  readonly rows: number;
  readonly statements: number;
  readonly dead: number;
  readonly durationMs: number;
}

/** Told of everything as it happens. */
export interface Observer {
  policyBegan(policy: Policy): void;
  wrote(policy: Policy, key: string, index: number, ms: number): void;
  flushed(policy: Policy, event: FlushEvent): void;
  flushFailed(policy: Policy, error: MillraceError, retryInMs: number): void;
  warned(message: string): void;
  acknowledged(result: Omit<PolicyResult, 'storedAfterMs' | 'firstRead'>): void;
  policyEnded(result: PolicyResult): void;
}

export interface PolicyWork {
  readonly policy: Policy;
  readonly cache: Cache<Session>;
  readonly options: DemoOptions;
  readonly observer: Observer;
  readonly signal: AbortSignal;
  /** Records of this policy that the store holds, counted with SQL. */
  countStored(): Promise<number>;
}

/** Reads for the first-read column; the others are read in bulk, since a million single reads show no more. */
const FIRST_READS_MAX = 1_000;
const WARM_UPS = 3;
const KEYS_PER_READ = 500;

export function cacheOptions(
  policy: Policy,
  name: string,
  places: { readonly front: CacheOptions<Session>['front']; readonly store: CacheOptions<Session>['store'] },
  { flushDelay, batchSize }: DemoOptions,
): CacheOptions<Session> {
  const flush = {
    ...(flushDelay === undefined ? {} : { maxDelay: flushDelay }),
    ...(batchSize === undefined ? {} : { batchSize }),
  };
  return { name, policy, ...places, ...(policy === 'write-behind' ? { flush } : {}) };
}

export async function runPolicy(work: PolicyWork): Promise<PolicyResult> {
  const { policy, cache, options, observer, signal } = work;
  observer.policyBegan(policy);
  cache.on('flush-failed', ({ error, retryInMs }) => observer.flushFailed(policy, error, retryInMs));
  cache.on('warning', ({ message }) => observer.warned(message));
  await cache.ready();
  await warmUp(cache, options.seed);
  let flushes: FlushTotals = { count: 0, rows: 0, statements: 0, dead: 0, durationMs: 0 };
  const onFlush = (event: FlushEvent) => {
    flushes = added(flushes, event);
    observer.flushed(policy, event);
  };
  cache.on('flush', onFlush);

  // One by one, a write's own schedule is shown; in numbers, a receipt of each would only fill the memory.
  const receipts: Promise<unknown>[] = [];
  const keepReceipts = policy === 'write-behind' && options.inFlight === 1;
  const start = performance.now();
  const written = await runTimed({
    count: options.writes,
    inFlight: options.inFlight,
    signal,
    async step(index) {
      const key = keyOf(policy, index, options.writes);
      const receipt = await cache.set(key, sessionOf(options.seed, key));
      // A refused row is found by the verification, which also tells what became of it.
      if (keepReceipts) receipts.push(receipt.stored().catch(() => undefined));
    },
    onDone: (index, ms) => observer.wrote(policy, keyOf(policy, index, options.writes), index, ms),
  });
  const storedAtOnce = await work.countStored();
  observer.acknowledged({
    policy,
    writes: written.count,
    latency: written.statistics,
    totalMs: written.totalMs,
    storedAtOnce,
    flushes,
  });

  if (policy === 'write-behind') await allStored(cache, receipts, signal);
  const storedAfterMs = policy === 'write-behind' ? performance.now() - start : written.totalMs;
  const firstRead = await readBack(work, written.count);
  cache.off('flush', onFlush);
  const result = {
    policy,
    writes: written.count,
    latency: written.statistics,
    totalMs: written.totalMs,
    storedAtOnce,
    storedAfterMs,
    flushes,
    firstRead,
  };
  observer.policyEnded(result);
  return result;
}

/** So that no policy pays for what the first one loads and compiles; the records are removed again. */
async function warmUp(cache: Cache<Session>, seed: number): Promise<void> {
  const keys = Array.from({ length: WARM_UPS }, (_, index) => `warm-up:${index}`);
  for (const key of keys) {
    await cache.set(key, sessionOf(seed, key));
    await cache.get(key);
  }
  await cache.deleteMany(keys);
  await cache.flush();
}

/** Waits for the flush that is due by itself; an interrupt asks for it at once. */
async function allStored(
  cache: Cache<Session>,
  receipts: readonly Promise<unknown>[],
  signal: AbortSignal,
): Promise<void> {
  if (receipts.length === 0 || signal.aborted) return cache.flush();
  let onAbort = () => undefined as void;
  const interrupted = new Promise<void>((resolve) => (onAbort = resolve));
  signal.addEventListener('abort', onAbort, { once: true });
  await Promise.race([Promise.all(receipts), interrupted]);
  signal.removeEventListener('abort', onAbort);
  return cache.flush();
}

/**
 * Times the first read of entries; with cache-aside it goes on to all of them, since reading is what fills the front.
 */
async function readBack(
  { policy, cache, options, signal }: PolicyWork,
  count: number,
): Promise<Statistics | undefined> {
  const key = (index: number) => keyOf(policy, index, options.writes);
  const one = await runTimed({
    count: Math.min(count, FIRST_READS_MAX),
    inFlight: options.inFlight,
    signal,
    step: async (index) => void (await cache.get(key(index))),
  });
  if (policy !== 'cache-aside') return one.statistics;
  for (let from = one.count; from < count; from += KEYS_PER_READ) {
    await cache.getMany(Array.from({ length: Math.min(KEYS_PER_READ, count - from) }, (_, at) => key(from + at)));
  }
  return one.statistics;
}

function added(totals: FlushTotals, { rows, statements, dead, durationMs }: FlushEvent): FlushTotals {
  return {
    count: totals.count + 1,
    rows: totals.rows + rows,
    statements: totals.statements + statements,
    dead: totals.dead + dead,
    durationMs: totals.durationMs + durationMs,
  };
}
