import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { createCache } from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { type Server, startRedis } from '../servers/index.ts';
import { uniquePrefix } from '../support/fronts.ts';
import { eventually } from '../support/gate.ts';
import { attach, batch, clients, command, connected, drivers, recovery, uniqueCache } from './redis-fixture.ts';

/** Seq and what becomes of a generation are where prelude.lua puts them. */
const HEADER_FORMAT = '>ddddddddssssssdddddddddsss';
const AOF = ['--appendonly', 'yes', '--appendfsync'];

async function statOf(url: string, name: string): Promise<number> {
  const stats = String(await command(url, 'INFO', 'commandstats'));
  return Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
}

describe.each(drivers)('over %s', (driver) => {
  const client = clients[driver];

  test.each(['everysec', 'always'])(
    'fsynced by WAITAOF under appendfsync %s: what was confirmed is in the file',
    async (appendfsync) => {
      await using server = await startRedis({ waitaof: true, args: [...AOF, appendfsync] });
      const cache = uniqueCache();
      {
        await using front = await attach(client(server.url), { cache, acks: ['fsynced'] });
        await front.lanes.recover(0, recovery());
        await front.lanes.write(0, batch({ a: '1' }));
        await front.lanes.sync('fsynced', 0);
        expect(await statOf(server.url, 'waitaof')).toBe(2); // one at start, to see whether it is there
        await server.kill9();
        await server.restart();
        await front.reconnected();
        expect(await front.lanes.header(0)).toMatchObject({ header: { seq: 1 } });
      }
    },
  );

  test('fsynced is refused, and said to be buffered, as soon as the append-only file is off', async () => {
    await using server = await startRedis({ waitaof: true, args: [...AOF, 'always'] });
    await using front = await attach(client(server.url), { acks: ['fsynced'] });
    await front.lanes.recover(0, recovery());
    await command(server.url, 'CONFIG', 'SET', 'appendonly', 'no');
    await front.lanes.write(0, batch({ a: '1' }));
    await expect(front.lanes.sync('fsynced', 0)).rejects.toMatchObject({
      code: 'MILLRACE_ACK',
      message: expect.stringMatching(/buffered/),
    });
    await command(server.url, 'CONFIG', 'SET', 'appendonly', 'yes');
    await eventually('it is confirmed again', () =>
      front.lanes.sync('fsynced', 0).then(
        () => true,
        () => false,
      ),
    );
  });

  test('fsynced is not confirmed when nothing is ever synced', async () => {
    await using server = await startRedis({ waitaof: true, args: [...AOF, 'no'] });
    await using front = await attach(client(server.url), { acks: ['fsynced'] }, 3_000, { ackTimeoutMs: 50 });
    await front.lanes.recover(0, recovery());
    await front.lanes.write(0, batch({ a: '1' }));
    await expect(front.lanes.sync('fsynced', 0)).rejects.toMatchObject({
      code: 'MILLRACE_ACK',
      message: expect.stringMatching(/50 ms/),
    });
  });

  test('without WAITAOF, a change of appendfsync is seen with the next confirmation', async () => {
    await using server = await startRedis({ args: [...AOF, 'always'] });
    // On a server that has WAITAOF, a user who may not run it.
    await command(server.url, 'ACL', 'SETUSER', 'default', '-waitaof').catch(() => undefined);
    await using front = await attach(client(server.url), { acks: ['fsynced'] });
    await front.lanes.recover(0, recovery());
    await front.lanes.write(0, batch({ a: '1' }));
    await front.lanes.sync('fsynced', 0);
    for (const [setting, weak, strong] of [
      ['appendfsync', 'everysec', 'always'],
      ['no-appendfsync-on-rewrite', 'yes', 'no'],
      ['appendonly', 'no', 'yes'],
    ] as const) {
      await command(server.url, 'CONFIG', 'SET', setting, weak);
      await expect(front.lanes.sync('fsynced', 0)).rejects.toMatchObject({
        code: 'MILLRACE_ACK',
        message: expect.stringContaining(setting === 'appendonly' ? 'append-only' : setting),
      });
      await command(server.url, 'CONFIG', 'SET', setting, strong);
      await front.lanes.sync('fsynced', 0);
    }
    // A server that writes its first file does not let itself be stopped.
    await eventually('the file is rewritten', async () =>
      String(await command(server.url, 'INFO', 'persistence')).includes('aof_rewrite_in_progress:0'),
    );
  });

  test('a confirmation outlives neither the connection nor the scripts', async () => {
    await using server = await startRedis({ waitaof: true, args: [...AOF, 'everysec'] });
    await using front = await attach(client(server.url), { acks: ['fsynced'] });
    await front.lanes.recover(0, recovery());
    await front.lanes.sync('fsynced', 0);
    await command(server.url, 'SCRIPT', 'FLUSH');
    await front.lanes.write(0, batch({ a: '1' }));
    await front.lanes.sync('fsynced', 0);
    // A new connection has written nothing, and WAITAOF would return at once.
    await command(server.url, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await front.reconnected();
    await front.lanes.write(0, batch({ a: '2' }));
    await front.lanes.sync('fsynced', 0);
    await server.kill9();
    await server.restart();
    await expect.poll(() => front.lanes.header(0).catch(() => undefined)).toMatchObject({ header: { seq: 2 } });
  });
});

describe('replicated', () => {
  let primary: Server;
  let replica: Server;
  beforeAll(async () => {
    primary = await startRedis({ waitaof: true, args: ['--repl-diskless-sync-delay', '0'] });
    replica = await startRedis({ waitaof: true, args: ['--replicaof', '127.0.0.1', `${primary.port}`] });
    await connected(primary.url, 1);
  });
  afterAll(() => Promise.all([primary, replica].map((server) => server[Symbol.asyncDispose]())));

  test.each(drivers)('is confirmed by the replica, which then has the write (%s)', async (driver) => {
    const cache = uniqueCache();
    await using front = await attach(clients[driver](primary.url), { cache, acks: ['replicated'] });
    await front.lanes.recover(0, recovery());
    for (let i = 1; i <= 20; i++) {
      await front.lanes.write(0, batch({ a: String(i) }));
      await front.lanes.sync('replicated', 0);
      expect(
        await command(
          replica.url,
          'EVAL_RO',
          "return struct.unpack('>d', redis.call('GET', KEYS[1]))",
          '1',
          `{mr:${cache}:0}:header`,
        ),
      ).toBe(i);
    }
  });

  test.each(drivers)('rejects what too few replicas confirmed, and says where the write is (%s)', async (driver) => {
    await using front = await attach(clients[driver](primary.url), { acks: ['replicated'] }, 3_000, {
      ackTimeoutMs: 100,
    });
    await front.lanes.recover(0, recovery());
    process.kill(replica.pid, 'SIGSTOP');
    try {
      await front.lanes.write(0, batch({ a: '1' }));
      await expect(front.lanes.sync('replicated', 0)).rejects.toMatchObject({
        code: 'MILLRACE_ACK',
        message: expect.stringMatching(/0 of 1 replicas .*100 ms.*buffered/s),
      });
      expect(await front.lanes.read(0, 'a')).toBe('1');
    } finally {
      process.kill(replica.pid, 'SIGCONT');
    }
    await eventually('it confirms again', () =>
      front.lanes.sync('replicated', 0).then(
        () => true,
        () => false,
      ),
    );
  });

  test('is refused at start where too few replicas are connected, or the server is one', async () => {
    await expect(
      attach(clients.ioredis(primary.url), { acks: ['replicated'] }, 3_000, { replicas: 2 }),
    ).rejects.toMatchObject({ code: 'MILLRACE_ACK', message: expect.stringMatching(/1 of 2 replicas/) });
    await expect(attach(clients.ioredis(replica.url), { acks: ['buffered'] })).rejects.toMatchObject({
      code: 'MILLRACE_FRONT_SETTINGS',
      message: expect.stringMatching(/replica/),
    });
  });

  test('one WAIT for many writes, and no buffered write waits with it', async () => {
    const store = new MemoryStore();
    await using cache = createCache<number>({
      name: 'batched',
      front: redisFront({ client: createClient({ url: primary.url }), prefix: uniquePrefix(), ackTimeoutMs: 5_000 }),
      store,
      ack: 'replicated',
      lanes: 4,
      flush: { maxDelay: '1h' },
    });
    await cache.set('warm', 0);
    const before = await statOf(primary.url, 'wait');
    await Promise.all(Array.from({ length: 2_000 }, (_, i) => cache.set(`k${i}`, i)));
    expect((await statOf(primary.url, 'wait')) - before).toBeLessThan(20);

    process.kill(replica.pid, 'SIGSTOP');
    const replicated = cache.set('a', 1);
    let settled = false;
    void replicated.finally(() => (settled = true)).catch(() => undefined);
    await cache.set('b', 1, { ack: 'buffered' });
    expect(settled).toBe(false);
    process.kill(replica.pid, 'SIGCONT');
    await replicated;
    await cache.flush();
    expect(store.rows.size).toBe(2_003);
  });

  test('a flush goes on where no replica confirms, because then the store is the safest place', async () => {
    const store = new MemoryStore();
    await using cache = createCache<number>({
      name: 'alone',
      front: redisFront({ client: createClient({ url: primary.url }), prefix: uniquePrefix(), ackTimeoutMs: 100 }),
      store,
      ack: 'replicated',
      lanes: 1,
      flush: { maxDelay: '1h' },
    });
    await cache.ready();
    process.kill(replica.pid, 'SIGSTOP');
    try {
      await expect(cache.set('a', 1)).rejects.toMatchObject({ code: 'MILLRACE_ACK' });
      await cache.flush();
      expect(store.rows.get('a')).toBe('1');
    } finally {
      process.kill(replica.pid, 'SIGCONT');
    }
  });

  test('the cut is replicated before the store hears of it', async () => {
    const prefix = uniquePrefix();
    const seen: unknown[] = [];
    const store = new MemoryStore({
      async beforeApply() {
        const found = (await command(
          replica.url,
          'EVAL_RO',
          `return { struct.unpack('${HEADER_FORMAT}', redis.call('GET', KEYS[1])) }`,
          '1',
          `{${prefix}cut:0}:header`,
        )) as unknown[];
        seen.push([found[12], found[15]]);
      },
    });
    await using cache = createCache<number>({
      name: 'cut',
      front: redisFront({ client: createClient({ url: primary.url }), prefix }),
      store,
      ack: 'replicated',
      lanes: 1,
      flush: { maxDelay: '1h' },
    });
    for (let i = 1; i <= 10; i++) {
      await cache.set('a', i);
      await cache.flush();
    }
    expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => ['cut', i + 1]));
  });
});
