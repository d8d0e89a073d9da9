import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cache } from '../../src/index.ts';
import { postgresUrl } from '../servers/index.ts';
import { AuditedTable, CONSTRAINT } from '../support/audited-table.ts';
import { eventually } from '../support/gate.ts';
import { type FrontKind, NEVER, Stage } from '../support/stage.ts';

/** What each policy promises about front and store, on every front with PostgreSQL, and on LMDB with PGlite. */
const pairs: readonly { front: FrontKind; store: 'PostgreSQL' | 'PGlite' }[] = [
  { front: 'memory', store: 'PostgreSQL' },
  { front: 'lmdb', store: 'PostgreSQL' },
  { front: 'redis', store: 'PostgreSQL' },
  { front: 'ioredis', store: 'PostgreSQL' },
  { front: 'lmdb', store: 'PGlite' },
];

interface Doc {
  readonly n?: number;
  readonly by?: string;
  readonly bad?: boolean;
}

describe.each(pairs)('$front in front of $store', ({ front, store }) => {
  let table: AuditedTable;
  beforeAll(async () => {
    table = await (store === 'PGlite' ? AuditedTable.onPGlite() : AuditedTable.onPostgres());
  });
  beforeEach(() => table.reset());
  afterAll(() => table[Symbol.asyncDispose]());

  test('write-through: a reader never sees what the store does not hold, or held before the read only', async () => {
    await using stage = await Stage.on(front, 'through');
    const options = { policy: 'write-through', store: table.store() } as const;
    const [one, two, reader] = [
      await stage.open<Doc>(options),
      await stage.open<Doc>(options),
      await stage.open<Doc>(options),
    ];
    await one.set('k', { by: 'start', n: 0 });

    const writers = { done: false };
    const wrong: string[] = [];
    let reads = 0;
    const at = async (doc: unknown): Promise<number> =>
      Number(
        (await table.query('select min(at) as at from {{schema}}.versions where doc = $1', [JSON.stringify(doc)]))[0]?.[
          'at'
        ] ?? Number.NaN,
      );
    const newest = async (): Promise<number> =>
      Number((await table.query('select max(at) as at from {{schema}}.versions'))[0]?.['at']);
    const poll = async (): Promise<void> => {
      while (!writers.done) {
        const before = await newest();
        const seen = await reader.get('k');
        reads++;
        // Asked after the read: what is not committed by now was not when it was read.
        const version = await at(seen);
        // PGlite answers without leaving the queue of microtasks: the writers shall have their turn.
        await new Promise((resolve) => setImmediate(resolve));
        if (!(version >= before))
          wrong.push(`${JSON.stringify(seen)} is version ${version}; ${before} was committed before the read`);
      }
    };
    const write = async (cache: Cache<Doc>, by: string): Promise<void> => {
      for (let n = 1; n <= 60; n++) await cache.set('k', { by, n });
    };
    const polling = Promise.all([poll(), poll(), poll()]);
    await Promise.all([write(one, 'one'), write(two, 'two')]);
    writers.done = true;
    await polling;

    expect(wrong).toEqual([]);
    expect(reads).toBeGreaterThan(20);
    const { k } = await table.stored();
    for (const cache of [one, two, reader]) expect(await cache.get('k')).toEqual(k);
    // Not only because the store was asked: the front holds the same.
    expect((await reader.inspect('k')).front).toBe('value');
    expect(await table.versions('k')).toHaveLength(121);
  });

  test('write-through: a row that is refused rejects only its own caller, and is nowhere', async () => {
    await using stage = await Stage.on(front, 'through');
    const cache = await stage.open<Doc>({ policy: 'write-through', store: table.store() });
    await cache.set('b', { n: 1 });
    await table.query('truncate {{schema}}.statements');
    const results = await Promise.allSettled([
      cache.set('a', { n: 2 }),
      cache.set('b', { bad: true }),
      cache.set('c', { n: 2 }),
      cache.delete('d'),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({
      code: 'MILLRACE_REJECTED',
      cache: 'through',
      key: 'b',
      message: expect.stringContaining(CONSTRAINT) as string,
    });
    expect(await table.stored()).toEqual({ a: { n: 2 }, b: { n: 1 }, c: { n: 2 } });
    // And no reader is led to believe otherwise.
    expect(Object.fromEntries(await cache.getMany(['a', 'b', 'c']))).toEqual({ a: { n: 2 }, b: { n: 1 }, c: { n: 2 } });
  });

  test('the last call of several that nobody waited for is the one that counts, connected or not', async () => {
    await using stage = await Stage.on(front, 'order');
    const cache = stage.create<Doc>({ store: table.store() });
    for (const key of ['before', 'after']) {
      await Promise.all([
        cache.set(key, { by: 'test', n: 1 }, { ttl: '1h' }),
        cache.setMany([[key, { by: 'test', n: 2 }]]),
        cache.delete(key, { ttl: '1h' }),
        cache.deleteMany([key]),
        cache.setMany([[key, { by: 'test', n: 3 }]], { ttl: '1h' }),
        cache.set(key, { by: 'test', n: 4 }),
      ]);
      expect(await cache.get(key)).toEqual({ by: 'test', n: 4 });
      await cache.flush();
    }
    expect(await table.stored()).toEqual({ before: { by: 'test', n: 4 }, after: { by: 'test', n: 4 } });
  });

  test('write-behind: the store is empty when writes are acknowledged, and complete after the flush', async () => {
    await using stage = await Stage.on(front, 'behind');
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER });
    const docs = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${String(n).padStart(2, '0')}`, { n }]));
    for (const [key, doc] of Object.entries(docs)) await cache.set(key, doc);
    expect(await table.count()).toBe(0);
    expect(Object.fromEntries(await cache.getMany(Object.keys(docs)))).toEqual(docs);
    expect((await cache.stats()).pending.entries).toBe(20);
    await cache.flush();
    expect(await table.stored()).toEqual(docs);
    expect((await cache.stats()).pending.entries).toBe(0);
    expect(Object.fromEntries(await cache.getMany(Object.keys(docs)))).toEqual(docs);
    expect((await cache.stats()).loads).toBe(0);
  });

  test('cache-aside: a write empties the slot, the next read fills it', async () => {
    await using stage = await Stage.on(front, 'aside');
    const cache = await stage.open<Doc>({ policy: 'cache-aside', store: table.store() });
    const other = await stage.open<Doc>({ policy: 'cache-aside', store: table.store() });
    await cache.set('k', { n: 1 });
    expect(await table.stored()).toEqual({ k: { n: 1 } });
    expect((await cache.inspect('k')).front).toBe('empty');
    expect(await cache.get('k')).toEqual({ n: 1 });
    await eventually('the read fills the slot', async () => (await cache.inspect('k')).front === 'value');
    expect(await other.get('k')).toEqual({ n: 1 });
    expect((await other.stats()).loads).toBe(0);
    await other.set('k', { n: 2 });
    expect((await cache.inspect('k')).front).toBe('empty');
    expect(await cache.get('k')).toEqual({ n: 2 });
    await cache.delete('k');
    expect(await table.stored()).toEqual({});
    expect(await other.get('k')).toBeUndefined();
  });
});

test.each(['memory', 'lmdb', 'redis', 'ioredis'] as const)(
  'write-through on %s: while the commit waits, readers go on with the old value',
  async (front) => {
    await using table = await AuditedTable.onPostgres();
    await using stage = await Stage.on(front, 'through');
    const writer = await stage.open<Doc>({ policy: 'write-through', store: table.store() });
    const reader = await stage.open<Doc>({ policy: 'write-through', store: table.store() });
    await writer.set('k', { n: 1 });
    const lock = new Client({ connectionString: postgresUrl() });
    await lock.connect();
    await lock.query(`begin; select from ${table.schema}.docs where id = 'k' for update`);
    const written = writer.set('k', { n: 2 });
    await eventually(
      'the writer is on its way to the store',
      async () => (await reader.inspect('k')).state === 'writing',
    );
    for (let i = 0; i < 20; i++) {
      expect(await reader.get('k')).toEqual({ n: 1 });
      expect(await writer.get('k')).toEqual({ n: 1 });
    }
    await lock.query('commit');
    await lock.end();
    await written;
    expect(await reader.get('k')).toEqual({ n: 2 });
    expect((await reader.inspect('k')).front).toBe('value');
  },
);
