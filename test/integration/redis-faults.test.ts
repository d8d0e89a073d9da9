import { describe, expect, test } from 'vitest';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { UNRECOVERED } from '../../src/ports/front.ts';
import { redisUrl, startRedis } from '../servers/index.ts';
import { attach, attachment, batch, clients, command, drivers, recovery, uniqueCache } from './redis-fixture.ts';

describe.each(drivers)('the Redis front over %s', (driver) => {
  const connect = clients[driver];

  test('knows nothing of a lane after its server came back empty', async () => {
    await using server = await startRedis();
    await using front = await attach(connect(server.url));
    await front.lanes.recover(0, recovery());
    await front.lanes.write(0, batch({ a: '1' }));
    expect(await front.lanes.read(0, 'a')).toBe('1');

    await server.kill9();
    await server.restart();
    await front.reconnected();
    expect(await front.lanes.read(0, 'a')).toBe(UNRECOVERED);
    expect(await front.lanes.readMany([0, 1], ['a', 'b'])).toBe(UNRECOVERED);
    expect(await front.lanes.write(0, batch({ a: '2' }))).toEqual({ kind: 'unrecovered', header: undefined });
    expect(await front.lanes.recover(0, recovery({ epoch: 2, generation: 1, seq: 9 }))).toMatchObject({
      kind: 'behind',
      dropped: 0,
    });
    expect(await front.lanes.write(0, batch({ a: '2' }))).toMatchObject({ kind: 'accepted', seq: 10, epoch: 2 });
  });

  test('refuses values that a restarted server brought back until they are recovered', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    await using front = await attach(connect(server.url), { acks: ['fsynced'] });
    await front.lanes.recover(0, recovery());
    await front.lanes.write(0, batch({ a: '1' }));
    await front.lanes.sync('fsynced', 0);
    await server.kill9();
    await server.restart();
    await front.reconnected();
    expect(await front.lanes.read(0, 'a')).toBe(UNRECOVERED);
    expect(await front.lanes.write(0, batch({ a: '2' }))).toMatchObject({
      kind: 'unrecovered',
      header: { seq: 1, pendingEntries: 1 },
    });
    expect(await front.lanes.header(0)).toMatchObject({ current: false, header: { seq: 1 } });
    expect(await front.lanes.recover(0, recovery({ epoch: 2 }))).toMatchObject({ kind: 'current' });
    expect(await front.lanes.read(0, 'a')).toBe('1');
  });

  test('sees that everything was flushed away, on a connection that lasts', async () => {
    await using server = await startRedis();
    await using front = await attach(connect(server.url));
    await front.lanes.recover(0, recovery());
    await front.lanes.write(0, batch({ a: '1' }));
    await command(server.url, 'FLUSHALL');
    expect(await front.lanes.read(0, 'a')).toBe(UNRECOVERED);
    expect(await front.lanes.readWithTtl(0, 'a')).toBe(UNRECOVERED);
    expect(await front.lanes.write(0, batch({ a: '2' }))).toEqual({ kind: 'unrecovered', header: undefined });
  });

  test('loads its scripts again when the server forgot them, and keeps the order of writes', async () => {
    await using server = await startRedis();
    await using front = await attach(connect(server.url));
    await front.lanes.recover(0, recovery());
    await command(server.url, 'SCRIPT', 'FLUSH');
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => front.lanes.write(0, batch({ a: String(i) }))),
    );
    expect(results.map((result) => (result.kind === 'accepted' ? result.seq : result.kind))).toEqual(
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
    expect(await front.lanes.read(0, 'a')).toBe('49');
  });

  test('follows a lane that another process recovered', async () => {
    await using server = await startRedis();
    const cache = uniqueCache();
    await using one = await attach(connect(server.url), { cache });
    await using other = await attach(connect(server.url), { cache });
    await one.lanes.recover(0, recovery());
    await one.lanes.write(0, batch({ a: '1', b: '1' }));
    expect(await other.lanes.read(0, 'a')).toBe('1');
    expect(await other.lanes.recover(0, recovery({ epoch: 2, generation: 1, seq: 5 }))).toMatchObject({
      kind: 'behind',
      dropped: 2,
    });
    expect(
      await Promise.all([one.lanes.write(0, batch({ a: '2' })), one.lanes.write(0, batch({ a: '3' }))]),
    ).toMatchObject([{ seq: 6 }, { seq: 7 }]);
    expect([await one.lanes.read(0, 'a'), await one.lanes.read(0, 'b'), await other.lanes.read(0, 'a')]).toEqual([
      '3',
      undefined,
      '3',
    ]);

    // What the old incarnation held is removed, and nothing else.
    await expect.poll(() => command(server.url, 'KEYS', '*:b')).toEqual([]);
    await expect.poll(() => command(server.url, 'EXISTS', `{mr:${cache}:0}:garbage`)).toBe(0);
    expect(await one.lanes.read(0, 'a')).toBe('3');
    expect([...one.warnings, ...other.warnings]).toEqual([]);
  });

  test('never sends a write twice when the connection breaks under it', async () => {
    await using server = await startRedis();
    await using front = await attach(connect(server.url));
    await front.lanes.recover(0, recovery());
    await front.lanes.write(0, batch({ a: '1' }));
    await command(server.url, 'CLIENT', 'PAUSE', '60000', 'WRITE');
    const writes = Promise.allSettled([
      front.lanes.write(0, batch({ a: '2' })),
      front.lanes.write(0, batch({ a: '3' })),
    ]);
    await expect.poll(async () => String(await command(server.url, 'INFO', 'clients'))).toMatch(/blocked_clients:1/);
    await command(server.url, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await command(server.url, 'CLIENT', 'UNPAUSE');
    for (const write of await writes)
      expect(write).toMatchObject({ status: 'rejected', reason: { code: 'MILLRACE_FRONT_UNAVAILABLE' } });
    expect(await front.lanes.read(0, 'a')).toBe('1');
    expect(await front.lanes.header(0)).toMatchObject({ current: true, header: { seq: 1 } });
    expect(await front.lanes.write(0, batch({ a: '4' }))).toMatchObject({ kind: 'accepted', seq: 2 });
  });

  test('gives up on a server that does not answer, and goes on when it does', async () => {
    await using server = await startRedis();
    await using front = await attach(connect(server.url), {}, 400);
    await front.lanes.recover(0, recovery());
    process.kill(server.pid, 'SIGSTOP');
    await expect(front.lanes.write(0, batch({ a: '1' }))).rejects.toMatchObject({ code: 'MILLRACE_FRONT_UNAVAILABLE' });
    await expect(front.lanes.read(0, 'a')).rejects.toMatchObject({ code: 'MILLRACE_FRONT_UNAVAILABLE' });
    process.kill(server.pid, 'SIGCONT');
    await expect.poll(() => front.lanes.read(0, 'a')).toBe('1');
  });

  test('gives up on a server that stays away', async () => {
    await using server = await startRedis();
    await using front = await attach(connect(server.url), {}, 400);
    await front.lanes.recover(0, recovery());
    await server.kill9();
    await expect(front.lanes.read(0, 'a')).rejects.toMatchObject({ code: 'MILLRACE_FRONT_UNAVAILABLE' });
    await expect(front.lanes.write(0, batch({ a: '1' }))).rejects.toMatchObject({ code: 'MILLRACE_FRONT_UNAVAILABLE' });
  });

  test('says within a second that nobody is there, and not with which password', async () => {
    const started = performance.now();
    const error = await attach(connect('redis://user:s3cret@127.0.0.1:1')).catch((error: unknown) => error as Error);
    expect(error).toMatchObject({ code: 'MILLRACE_FRONT_UNAVAILABLE' });
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(String(error) + JSON.stringify(error) + String((error as Error).cause)).not.toContain('s3cret');
    expect(String(error)).toContain('ECONNREFUSED');
  });

  test('is full when the server has no memory left, while what makes room goes on', async () => {
    await using server = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
    await using front = await attach(connect(server.url));
    await front.lanes.recover(0, recovery());
    await front.lanes.write(0, batch({ a: '1', b: '~' }));
    await command(server.url, 'CONFIG', 'SET', 'maxmemory', '1');
    expect(await front.lanes.write(0, batch({ c: '1' }))).toMatchObject({
      kind: 'full',
      entries: 2,
      refused: [0],
      outOfMemory: true,
    });
    expect(await front.lanes.read(0, 'c')).toBeUndefined();
    expect(await front.lanes.beginFill(0, ['c'], 't', 1_000)).toEqual({ kind: 'slots', slots: ['?'] });
    expect(await front.lanes.claim(0, 'me', 1_000)).toMatchObject({ held: true });
    expect(await front.lanes.cut(0, 1, 'd')).toMatchObject({ kind: 'cut', flight: { entries: 2 } });
    expect(await front.lanes.readGeneration(0, 1, 1, '', 10)).toMatchObject({ kind: 'rows', next: '' });
    expect(
      await front.lanes.acknowledge(0, { epoch: 1, generation: 1, deadKeys: ['a'], ttlMs: 1_000, limit: 10 }),
    ).toMatchObject({ kind: 'done' });
    expect(await front.lanes.beginIntent(0, ['c'], 'w', 1_000)).toEqual({ kind: 'done' });
    expect(await front.lanes.finishIntent(0, ['c'], 'w', ['1'], [undefined])).toEqual({ kind: 'done' });
    expect(await front.lanes.read(0, 'c')).toBeUndefined();
    await front.lanes.release(0, 'me');
    expect(await front.lanes.recover(0, recovery({ epoch: 2, generation: 1, seq: 3 }))).toMatchObject({
      kind: 'current',
    });
  });

  test('shares its connections until the last cache is closed', async () => {
    await using server = await startRedis();
    const client = connect(server.url);
    const front = redisFront({ client });
    const [one, other] = await Promise.all([front.attach(attachment()), front.attach(attachment())]);
    const connections = async () =>
      Number(/connected_clients:(\d+)/.exec(String(await command(server.url, 'INFO', 'clients')))?.[1]) - 1;
    expect(await connections()).toBe(1);
    await one.close();
    await one.close();
    await expect(one.read(0, 'a')).rejects.toMatchObject({ code: 'MILLRACE_CLOSED' });
    expect(await other.read(0, 'a')).toBe(UNRECOVERED);
    await other.close();
    await expect.poll(connections).toBe(0);
  });
});

describe('what the Redis front refuses', () => {
  test('a server that may evict what is not stored', async () => {
    await using server = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] });
    const client = clients['node-redis'](server.url);
    await expect(attach(client)).rejects.toMatchObject({
      code: 'MILLRACE_FRONT_SETTINGS',
      message: expect.stringMatching(/volatile-lru/),
    });
    await using front = await attach(client, { writeBehind: false });
    expect(await front.lanes.adopt(0)).toMatchObject({ kind: 'adopted' });
  });

  test('a level that the server does not give', async () => {
    await using synced = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] });
    await expect(attach(clients['node-redis'](redisUrl()), { acks: ['fsynced'] })).rejects.toMatchObject({
      code: 'MILLRACE_ACK',
    });
    await expect(attach(clients['node-redis'](redisUrl()), { acks: ['replicated'] })).rejects.toMatchObject({
      code: 'MILLRACE_ACK',
    });
    const version = Number(/redis_version:(\d+\.\d+)/.exec(String(await command(synced.url, 'INFO', 'server')))?.[1]);
    const refused = await attach(clients['node-redis'](synced.url), { acks: ['fsynced'] }).then(
      (front) => front.lanes.close(),
      (error: { code: string }) => error.code,
    );
    expect(refused).toBe(version < 7.2 ? 'MILLRACE_ACK' : undefined);
  });

  test.each([1, 3])('a cache of two lanes with %i', async (lanes) => {
    const cache = uniqueCache();
    await using front = await attach(clients['node-redis'](redisUrl()), { cache });
    for (const lane of [0, 1]) await front.lanes.recover(lane, recovery());
    await expect(attach(clients.ioredis(redisUrl()), { cache, lanes })).rejects.toMatchObject({
      code: 'MILLRACE_LANES',
    });
  });

  test('what is no client, and a prefix that would break the hash tag', () => {
    expect(() => redisFront({ client: {} as never })).toThrow(/client/);
    expect(() => redisFront({ client: clients['node-redis'](redisUrl()), prefix: '{x}' })).toThrow(/prefix/);
  });
});
