import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'redis';
import { expect, test } from 'vitest';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { type Cache, type CacheEvents, createCache } from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { type Server, startRedis } from '../servers/index.ts';
import { eventually } from '../support/gate.ts';
import { command, connected } from './redis-fixture.ts';

/** One lane, so that a loss is counted exactly. */
function open(server: Pick<Server, 'url'>, store: MemoryStore, ack: 'buffered' | 'replicated' = 'buffered') {
  const cache: Cache<number> = createCache<number>({
    name: 'recovery',
    front: redisFront({ client: createClient({ url: server.url }) }),
    store,
    ack,
    lanes: 1,
    flush: { maxDelay: '1h', lease: '300ms' },
  });
  const losses: CacheEvents['loss'][] = [];
  const outcomes: string[] = [];
  cache.on('loss', (event) => losses.push(event));
  cache.on('recovered', ({ outcome }) => outcomes.push(outcome));
  return { cache, losses, outcomes };
}

test('a promoted replica has every write that was acknowledged as replicated', async () => {
  await using primary = await startRedis({ waitaof: true, args: ['--repl-diskless-sync-delay', '0'] });
  await using replica = await startRedis({ waitaof: true, args: ['--replicaof', '127.0.0.1', `${primary.port}`] });
  await connected(primary.url, 1);
  const store = new MemoryStore();
  const before = open(primary, store, 'replicated');
  for (let i = 0; i < 100; i++) await before.cache.set(`k${i}`, i);
  await primary.kill9();
  await command(replica.url, 'REPLICAOF', 'NO', 'ONE');
  const after = open(replica, store);
  await after.cache.flush();
  expect(store.rows.size).toBe(100);
  expect(after.outcomes).toEqual(['current']);
  expect(after.losses).toEqual([]);
  await Promise.all([before.cache.close({ timeout: 0 }), after.cache.close()]);
});

test('FLUSHALL with writes pending is counted to the write, and the cache goes on', async () => {
  await using server = await startRedis();
  const store = new MemoryStore();
  const { cache, losses, outcomes } = open(server, store);
  await Promise.all(Array.from({ length: 50 }, (_, i) => cache.set(`stored${i}`, i)));
  await cache.flush();
  const receipts = await Promise.all(Array.from({ length: 70 }, (_, i) => cache.set(`lost${i}`, i)));
  await command(server.url, 'FLUSHALL');
  await cache.set('next', 1);
  await cache.flush();
  await eventually('the loss is reported', () => losses.length > 0);
  expect(losses).toEqual([{ lane: 0, count: 70, cause: 'front-emptied' }]);
  expect((await cache.stats()).lost).toBe(70);
  expect(outcomes.at(-1)).toBe('behind');
  const settled = await Promise.allSettled(receipts.map((receipt) => receipt.stored()));
  expect(
    settled.every((each) => each.status === 'rejected' && (each.reason as { code: string }).code === 'MILLRACE_LOST'),
  ).toBe(true);
  expect(store.rows.size).toBe(51);
  await cache.close();
});

test('what a restart without persistence took is counted to the write', async () => {
  await using server = await startRedis();
  const store = new MemoryStore();
  const { cache, losses, outcomes } = open(server, store);
  await cache.set('stored', 1);
  await cache.flush();
  for (let i = 0; i < 5; i++) await cache.set(`k${i}`, i);
  await server.kill9();
  await server.restart();
  await eventually('the lane is recovered', () => outcomes.includes('behind'));
  expect(losses).toEqual([{ lane: 0, count: 5, cause: 'front-emptied' }]);
  await cache.set('next', 1);
  await cache.flush();
  expect([...store.rows.keys()]).toEqual(['stored', 'next']);
  await cache.close();
});

/**
 * Keeps a copy of what the server has now; what it gives back puts the copy in the place of what the server has then.
 */
async function copyOf(server: Server): Promise<() => Promise<void>> {
  const [file, copy] = ['dump.rdb', 'copy.rdb'].map((name) => join(server.dir, name)) as [string, string];
  await command(server.url, 'SAVE');
  await copyFile(file, copy);
  return async () => {
    await server.kill9();
    await copyFile(copy, file);
    await server.restart();
  };
}

test('an old copy of the front gives back what it has, and what it lacks is counted to the write', async () => {
  await using server = await startRedis();
  const store = new MemoryStore();
  const { cache, losses, outcomes } = open(server, store);
  for (let i = 0; i < 5; i++) await cache.set(`kept${i}`, i);
  const restore = await copyOf(server);
  const receipts = await Promise.all(Array.from({ length: 7 }, (_, i) => cache.set(`late${i}`, i)));
  await restore();
  await eventually('the lane is recovered', () => outcomes.includes('current') && losses.length > 0);
  expect(losses).toEqual([{ lane: 0, count: 7, cause: 'front-lost-tail' }]);
  for (const receipt of receipts) await expect(receipt.stored()).rejects.toMatchObject({ code: 'MILLRACE_LOST' });
  await cache.set('next', 1);
  await cache.flush();
  expect([...store.rows.keys()].toSorted()).toEqual(['kept0', 'kept1', 'kept2', 'kept3', 'kept4', 'next']);
  expect((await cache.stats()).lost).toBe(7);
  await cache.close();
});

test('an old copy of the front, behind the store, gives back nothing: no old value is served or stored', async () => {
  await using server = await startRedis();
  const store = new MemoryStore();
  const { cache, losses, outcomes } = open(server, store);
  for (let i = 0; i < 5; i++) await cache.set(`k${i}`, i);
  const restore = await copyOf(server);
  for (let i = 0; i < 5; i++) await cache.set(`k${i}`, 100 + i);
  await cache.flush();
  for (let i = 0; i < 3; i++) await cache.set(`k${i}`, 200 + i);
  await restore();
  await eventually('the lane is recovered', () => outcomes.includes('behind') && losses.length > 0);
  expect(losses).toEqual([{ lane: 0, count: 3, cause: 'front-lost-tail' }]);
  expect(await cache.getMany(['k0', 'k4'])).toEqual(
    new Map([
      ['k0', 100],
      ['k4', 104],
    ]),
  );
  await cache.flush();
  expect(store.versions.get('k0')).toEqual(['100']);
  expect((await cache.stats()).lost).toBe(3);
  await cache.close();
});
