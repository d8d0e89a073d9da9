import { Cluster } from 'ioredis';
import { Cluster as Cluster5 } from 'ioredis5';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RedisFrontClient } from '../../src/fronts/redis/index.ts';
import { UNRECOVERED } from '../../src/ports/front.ts';
import { freePort, type Server, startRedis } from '../servers/index.ts';
import { attach, batch, drivers, recovery, uniqueCache } from './redis-fixture.ts';

const SLOTS = 16_384;
const LANES = 8;
const lanes = [...Array.from({ length: LANES }).keys()];
let masters: Server[] = [];

async function command(server: Server, ...args: string[]): Promise<unknown> {
  const client = createClient({ url: server.url });
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

/** Resolves when every server sees the three, and all slots served. */
async function agreed(): Promise<void> {
  for (const deadline = Date.now() + 15_000; ; ) {
    const infos = await Promise.all(masters.map((master) => command(master, 'CLUSTER', 'INFO')));
    if (infos.every((info) => /cluster_state:ok[^]*cluster_known_nodes:3/.test(String(info)))) return;
    if (Date.now() > deadline) throw new Error(`the cluster does not agree: ${infos.join()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

beforeAll(async () => {
  // The bus is on another port: 10000 above a free port may be none.
  const busPorts = await Promise.all([freePort(), freePort(), freePort()]);
  masters = await Promise.all(
    busPorts.map((bus) =>
      startRedis({
        args: [
          '--cluster-enabled',
          'yes',
          '--cluster-port',
          String(bus),
          '--cluster-node-timeout',
          '2000',
          '--appendonly',
          'yes',
        ],
      }),
    ),
  );
  await Promise.all(
    masters.map(async (master, i) => {
      await command(master, 'CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      await command(
        master,
        'CLUSTER',
        'ADDSLOTSRANGE',
        String(Math.ceil((i * SLOTS) / 3)),
        String(Math.ceil(((i + 1) * SLOTS) / 3) - 1),
      );
    }),
  );
  for (const [i, other] of masters.entries())
    if (i > 0) await command(masters[0]!, 'CLUSTER', 'MEET', '127.0.0.1', String(other.port), String(busPorts[i]));
  await agreed();
});

afterAll(() => Promise.all(masters.map((master) => master.stop())));

const clusters: Readonly<Record<(typeof drivers)[number], () => RedisFrontClient>> = {
  'node-redis': () => createCluster({ rootNodes: masters.map(({ url }) => ({ url })) }),
  ioredis: () =>
    new Cluster(
      masters.map(({ port }) => ({ host: '127.0.0.1', port })),
      { lazyConnect: true },
    ),
  'ioredis 5': () =>
    new Cluster5(
      masters.map(({ port }) => ({ host: '127.0.0.1', port })),
      { lazyConnect: true },
    ),
};

describe.each(drivers)('the Redis front over a cluster with %s', (driver) => {
  test('has each lane on one of its servers', async () => {
    await using front = await attach(clusters[driver](), { lanes: LANES });
    await Promise.all(lanes.map((lane) => front.lanes.recover(lane, recovery())));
    const runs = await Promise.all(lanes.map(async (lane) => (await front.lanes.header(lane)).header?.runId));
    expect(new Set(runs).size).toBeGreaterThan(1);
    await Promise.all(lanes.map((lane) => front.lanes.write(lane, batch({ [`k${lane}`]: String(lane) }))));
    expect(await front.lanes.readMany([...lanes, 0], [...lanes.map((lane) => `k${lane}`), 'none'])).toEqual([
      ...lanes.map(String),
      undefined,
    ]);
    expect(await front.lanes.read(3, 'k3')).toBe('3');
    expect(await front.lanes.cut(3, 1, 'd')).toMatchObject({ kind: 'cut' });
  });

  test('recovers the lanes of a server that restarted, and no others', async () => {
    await using front = await attach(clusters[driver](), { lanes: LANES }, 8_000);
    await Promise.all(lanes.map((lane) => front.lanes.recover(lane, recovery())));
    await Promise.all(lanes.map((lane) => front.lanes.write(lane, batch({ a: String(lane) }))));
    const runOf = /run_id:(\w+)/.exec(String(await command(masters[1]!, 'INFO', 'server')))?.[1];
    const headers = await Promise.all(lanes.map((lane) => front.lanes.header(lane)));
    const gone = lanes.filter((lane) => headers[lane]?.header?.runId === runOf);

    await masters[1]!.kill9();
    await masters[1]!.restart();
    await agreed();
    const read = async (lane: number) => front.lanes.read(lane, 'a').catch((error: { code?: string }) => error.code);
    // A step that was under way when the connection broke may say that its outcome is not known; the next one knows.
    await expect
      .poll(() => Promise.all(lanes.map(read)), { timeout: 15_000 })
      .toEqual(lanes.map((lane) => (gone.includes(lane) ? UNRECOVERED : String(lane))));
    for (const lane of gone)
      expect(await front.lanes.recover(lane, recovery({ epoch: 2 }))).toMatchObject({ kind: 'current' });
    expect(await Promise.all(lanes.map(read))).toEqual(lanes.map(String));
  });

  test('follows a lane whose slot moved to another server', async () => {
    const cache = uniqueCache();
    await using front = await attach(clusters[driver](), { cache, lanes: 1 });
    await front.lanes.recover(0, recovery());
    await front.lanes.write(0, batch({ a: '1' }));
    const slot = String(await command(masters[0]!, 'CLUSTER', 'KEYSLOT', `{mr:${cache}:0}`));
    const ids = await Promise.all(masters.map(async (master) => String(await command(master, 'CLUSTER', 'MYID'))));
    const counts = await Promise.all(masters.map((master) => command(master, 'CLUSTER', 'COUNTKEYSINSLOT', slot)));
    const from = counts.findIndex((count) => Number(count) > 0);
    const to = (from + 1) % 3;
    const [source, target] = [masters[from]!, masters[to]!];
    await command(target, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[from]!);
    await command(source, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to]!);
    const moved = (await command(source, 'CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[];
    await command(source, 'MIGRATE', '127.0.0.1', String(target.port), '', '0', '5000', 'KEYS', ...moved);
    for (const master of [target, source, masters[(from + 2) % 3]!])
      await command(master, 'CLUSTER', 'SETSLOT', slot, 'NODE', ids[to]!);

    // Another server is another run: what it has is not believed before it is recovered.
    expect(await front.lanes.read(0, 'a')).toBe(UNRECOVERED);
    expect(await front.lanes.write(0, batch({ a: '2' }))).toMatchObject({ kind: 'unrecovered', header: { seq: 1 } });
    expect(await front.lanes.recover(0, recovery({ epoch: 2 }))).toMatchObject({ kind: 'current' });
    expect(await front.lanes.write(0, batch({ a: '2' }))).toMatchObject({ kind: 'accepted', seq: 2 });
    expect(await front.lanes.read(0, 'a')).toBe('2');
  });
});

test('a cluster that is not there is told within a second or so', async () => {
  for (const client of [
    createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:1' }] }),
    new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true }),
  ]) {
    const started = performance.now();
    await expect(attach(client)).rejects.toMatchObject({ code: 'MILLRACE_FRONT_UNAVAILABLE' });
    expect(performance.now() - started).toBeLessThan(1_500);
  }
});
