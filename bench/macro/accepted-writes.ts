/**
 * Durable writes accepted per second through the whole library, beside plain `SET … EX` of the same client on the same
 * server: distinct keys and 100 hot keys at 512 in flight, and one write in flight. Contestants alternate in rounds, so
 * that drift of the machine hits all alike; medians are printed.
 *
 *   npm run bench -- [--rounds 5] [--writes 100000] [--json]
 *
 * Starts its own Redis; the store is in memory and nothing is flushed, because accepting is what is measured.
 */
import { parseArgs } from 'node:util';
import { createClient } from 'redis';
import type * as redisEntry from '../../src/fronts/redis/index.ts';
import type * as entry from '../../src/index.ts';
import type * as testingEntry from '../../src/testing/index.ts';
import { startRedis } from '../../test/servers/index.ts';

// The built package, as users have it.
const { createCache } = (await import('../../dist/index.mjs' as string)) as typeof entry;
const { redisFront } = (await import('../../dist/fronts/redis/index.mjs' as string)) as typeof redisEntry;
const { MemoryStore } = (await import('../../dist/testing/index.mjs' as string)) as typeof testingEntry;

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, writes: { type: 'string', default: '100000' }, json: { type: 'boolean', default: false } } });
const rounds = Number(values.rounds);
const writes = Number(values.writes);
const IN_FLIGHT = 512;
const ALONE_WRITES = Math.min(writes, 5_000);
const HOT_KEYS = 100;

const redis = await startRedis();
const plain = createClient({ url: redis.url, commandOptions: { timeout: undefined } as object });
plain.on('error', () => undefined);
await plain.connect();
const value = { user: 'u'.repeat(40), cart: ['a', 'b', 'c'], note: 'x'.repeat(120) };

interface Round {
  readonly perSecond: number;
  /** CPU time of this process and of Redis, µs for each write. */
  readonly clientUs: number;
  readonly redisUs: number;
  /** Median and 99th percentile of one write, µs; only where one is in flight. */
  readonly p50Us: number;
  readonly p99Us: number;
}

async function redisCpuUs(): Promise<number> {
  const info = await plain.info('cpu');
  const seconds = ['used_cpu_user', 'used_cpu_sys'].map((name) => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1]));
  return seconds.reduce((sum, each) => sum + each, 0) * 1e6;
}

async function round(inFlight: number, count: number, write: (i: number) => Promise<unknown>): Promise<Round> {
  const latencies = inFlight === 1 ? new Float64Array(count) : undefined;
  const redisBefore = await redisCpuUs();
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < count) {
        const i = next++;
        const before = latencies === undefined ? 0 : performance.now();
        await write(i);
        if (latencies !== undefined) latencies[i] = performance.now() - before;
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const used = process.cpuUsage(cpu);
  latencies?.sort();
  return {
    perSecond: count / seconds,
    clientUs: (used.user + used.system) / count,
    redisUs: ((await redisCpuUs()) - redisBefore) / count,
    p50Us: (latencies?.[Math.floor(count * 0.5)] ?? 0) * 1_000,
    p99Us: (latencies?.[Math.floor(count * 0.99)] ?? 0) * 1_000,
  };
}

const medianOf = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] as number;

function median(list: readonly Round[]): Round {
  const of = (pick: (round: Round) => number): number => medianOf(list.map(pick));
  return { perSecond: of((r) => r.perSecond), clientUs: of((r) => r.clientUs), redisUs: of((r) => r.redisUs), p50Us: of((r) => r.p50Us), p99Us: of((r) => r.p99Us) };
}

const cases = {
  'distinct keys, 512 in flight': { inFlight: IN_FLIGHT, count: writes, key: (i: number) => `k${i}` },
  '100 hot keys, 512 in flight': { inFlight: IN_FLIGHT, count: writes, key: (i: number) => `h${i % HOT_KEYS}` },
  'distinct keys, 1 in flight': { inFlight: 1, count: ALONE_WRITES, key: (i: number) => `k${i}` },
};
const results: Record<string, { readonly raw: Round; readonly millrace: Round; readonly ratio: number }> = {};
for (const [name, { inFlight, count, key }] of Object.entries(cases)) {
  const raw: Round[] = [];
  const millrace: Round[] = [];
  for (let n = 0; n <= rounds; n++) {
    await plain.flushAll();
    const ours = createCache<typeof value>({
      name: 'bench',
      front: redisFront({ client: plain }),
      store: new MemoryStore(),
      ttl: '1h',
      flush: false,
      backpressure: { maxEntries: 10_000_000, maxBytes: 2 ** 34 },
    });
    await ours.ready();
    const contestants = [
      async () => raw.push(await round(inFlight, count, (i) => plain.set(key(i), JSON.stringify(value), { expiration: { type: 'EX', value: 3_600 } }))),
      async () => millrace.push(await round(inFlight, count, (i) => ours.set(key(i), value))),
    ];
    // Each goes first in every other round.
    for (const run of n % 2 === 0 ? contestants : contestants.toReversed()) await run();
    await ours.close({ timeout: 1 });
  }
  // The first round warms up.
  const medians = { raw: median(raw.slice(1)), millrace: median(millrace.slice(1)) };
  const ratio = medianOf(raw.slice(1).map((each, i) => (millrace[i + 1] as Round).perSecond / each.perSecond));
  results[name] = { ...medians, ratio };
  if (!values.json) {
    const line = (who: string, { perSecond, clientUs, redisUs, p50Us, p99Us }: Round): string =>
      `  ${who.padEnd(9)} ${Math.round(perSecond).toLocaleString('en').padStart(9)}/s   client ${clientUs.toFixed(2)} µs   Redis ${redisUs.toFixed(2)} µs${p50Us > 0 ? `   p50 ${p50Us.toFixed(0)} µs   p99 ${p99Us.toFixed(0)} µs` : ''}`;
    console.log(`${name}, ${count.toLocaleString('en')} writes of ${JSON.stringify(value).length} bytes, median of ${rounds} rounds`);
    console.log(line('SET EX', medians.raw));
    console.log(line('millrace', medians.millrace));
    console.log(`  ratio of writes/s, median of the rounds: ${ratio.toFixed(2)}`);
  }
}
if (values.json) console.log(JSON.stringify(results, undefined, 2));
await plain.close();
await redis.stop();
