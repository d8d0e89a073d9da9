/**
 * Writes per second: plain `SET key value EX 3600` of node-redis at 512 in flight against the front's `write` fed as
 * the engine feeds it, 4 lanes x 2 calls x 64 keys. Same server, alternating rounds, medians.
 *
 *   node --import ./scripts/run-ts.mjs bench/micro/redis-write.ts [redis://host:port] [rounds] [ioredis]
 */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { systemClock, systemRandom } from '../../src/clock-and-random.ts';
import type { WriteBatch } from '../../src/core/lane-write.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import type { LaneFront } from '../../src/ports/front.ts';

const url = process.argv[2] ?? process.env['MILLRACE_TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const rounds = Number(process.argv[3] ?? 7);
const driver = process.argv[4] ?? 'node-redis';
const ROUND_MS = 1_000;
const LANES = 4;
const CALLS_PER_LANE = 2;
const KEYS_PER_CALL = 64;
const KEYSPACE = 20_000;
const value = JSON.stringify('x'.repeat(198));

const cache = `bench-${randomUUID().slice(0, 8)}`;
const plain = createClient({ url, commandOptions: { timeout: undefined } as object });
await plain.connect();
const client = driver === 'ioredis' ? new Redis(url, { lazyConnect: true }) : createClient({ url });
const front = await redisFront({ client }).attach({
  cache,
  lanes: LANES,
  acks: ['buffered'],
  clock: systemClock,
  random: systemRandom,
  writeBehind: true,
  onReconnect: () => undefined,
  onWarning: console.warn,
});
for (let lane = 0; lane < LANES; lane++)
  await front.recover(lane, { fence: { epoch: 1, generation: 0, seq: 0, digest: '' }, owner: '', leaseMs: 0 });

interface Round {
  readonly writesPerSecond: number;
  /** CPU time of this process, µs for each write. */
  readonly clientUs: number;
}

async function timed(workers: number, step: (worker: number) => Promise<number>): Promise<Round> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  let writes = 0;
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      while (performance.now() - start < ROUND_MS) {
        const written = await step(worker);
        writes += written;
      }
    }),
  );
  const seconds = (performance.now() - start) / 1_000;
  const used = process.cpuUsage(cpu);
  return { writesPerSecond: writes / seconds, clientUs: (used.user + used.system) / writes };
}

let next = 0;
async function set(): Promise<number> {
  await plain.sendCommand(['SET', `bench:${cache}:${next++ % KEYSPACE}`, value, 'EX', '3600']);
  return 1;
}

const at: number[] = Array.from({ length: LANES }, () => 0);
async function write(lanes: LaneFront, worker: number): Promise<number> {
  const lane = worker % LANES;
  const keys: string[] = [];
  const slots: string[] = [];
  for (let i = 0; i < KEYS_PER_CALL; i++) {
    keys.push(`user:${lane}:${(at[lane] as number)++ % (KEYSPACE / LANES)}`);
    slots.push(value);
  }
  const batch: WriteBatch = { accepted: KEYS_PER_CALL, keys, slots, ttls: undefined, maxEntries: 1e6, maxBytes: 1e9 };
  const result = await lanes.write(lane, batch);
  if (result.kind !== 'accepted') throw new Error(result.kind);
  return KEYS_PER_CALL;
}

/** As a flusher would, so that pending does not only grow; not timed. */
async function drain(lanes: LaneFront): Promise<void> {
  for (let lane = 0; lane < LANES; lane++) {
    const result = await lanes.cut(lane, 1, 'bench');
    if (result.kind === 'cut')
      while (
        (
          await lanes.acknowledge(lane, {
            epoch: 1,
            generation: result.flight.generation,
            deadKeys: [],
            ttlMs: 3_600_000,
            limit: 1_000,
          })
        ).kind === 'more'
      );
  }
}

const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
const results = { set: [] as Round[], write: [] as Round[] };
for (let round = 0; round <= rounds; round++) {
  const first = await timed(512, set);
  const second = await timed(LANES * CALLS_PER_LANE, (worker) => write(front, worker));
  await drain(front);
  if (process.env['ROUNDS']) console.log(first, second);
  // The first round warms up.
  if (round > 0) {
    results.set.push(first);
    results.write.push(second);
  }
}
const [plainRate, frontRate] = [
  median(results.set.map((r) => r.writesPerSecond)),
  median(results.write.map((r) => r.writesPerSecond)),
];
console.log(
  `plain SET      ${Math.round(plainRate).toLocaleString('en')} writes/s, ` +
    `${median(results.set.map((r) => r.clientUs)).toFixed(2)} µs client CPU each`,
);
console.log(
  `front.write    ${Math.round(frontRate).toLocaleString('en')} writes/s, ` +
    `${median(results.write.map((r) => r.clientUs)).toFixed(2)} µs client CPU each (${driver})`,
);
console.log(`ratio          ${(frontRate / plainRate).toFixed(2)}`);

await front.close();
for await (const names of plain.scanIterator({ MATCH: `*${cache}*`, COUNT: 1_000 }))
  if (names.length > 0) await plain.unlink(names);
plain.destroy();
client.disconnect();
