/**
 * Server time for each call of the scripts that mutate, µs: the best of many short rounds, because a round that the
 * server was interrupted in says nothing. Beside it what of it is spent inside commands, an empty script with the same
 * arguments, which is the floor, and plain `SET … EX` and `INCRBY`.
 *
 *   node --import ./scripts/run-ts.mjs bench/micro/redis-steps.ts [redis://host:port] [rounds]
 */
import { randomUUID } from 'node:crypto';
import { createClient } from 'redis';
import { systemClock, systemRandom } from '../../src/clock-and-random.ts';
import type { Shape } from '../../src/core/shape.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import type { LaneFront } from '../../src/ports/front.ts';

const url = process.argv[2] ?? 'redis://127.0.0.1:6379';
const rounds = Number(process.argv[3] ?? 60);
const value = JSON.stringify('x'.repeat(198));
const LIMIT = BigInt(Number.MAX_SAFE_INTEGER);
const ROOM = { maxEntries: 1e7, maxBytes: 1e10 };
const COUNTED = 1_000;

const client = createClient({ url, commandOptions: { timeout: undefined } as object });
await client.connect();
const prefix = `bench-${randomUUID().slice(0, 8)}`;

/** The least server time of one call of `command` over all rounds, and of the commands inside it. */
async function cost(
  command: string,
  calls: number,
  call: () => Promise<unknown>,
): Promise<{ us: number; insideUs: number }> {
  let best = { us: Number.POSITIVE_INFINITY, insideUs: 0 };
  for (let round = 0; round < rounds; round++) {
    await client.sendCommand(['CONFIG', 'RESETSTAT']);
    await Promise.all(Array.from({ length: calls }, call));
    const stats = [...(await client.info('commandstats')).matchAll(/cmdstat_([a-z]+):calls=(\d+),usec=(\d+)/g)].map(
      ([, name, count, us]) => ({ name, count: Number(count), us: Number(us) }),
    );
    const own = stats.find(({ name }) => name === command);
    if (own === undefined || own.us / own.count >= best.us) continue;
    const inside = stats.filter(({ name }) => name !== command && !/^(info|config|client)$/.test(name ?? ''));
    best = { us: own.us / own.count, insideUs: inside.reduce((sum, { us }) => sum + us, 0) / own.count };
  }
  return best;
}

async function opened(shape: Shape): Promise<LaneFront> {
  const front = await redisFront({ client: createClient({ url }), prefix }).attach({
    cache: `${shape}${randomUUID().slice(0, 8)}`,
    lanes: 1,
    shape,
    acks: ['buffered'],
    clock: systemClock,
    random: systemRandom,
    writeBehind: true,
    onReconnect: () => undefined,
    onWarning: console.warn,
  });
  await front.recover(0, { fence: { epoch: 1, generation: 0, seq: 0, digest: '' }, owner: '', leaseMs: 0 });
  return front;
}

let next = 0;
const keysOf = (n: number, among: number): string[] => Array.from({ length: n }, () => `key:${next++ % among}`);
const STEPS: readonly {
  name: string;
  shape: Shape;
  n: number;
  call(front: LaneFront, n: number): Promise<{ kind: string }>;
}[] = [
  ...[1, 64].map((n) => ({
    name: 'write',
    shape: '' as const,
    n,
    call: (front: LaneFront) =>
      front.write(0, {
        accepted: n,
        keys: keysOf(n, 1e9),
        slots: Array.from({ length: n }, () => value),
        ttls: undefined,
        ...ROOM,
      }),
  })),
  ...[1, 100].map((n) => ({
    name: 'increment',
    shape: 'counters' as const,
    n,
    call: (front: LaneFront) =>
      front.increment(0, {
        accepted: n,
        keys: keysOf(n, COUNTED),
        sums: Array.from({ length: n }, () => 1n),
        wanted: Array.from({ length: n }, () => false),
        shape: 'counters',
        limit: LIMIT,
        mayExpire: false,
        bytes: 30 * n,
        ...ROOM,
      }),
  })),
  ...[1, 64].map((n) => ({
    name: 'append',
    shape: 'log' as const,
    n,
    call: (front: LaneFront) =>
      front.append(0, { entries: Array.from({ length: n }, () => value), shape: 'log', bytes: 200 * n, ...ROOM }),
  })),
  // Half of the calls announce, half publish.
  ...[8, 32].map((n) => ({
    name: 'intent',
    shape: '' as const,
    n,
    call: (front: LaneFront) => throughIntent(front, keysOf(n, 1e9)),
  })),
];

async function throughIntent(front: LaneFront, keys: readonly string[]): Promise<{ kind: string }> {
  const token = randomUUID();
  await front.beginIntent(0, keys, token, 60_000);
  return front.finishIntent(
    0,
    keys,
    token,
    keys.map(() => value),
    keys.map(() => 3_600_000),
  );
}

const empty = await client.sendCommand<string>(['SCRIPT', 'LOAD', '#!lua\nreturn 1']);
for (const { name, shape, n, call } of STEPS) {
  const front = await opened(shape);
  const counted = Array.from({ length: COUNTED }, (_, i) => `key:${i}`);
  if (shape === 'counters')
    await front.fillTotals(0, {
      keys: counted,
      stored: counted.map(() => 0n),
      generation: 0,
      epoch: 1,
      invalidations: 0,
      shape,
      limit: LIMIT,
      ttlMs: undefined,
    });
  const calls = Math.max(2, Math.floor(200 / n));
  const step = await cost('evalsha', calls, async () => {
    const { kind } = await call(front, n);
    if (kind !== 'accepted' && kind !== 'done') throw new Error(kind);
  });
  const args = Array.from({ length: n }, (_, i) =>
    name === 'append' ? [value] : [`{${prefix}:0}:incarnatio:key:${i}`, name === 'write' ? value : '1'],
  ).flat();
  const floor = await cost('evalsha', calls, () =>
    client.sendCommand([
      'EVALSHA',
      empty,
      '1',
      `{${prefix}:0}:header`,
      'incarnatio',
      '1',
      String(n),
      '10000000',
      '10000000000',
      '0',
      '0',
      ...args,
    ]),
  );
  console.log(
    `${name.padEnd(9)} of ${String(n).padStart(3)}: ${step.us.toFixed(1).padStart(6)} µs, ` +
      `${(step.us / n).toFixed(2)} each; inside commands ${step.insideUs.toFixed(1)}; ` +
      `an empty script with as many arguments ${floor.us.toFixed(1)}`,
  );
  await front.close();
}
const set = await cost('set', 200, () => client.sendCommand(['SET', `${prefix}:${next++}`, value, 'EX', '3600']));
const incrby = await cost('incrby', 200, () =>
  client.sendCommand(['INCRBY', `${prefix}:count:${next++ % COUNTED}`, '1']),
);
console.log(`SET … EX ${set.us.toFixed(2)} µs, INCRBY ${incrby.us.toFixed(2)} µs`);

for await (const names of client.scanIterator({ MATCH: `*${prefix}*`, COUNT: 1_000 }))
  if (names.length > 0) await client.unlink(names);
client.destroy();
process.exit(0);
