import type { StandardSchemaV1 } from '@standard-schema/spec';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cache } from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { eventually, Gate } from '../support/gate.ts';
import { frontKinds, NEVER, Stage } from '../support/stage.ts';
import { expectRefusal } from './refusal.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

describe.each(frontKinds)('keys and values on the %s front', (kind) => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;

  test.each([
    ['a BigInt', 10n, /BigInt/],
    ['a cycle', cycle, /circular/i],
    ['NaN, nested', { a: [{ b: Number.NaN }] }, /a\[0\]\.b is NaN, which JSON turns into null/],
    ['Infinity', Number.POSITIVE_INFINITY, /Infinity/],
    ['undefined', undefined, /undefined has no JSON form/],
    ['a function', () => 1, /function has no JSON form/],
    ['a symbol', Symbol('s'), /symbol has no JSON form/],
    ['a Map', new Map([['a', 1]]), /Map/],
    ['a Set, nested', { set: new Set([1]) }, /set is a Set/],
    ['undefined in an array', [1, undefined], /\[1\] is undefined/],
    ['NUL, which PostgreSQL does not hold', { text: 'a\u0000b' }, /store cannot hold/],
    ['half of a surrogate pair', { text: '\ud800' }, /store cannot hold/],
    ['1 MiB and a bit', 'x'.repeat(2 ** 20), /1048578 bytes as JSON; 1048576 are allowed \(option maxValueBytes\)/],
    ['1 MiB of two-byte characters', 'é'.repeat(2 ** 19), /1048578 bytes/],
  ])('value: %s', async (_, value, says) => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<unknown>({ store: table.store(), flush: NEVER });
    await cache.set('k', 'before');
    await expectRefusal(() => cache.set('k', value), 'MILLRACE_VALUE', says, /key "k"/);
    // With one of many, none of them is written.
    await expectRefusal(
      () =>
        cache.setMany([
          ['other', 1],
          ['k', value],
        ]),
      'MILLRACE_VALUE',
      says,
    );
    await expectRefusal(
      () => cache.getOrLoad('loaded', () => (value === undefined ? Number.NaN : value)),
      'MILLRACE_VALUE',
    );
    await cache.flush();
    expect(Object.fromEntries(await cache.getMany(['k', 'other', 'loaded']))).toEqual({ k: 'before' });
    expect(await table.stored()).toEqual({ k: 'before' });
  });

  test('keys that are none', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<unknown>({ store: table.store(), flush: NEVER });
    const faults: [unknown, RegExp][] = [
      ['', /must not be empty/],
      ['k'.repeat(513), /may have 512 bytes of UTF-8.*has 513\. Use a hash of it/],
      ['é'.repeat(257), /has 514/],
      ['a\0b', /must not contain NUL/],
      ['a\ud800', /half of a surrogate pair/],
      [17, /must be a string, not number/],
      [undefined, /must be a string, not undefined/],
      [{}, /must be a string, not object/],
    ];
    for (const [key, says] of faults) {
      const bad = key as string;
      await expectRefusal(() => cache.set(bad, 1), 'MILLRACE_KEY', says);
      await expectRefusal(() => cache.get(bad), 'MILLRACE_KEY', says);
      await expectRefusal(() => cache.has(bad), 'MILLRACE_KEY', says);
      await expectRefusal(() => cache.delete(bad), 'MILLRACE_KEY', says);
      await expectRefusal(() => cache.inspect(bad), 'MILLRACE_KEY', says);
      await expectRefusal(() => cache.getMany(['fine', bad]), 'MILLRACE_KEY', says);
      await expectRefusal(
        () =>
          cache.setMany([
            ['fine', 1],
            [bad, 1],
          ]),
        'MILLRACE_KEY',
        says,
      );
      await expectRefusal(() => cache.deleteMany(['fine', bad]), 'MILLRACE_KEY', says);
    }
    expect((await cache.stats()).accepted).toBe(0);
    // The longest key is one.
    await cache.set('k'.repeat(512), 1);
    await cache.flush();
    expect(await table.count()).toBe(1);
  });

  test('names that are special to JavaScript survive as keys and inside values', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<unknown>({ store: table.store(), flush: NEVER, ttl: 1 });
    const value: unknown = JSON.parse(
      '{"__proto__": {"polluted": true}, "constructor": {"prototype": 1}, "toString": 2}',
    );
    // As pairs: comparing objects looks at prototypes too.
    const pairs = (object: unknown): string => JSON.stringify(Object.entries(object as object).toSorted());
    const keys = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'];
    for (const key of keys) await cache.set(key, value);
    const expectAll = async (): Promise<void> => {
      const found = await cache.getMany(keys);
      for (const key of keys) {
        expect(pairs(found.get(key))).toBe(pairs(value));
        expect(pairs(await cache.get(key))).toBe(pairs(value));
      }
    };
    await expectAll();
    await cache.flush();
    expect(await table.count()).toBe(keys.length);
    // From the store.
    await expectAll();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    await cache.deleteMany(keys);
    expect(await cache.has('__proto__')).toBe(false);
    await cache.flush();
    expect(await table.count()).toBe(0);
  });

  test('a value that the schema refuses is not acknowledged; one that it changes is written as changed', async () => {
    await using stage = await Stage.on(kind);
    const schema: StandardSchemaV1<unknown, { n: number }> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value) => {
          const n = Number((value as { n: unknown }).n);
          return Number.isInteger(n) ? { value: { n } } : { issues: [{ message: 'not a whole number', path: ['n'] }] };
        },
      },
    };
    const cache = await stage.open<{ n: number }>({ store: table.store(), flush: NEVER, schema });
    await expectRefusal(
      () => cache.set('k', { n: 1.5 }),
      'MILLRACE_VALUE',
      /schema refuses the value of key "k": n: not a whole number/,
    );
    await expectRefusal(
      () =>
        cache.setMany([
          ['a', { n: 1 }],
          ['k', { n: 1.5 }],
        ]),
      'MILLRACE_VALUE',
    );
    expect((await cache.stats()).accepted).toBe(0);
    await cache.set('k', { n: '2' } as unknown as { n: number });
    expect(await cache.get('k')).toEqual({ n: 2 });
  });

  test('a signal that is aborted', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), flush: NEVER });
    await expectRefusal(() => cache.set('k', 1, { signal: AbortSignal.abort() }), 'MILLRACE_ABORTED', /gave up/);
    await expectRefusal(() => cache.delete('k', { signal: AbortSignal.abort() }), 'MILLRACE_ABORTED');
    expect((await cache.stats()).accepted).toBe(0);
    // While it waits for the store: the write is in the front and will be stored.
    await cache.pause();
    const controller = new AbortController();
    const waiting = expectRefusal(
      () => cache.set('k', 2, { ack: 'stored', signal: controller.signal }),
      'MILLRACE_ABORTED',
      /may still happen/,
    );
    const flushing = expectRefusal(() => cache.flush({ signal: controller.signal }), 'MILLRACE_ABORTED');
    await eventually('the front has the write', async () => (await cache.stats()).accepted === 1);
    controller.abort();
    await Promise.all([waiting, flushing]);
    expect(await cache.get('k')).toBe(2);
    await cache.resume();
    await cache.flush();
    expect(await table.stored()).toEqual({ k: 2 });
  });

  test('another number of lanes than the cache has', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), flush: NEVER, lanes: 4, name: `lanes-${kind}` });
    await cache.set('k', 1);
    // The store's table knows it, and so does the front's side, whose store is empty.
    await expectRefusal(
      () => stage.open({ store: table.store(), lanes: 8, name: `lanes-${kind}` }),
      'MILLRACE_LANES',
      /4 lanes in the store/,
    );
    await expectRefusal(
      () => stage.open({ store: new MemoryStore(), lanes: 2, name: `lanes-${kind}` }),
      'MILLRACE_LANES',
      /4 lanes/,
    );
    expect(await cache.get('k')).toBe(1);
    await cache.flush();
    expect(await table.stored()).toEqual({ k: 1 });
  });

  test('another policy while writes are pending', async () => {
    await using stage = await Stage.on(kind);
    const front = stage.place.front();
    const behind = await stage.open<number>({ front, store: table.store(), flush: false });
    await behind.set('k', 1);
    expect((await behind.close({ timeout: 1 })).remaining).toBe(1);
    for (const policy of ['write-through', 'cache-aside'] as const) {
      await expectRefusal(
        () => stage.open({ front, store: table.store(), policy }),
        'MILLRACE_OPTIONS',
        /1 pending writes from a write-behind policy. Drain it with policy: 'write-behind'/,
      );
    }
    const drain = await stage.open<number>({ front, store: table.store(), flush: NEVER });
    await drain.flush();
    await drain.close();
    const through = await stage.open<number>({ front, store: table.store(), policy: 'write-through' });
    expect(await through.get('k')).toBe(1);
  });

  test('a cache that is closed, also while it closes', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const store = new MemoryStore({ beforeCommit: () => gate.pass() });
    const cache: Cache<number> = await stage.open<number>({ store, flush: NEVER });
    await cache.set('k', 1);
    const operations: (() => Promise<unknown>)[] = [
      () => cache.ready(),
      () => cache.get('k'),
      () => cache.getMany(['k']),
      () => cache.has('k'),
      () => cache.getOrLoad('x', () => 1),
      () => cache.set('k', 2),
      () => cache.setMany([['k', 2]]),
      () => cache.delete('k'),
      () => cache.deleteMany(['k']),
      () => cache.flush(),
      () => cache.inspect('k'),
      () => cache.stats(),
      () => cache.pause(),
      () => cache.resume(),
      () => cache.deadLetters.list(),
      () => cache.set('k', 2, { ack: 'stored' }),
    ];
    const expectClosed = async (): Promise<void> => {
      for (const operation of operations) await expectRefusal(operation, 'MILLRACE_CLOSED', /"c" is closed/);
    };
    const closing = cache.close();
    await gate.arrived;
    await expectClosed().finally(() => gate.open());
    expect(await closing).toEqual({ stored: 1, remaining: 0, dead: 0 });
    await expectClosed();
    expect(store.rows.get('k')).toBe('1');
  });
});
