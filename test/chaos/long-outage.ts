/**
 * A process whose store is down for hours of a virtual clock, with writes, reads and waiters going on. Prints one JSON
 * document: the heap after each hour, collected, and what became of it all when the store came back.
 *
 * Run with --expose-gc. Arguments: hours.
 */

import { memoryFront } from '../../src/fronts/memory/index.ts';
import { createCache, MillraceError, type Receipt } from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { Prng } from '../sim/prng.ts';

const hours = Number(process.argv[2]);
const HOUR_MS = 3_600_000;
/** Between two rounds of writes and reads. */
const ROUND_MS = 1_000;
const FIXED_KEYS = 500;
const NEW_KEYS = 1_500;
/** A fixed key is in the generation that cannot be stored, and pending once more. */
const MAX_ENTRIES = 2 * FIXED_KEYS + NEW_KEYS;
/** Holders of receipts who wait for the store. */
const WAITERS = 50;

const clock = new VirtualClock();
const prng = new Prng(1);
const calls = { count: 0 };
let down = false;
const ask = (): void => {
  calls.count++;
  if (down)
    throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the server is away', {
      cause: new Error('connect ECONNREFUSED'),
    });
};
const store = new MemoryStore({ beforeApply: ask, beforeLoad: ask });
const cache = createCache<{ n: number; pad: string }>({
  name: 'long',
  front: memoryFront(),
  store,
  ttl: '1h',
  backpressure: { maxEntries: MAX_ENTRIES },
  clock,
  random: { fraction: () => prng.fraction(), token: () => `t${prng.between(0, 2 ** 31)}` },
});
const events: Record<string, number> = {};
for (const name of ['breaker', 'flush-failed', 'error', 'warning', 'loss', 'stopped', 'dead-letter'] as const) {
  cache.on(name, () => void (events[name] = (events[name] ?? 0) + 1));
}
await clock.until(cache.ready());

const expected = new Map<string, number>();
let written = 0;
let refusedReads = 0;
const waiting: Promise<unknown>[] = [];

/** One round: updates of keys that are pending, and reads of what only the store could know. */
async function round(): Promise<void> {
  const updates: Promise<Receipt>[] = [];
  for (let i = 0; i < 20; i++) {
    const key = `fixed${prng.between(0, FIXED_KEYS - 1)}`;
    expected.set(key, ++written);
    updates.push(cache.set(key, { n: written, pad: 'x'.repeat(100) }));
  }
  await clock.until(Promise.all(updates));
  for (let i = 0; i < 5; i++) await clock.until(cache.get(`cold${prng.between(0, 1e9)}`).catch(() => refusedReads++));
}

async function fill(): Promise<void> {
  for (let k = 0; k < FIXED_KEYS; k++)
    await clock.until(cache.set(`fixed${k}`, { n: ++written, pad: '' }).then(() => expected.set(`fixed${k}`, written)));
  // Distinct keys up to capacity.
  for (let k = 0; k < NEW_KEYS; k++)
    await clock.until(cache.set(`new${k}`, { n: k, pad: '' }).then(() => expected.set(`new${k}`, k)));
  for (let k = 0; k < WAITERS; k++) {
    const receipt = await clock.until(cache.set(`fixed${k}`, { n: ++written, pad: '' }));
    expected.set(`fixed${k}`, written);
    waiting.push(receipt.stored());
  }
}

const heapBytes = async (): Promise<number> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
};

down = true;
await fill();
calls.count = 0;
const heaps: number[] = [];
const timers: number[] = [];
for (let hour = 0; hour < hours; hour++) {
  for (let passedMs = 0; passedMs < HOUR_MS; passedMs += ROUND_MS) {
    await round();
    await clock.advance(ROUND_MS);
  }
  heaps.push(await heapBytes());
  timers.push(clock.tasks);
}
const during = { attempts: calls.count, events: { ...events }, refusedReads, written, stats: await cache.stats() };

down = false;
const upAtMs = clock.monotonic();
await clock.until(Promise.all(waiting));
await clock.until(cache.flush());
const drainedInMs = clock.monotonic() - upAtMs;
const wrong = [...expected]
  .filter(([key, n]) => (JSON.parse(store.rows.get(key) ?? 'null') as { n: number } | null)?.n !== n)
  .map(([key]) => key);
const versions = [...store.versions.values()].map(({ length }) => length);
const report = await clock.until(cache.close());
process.stdout.write(
  JSON.stringify({
    heaps,
    timers,
    during,
    drainedInMs,
    wrong,
    versionsMax: Math.max(...versions),
    report,
    events,
    tasksLeft: clock.tasks,
  }),
);
