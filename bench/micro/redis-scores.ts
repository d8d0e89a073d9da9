/**
 * Additions to a leaderboard per second at 512 in flight, and the CPU that the server and this process take for each:
 * plain `ZINCRBY` of node-redis against `add`, on the same server in alternating rounds, medians. The store is PGlite
 * and is not flushed to.
 *
 *   node --import ./scripts/run-ts.mjs bench/micro/redis-scores.ts [redis://host:port] [rounds] [members]
 */
import { randomUUID } from 'node:crypto';
import { PGlite } from '@electric-sql/pglite';
import { createClient } from 'redis';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { createLeaderboard } from '../../src/index.ts';
import { postgresLeaderboard } from '../../src/stores/postgres/index.ts';

const url = process.argv[2] ?? 'redis://127.0.0.1:6379';
const rounds = Number(process.argv[3] ?? 5);
const members = Array.from({ length: Number(process.argv[4] ?? 400) }, (_, i) => `member:${i}`);
const ROUND_OPS = 60_000;
const IN_FLIGHT = 512;

const name = `bench-${randomUUID().slice(0, 8)}`;
const plain = createClient({ url, commandOptions: { timeout: undefined } as object });
await plain.connect();
const pool = new PGlite();
await pool.exec('create table scores (member text primary key, score double precision)');
const board = createLeaderboard({
  name,
  front: redisFront({ client: createClient({ url }) }),
  store: postgresLeaderboard({ pool, table: 'scores', member: 'member', score: 'score' }),
  flush: { maxDelay: '1h', batchSize: 10_000 },
});
await board.top(1);

interface Cost {
  readonly perSecond: number;
  readonly serverUs: number;
  readonly clientUs: number;
}

async function serverUs(): Promise<number> {
  const info = await plain.info('cpu');
  return [...info.matchAll(/used_cpu_(?:sys|user)_main_thread:([\d.]+)/g)].reduce(
    (sum, [, seconds]) => sum + Number(seconds) * 1e6,
    0,
  );
}

async function costOf(one: (member: string) => Promise<unknown>): Promise<Cost> {
  const server = await serverUs();
  const client = process.cpuUsage();
  const start = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (done < ROUND_OPS) await one(members[(done++ * 7_919) % members.length] as string);
    }),
  );
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(client);
  return {
    perSecond: (done * 1_000) / ms,
    serverUs: ((await serverUs()) - server) / done,
    clientUs: (user + system) / done,
  };
}

const median = (numbers: number[]): number => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
const contestants = {
  zincrby: (member: string) => plain.sendCommand(['ZINCRBY', `${name}:plain`, '1', member]),
  add: (member: string) => board.add(member, 1),
};
const seen = { zincrby: [] as Cost[], add: [] as Cost[] };
for (let round = 0; round <= rounds; round++) {
  for (const kind of ['zincrby', 'add'] as const) {
    const cost = await costOf(contestants[kind]);
    // The first round warms up.
    if (round > 0) seen[kind].push(cost);
  }
}
for (const kind of ['zincrby', 'add'] as const) {
  const of = (part: keyof Cost): number => median(seen[kind].map((cost) => cost[part]));
  console.log(
    `${kind.padEnd(8)} ${Math.round(of('perSecond')).toLocaleString('en').padStart(9)}/s  ` +
      `server ${of('serverUs').toFixed(2)} µs  client ${of('clientUs').toFixed(2)} µs`,
  );
}

await board.close();
for await (const names of plain.scanIterator({ MATCH: `*${name}*`, COUNT: 1_000 }))
  if (names.length > 0) await plain.unlink(names);
plain.destroy();
await pool.close();
