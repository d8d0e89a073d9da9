import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RedisFrontOptions, redisFront } from '../../src/fronts/redis/index.ts';
import { type Cache, type CacheEvents, createCache, type Receipt } from '../../src/index.ts';
import { redisUrl, startRedis } from '../servers/index.ts';
import { AuditedTable, CONSTRAINT, watched } from '../support/audited-table.ts';
import { uniquePrefix } from '../support/fronts.ts';
import { eventually, Gate } from '../support/gate.ts';
import { codeOf } from '../support/outcome.ts';
import { frontKinds, NEVER, Stage } from '../support/stage.ts';

interface Doc {
  readonly n?: number;
  readonly bad?: boolean;
}

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(async () => {
  await table.query(`alter table {{schema}}.docs drop constraint if exists ${CONSTRAINT}`);
  await table.reset();
  await table.query(`alter table {{schema}}.docs add constraint ${CONSTRAINT} check (doc ->> 'bad' is null)`);
});
afterAll(() => table[Symbol.asyncDispose]());

describe.each(frontKinds)('on the %s front', (kind) => {
  test("ack 'stored' is answered when SQL sees the row, and does not wait for the schedule", async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER });
    await cache.set('buffered', { n: 1 });
    expect(await table.stored()).toEqual({});
    await cache.set('stored', { n: 2 }, { ack: 'stored' });
    expect((await table.stored())['stored']).toEqual({ n: 2 });
    await cache.delete('stored', { ack: 'stored' });
    expect((await table.stored())['stored']).toBeUndefined();
    const strict = await stage.open<Doc>({ store: table.store(), flush: NEVER, name: 'strict', ack: 'stored' });
    await strict.set('by default', { n: 3 });
    expect((await table.stored())['by default']).toEqual({ n: 3 });
  });

  test('a receipt is stored after the commit and not before, or when a later write of its key is', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await stage.open<Doc>({
      store: watched(table.store(), { beforeApply: () => gate.pass() }),
      flush: NEVER,
    });
    const first = await cache.set('k', { n: 1 });
    const second = await cache.set('k', { n: 2 });
    const settled: string[] = [];
    const stored = Promise.all([
      first.stored().then(() => settled.push('first')),
      second.stored().then(() => settled.push('second')),
    ]);
    const flushed = cache.flush();
    await gate.arrived;
    expect(settled).toEqual([]);
    gate.open();
    await Promise.all([stored, flushed]);
    expect(await table.versions('k')).toEqual([{ n: 2 }]);
    // Late questions are answered as well.
    await first.stored();
  });

  test('a row that breaks a constraint becomes a dead letter, and its neighbours are stored', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER });
    const dead: CacheEvents['dead-letter'][] = [];
    cache.on('dead-letter', (event) => dead.push(event));
    await cache.set('b', { n: 1 });
    await cache.flush();

    const receipts: Receipt[] = await Promise.all([
      cache.set('a', { n: 2 }),
      cache.set('b', { bad: true }),
      cache.set('c', { n: 2 }),
    ]);
    await cache.flush();
    expect(await Promise.all(receipts.map((receipt) => codeOf(receipt.stored())))).toEqual([
      'resolved',
      'MILLRACE_REJECTED',
      'resolved',
    ]);
    expect(await codeOf(cache.set('d', { bad: true }, { ack: 'stored' }))).toBe('MILLRACE_REJECTED');
    expect(await table.stored()).toEqual({ a: { n: 2 }, b: { n: 1 }, c: { n: 2 } });
    expect(dead.map(({ key, code }) => ({ key, code }))).toEqual([
      { key: 'b', code: '23514' },
      { key: 'd', code: '23514' },
    ]);
    expect(dead[0]?.message).toContain(CONSTRAINT);

    // Readers are told what the store holds, not what it refused.
    expect(await cache.get('b')).toEqual({ n: 1 });
    expect(await cache.get('d')).toBeUndefined();
    expect(await cache.inspect('b')).toMatchObject({ state: 'dead', deadLetter: { code: '23514' } });
    expect((await cache.stats()).dead).toBe(2);

    const letters = await cache.deadLetters.list();
    expect(letters).toMatchObject([
      { key: 'b', kind: 'put', value: { bad: true }, code: '23514', attempts: expect.any(Number) as number },
      { key: 'd', kind: 'put', value: { bad: true } },
    ]);
    const [b, d] = letters.map(({ id }) => ({ id })) as [{ id: string }, { id: string }];
    expect(await cache.deadLetters.get(b.id)).toEqual(letters[0]);
    expect(await cache.deadLetters.list({ limit: 1, after: b.id })).toEqual([letters[1]]);

    await table.query(`alter table {{schema}}.docs drop constraint ${CONSTRAINT}`);
    const redrive = await cache.deadLetters.redrive(b.id);
    expect(redrive.outcome).toBe('redriven');
    expect(await cache.get('b')).toEqual({ bad: true });
    await cache.flush();
    if (redrive.outcome === 'redriven') await redrive.receipt.stored();
    await cache.deadLetters.discard(d.id);
    expect(await table.stored()).toEqual({ a: { n: 2 }, b: { bad: true }, c: { n: 2 } });
    expect(await cache.deadLetters.list()).toEqual([]);
    expect(await codeOf(cache.deadLetters.redrive(b.id))).toBe('MILLRACE_KEY');
    expect(await codeOf(cache.deadLetters.discard(d.id))).toBe('MILLRACE_KEY');
    expect(await cache.inspect('b')).toMatchObject({ state: 'stored', deadLetter: undefined });
  });

  test('a letter is not redriven over a later write of its key', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER });
    await cache.set('k', { bad: true });
    await cache.flush();
    await cache.set('k', { n: 2 });
    const [letter] = await cache.deadLetters.list();
    expect(await cache.deadLetters.redrive(letter?.id ?? '')).toEqual({ outcome: 'superseded' });
    await cache.flush();
    expect(await table.stored()).toEqual({ k: { n: 2 } });
  });

  test('a dirty entry has no expiry; a clean one has its own or the default', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, ttl: '1h' });
    await cache.set('default', { n: 1 });
    await cache.set('own', { n: 1 }, { ttl: '5m' });
    const ttls = async (): Promise<(number | undefined)[]> =>
      Promise.all(['default', 'own'].map(async (key) => (await cache.inspect(key)).frontTtlMs));
    expect(await ttls()).toEqual([undefined, undefined]);
    await cache.flush();
    const [byDefault, own] = (await ttls()) as [number, number];
    expect(byDefault).toBeGreaterThan(3_500_000);
    expect(byDefault).toBeLessThanOrEqual(3_600_000);
    expect(own).toBeGreaterThan(290_000);
    expect(own).toBeLessThanOrEqual(300_000);
    // Dirty again: whatever its expiry was, it has none now, and the next one is the default.
    await cache.set('own', { n: 2 });
    expect((await ttls())[1]).toBeUndefined();
    await cache.flush();
    expect((await ttls())[1]).toBeGreaterThan(3_500_000);
  });
});

test('Redis itself says that dirty entries do not expire, and clean ones do', async () => {
  const prefix = uniquePrefix();
  const client = createClient({ url: redisUrl() });
  await client.connect();
  await using stage = await Stage.on('redis');
  const cache = await stage.open<Doc>({
    front: redisFront({ client, prefix }),
    store: table.store(),
    flush: NEVER,
    ttl: '1h',
  });
  await cache.set('default', { n: 1 });
  await cache.set('own', { n: 1 }, { ttl: '5m' });
  const keys = await client.keys(`{${prefix}*`);
  const slotOf = (key: string): string => keys.find((name) => name.endsWith(`:${key}`)) ?? 'not found';
  const ttls = (): Promise<number[]> =>
    Promise.all(['default', 'own'].map(async (key) => Number(await client.pTTL(slotOf(key)))));
  expect(await client.get(slotOf('own'))).toBe('{"n":1}');
  expect(await ttls()).toEqual([-1, -1]);
  await cache.flush();
  const [byDefault, own] = (await ttls()) as [number, number];
  expect(byDefault).toBeGreaterThan(3_500_000);
  expect(own).toBeGreaterThan(290_000);
  expect(own).toBeLessThanOrEqual(300_000);
  client.destroy();
});

describe("'fsynced'", () => {
  test('is what LMDB gives by default', async () => {
    await using stage = await Stage.on('lmdb');
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, ack: 'fsynced' });
    await cache.set('k', { n: 1 });
    await cache.set('l', { n: 1 }, { ack: 'fsynced' });
    expect(await table.stored()).toEqual({});
    expect(Object.fromEntries(await cache.getMany(['k', 'l']))).toEqual({ k: { n: 1 }, l: { n: 1 } });
  });

  test('is refused by the memory front when the cache is made, and for a single write', async () => {
    await using stage = await Stage.on('memory');
    expect(() => stage.create({ store: table.store(), ack: 'fsynced' })).toThrow(
      /ack 'fsynced' cannot be given by the memory front, which offers 'buffered', 'stored'/,
    );
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER });
    expect(await codeOf(cache.set('k', { n: 1 }, { ack: 'fsynced' }))).toBe('MILLRACE_ACK');
    expect(await cache.get('k')).toBeUndefined();
  });

  test.each(['redis', 'ioredis'] as const)(
    'is refused at start by a %s front whose server keeps no append-only file',
    async (kind) => {
      await using stage = await Stage.on(kind);
      const cache = stage.create<Doc>({ store: table.store(), ack: 'fsynced' });
      const error = await cache.ready().catch((error: unknown) => error);
      expect(error).toMatchObject({ code: 'MILLRACE_ACK', message: expect.stringContaining('appendonly') as string });
      expect(await codeOf(cache.set('k', { n: 1 }))).toBe('MILLRACE_ACK');
      expect(await table.stored()).toEqual({});
    },
  );

  test('survives a sudden end of a Redis that syncs its append-only file always', async () => {
    await using redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    await using stage = await Stage.on('memory');
    const client = createClient({ url: redis.url });
    const cache = await stage.open<Doc>({
      front: redisFront({ client }),
      store: table.store(),
      flush: NEVER,
      ack: 'fsynced',
    });
    const losses: unknown[] = [];
    cache.on('loss', (event) => losses.push(event));
    const receipts = await Promise.all(Array.from({ length: 50 }, (_, n) => cache.set(`k${n}`, { n })));
    await redis.kill9();
    await redis.restart();
    await eventually('the cache goes on', async () => (await codeOf(cache.flush())) === 'resolved');
    await Promise.all(receipts.map((receipt) => receipt.stored()));
    expect(await table.count()).toBe(50);
    expect(losses).toEqual([]);
  });
});

test('a pending value that somebody removes from Redis is counted and named, and its receipt rejects', async () => {
  await using server = await startRedis();
  const client = createClient({ url: server.url });
  await client.connect();
  const cache = stageless(client);
  const losses: CacheEvents['loss'][] = [];
  cache.on('loss', (loss) => losses.push(loss));
  try {
    const [removed, kept] = [await cache.set('removed', { n: 1 }), await cache.set('kept', { n: 2 })];
    const asked = [codeOf(removed.stored()), codeOf(kept.stored())];
    expect(await client.del(await client.keys('*:removed'))).toBe(1);
    await cache.flush();
    expect(await Promise.all(asked)).toEqual(['MILLRACE_LOST', 'resolved']);
    expect(await codeOf(removed.stored())).toBe('MILLRACE_LOST');
    expect(losses).toEqual([{ lane: expect.any(Number) as number, count: 1, cause: 'value-removed' }]);
    expect((await cache.stats()).lost).toBe(1);
    expect(await table.stored()).toEqual({ kept: { n: 2 } });
  } finally {
    await cache.close();
    client.destroy();
  }
});

function stageless(client: RedisFrontOptions['client']): Cache<Doc> {
  return createCache<Doc>({
    name: 'c',
    front: redisFront({ client, prefix: uniquePrefix() }),
    store: table.store(),
    flush: { maxDelay: '1h' },
  });
}
