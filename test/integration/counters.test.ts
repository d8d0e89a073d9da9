import { PGlite } from '@electric-sql/pglite';
import { describe, expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { type Counters, createCounters } from '../../src/index.ts';
import type { CountersOptions } from '../../src/options/counters.ts';
import type { Front } from '../../src/ports/front.ts';
import { postgresCounters } from '../../src/stores/postgres/index.ts';
import { eventually } from '../support/gate.ts';
import { errorOf } from './postgres-fixture.ts';
import { shapeTables, withFronts } from './shape-fixture.ts';

const NEVER = { maxDelay: '1h', lease: '300ms' } as const;

const tables = shapeTables('counts', 'key text primary key, count bigint');

const storeOf = (name: string) =>
  postgresCounters({ pool: tables.schema.pool, table: name, key: 'key', count: 'count' });
const rowsOf = async (name: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await tables.schema.rows(`select key, count::text from ${name} order by key`)).map(({ key, count }) => [
      key,
      count,
    ]),
  ) as Record<string, string>;

describe.each(['memory', 'lmdb', 'redis', 'ioredis'] as const)('counters on the %s front', (kind) => {
  async function on<T>(
    run: (name: string, open: (options?: Partial<CountersOptions>) => Promise<Counters<number>>) => Promise<T>,
  ): Promise<T> {
    const name = await tables.table();
    const create = (front: Front, options: Partial<CountersOptions>) =>
      createCounters({ name, front, store: storeOf(name), flush: NEVER, ...options } as CountersOptions & {
        bigint?: false;
        scale?: undefined;
      });
    return withFronts(kind, create, (open) =>
      run(name, async (options) => {
        const counters = open(options);
        await counters.ready();
        return counters;
      }),
    );
  }

  test('10,000 increments of a key are one row update, and each is told its own total', () =>
    on(async (name, open) => {
      await tables.schema.pool.query(`insert into ${name} values ('hot', 5)`);
      const counters = await open();
      const totals = await Promise.all(Array.from({ length: 10_000 }, () => counters.increment('hot')));
      expect([...totals].sort((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 6));
      expect(await rowsOf(name)).toEqual({ hot: '5' });
      await counters.flush();
      expect(await rowsOf(name)).toEqual({ hot: '10005' });
      expect(await counters.stats()).toMatchObject({
        accepted: 10_000,
        stored: 1,
        coalesced: 9_999,
        statements: 1,
        pending: { entries: 0 },
      });
    }));

  test('two processes see each other, also while a flush is in flight', () =>
    on(async (name, open) => {
      await tables.schema.pool.query(`insert into ${name} values ('a', 100)`);
      const one = await open();
      // The memory front belongs to one process.
      const two = kind === 'memory' ? one : await open({ flush: false });
      await one.add('a', 10);
      const receipt = await two.add('b', 7);
      const blocker = await tables.schema.pool.connect();
      try {
        await blocker.query(`begin; select * from ${name} where key = 'a' for update`);
        const flushed = one.flush();
        await eventually('a flush waits for the row', async () => (await two.inspect('a')).state === 'in-flight');
        expect(await two.get('a')).toBe(110);
        expect(await two.increment('a', 1)).toBe(111);
        expect(await one.increment('a', 1)).toBe(112);
        expect(await rowsOf(name)).toMatchObject({ a: '100' });
        await blocker.query('commit');
        await flushed;
      } finally {
        // A lock that a failure left behind goes with its connection.
        blocker.release(true);
      }
      await receipt.stored();
      expect(await two.getMany(['a', 'b', 'none'])).toEqual(
        new Map([
          ['a', 112],
          ['b', 7],
          ['none', 0],
        ]),
      );
      await one.flush();
      expect(await rowsOf(name)).toEqual({ a: '112', b: '7' });
    }));

  test('totals are right whenever they are loaded, however often they are forgotten', () =>
    on(async (name, open) => {
      // Each read loads: a total is kept for a millisecond.
      const counters = await open({ ttl: 1, flush: { maxDelay: 5 } });
      let expected = 0;
      for (let round = 0; round < 60; round++) {
        await counters.add('a', round);
        expected += round;
        expect(await counters.get('a')).toBe(expected);
        if (round % 10 === 9) await counters.flush();
      }
      await counters.flush();
      expect(await rowsOf(name)).toEqual({ a: `${expected}` });
    }));

  test('an increment that does not want its total asks nothing of the store', () =>
    on(async (_name, open) => {
      const counters = await open();
      await Promise.all(Array.from({ length: 100 }, (_, i) => counters.add(`k${i}`)));
      expect(await counters.stats()).toMatchObject({ loads: 0, accepted: 100, pending: { entries: 100 } });
    }));

  test('the buffer takes so many keys, however many increments of them', () =>
    on(async (_name, open) => {
      const counters = await open({ backpressure: { maxEntries: 10, onFull: 'reject' } });
      const results = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => counters.add(`k${i % 20}`)));
      expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(10);
      expect((await counters.stats()).pending.entries).toBe(10);
      const refused = results.find((result) => result.status === 'rejected');
      expect(refused?.reason).toMatchObject({ code: 'MILLRACE_FULL' });
      await counters.flush();
      await counters.add('room again');
    }));

  test('who waits for room gets it', () =>
    on(async (name, open) => {
      const counters = await open({ backpressure: { maxEntries: 5 }, flush: { maxDelay: 20 } });
      await Promise.all(Array.from({ length: 100 }, (_, i) => counters.add(`k${i}`, i)));
      await counters.flush();
      expect(Object.values(await rowsOf(name)).reduce((sum, count) => sum + Number(count), 0)).toBe(4_950);
    }));

  test('what the store refuses is kept, counts nobody else out, and can be redriven', () =>
    on(async (name, open) => {
      await tables.schema.pool.query(`alter table ${name} add constraint small check (count < 100)`);
      const counters = await open({ retry: { attempts: 1 } });
      expect(await Promise.all([counters.increment('bad', 60), counters.increment('good', 1)])).toEqual([60, 1]);
      await counters.flush();
      const receipts = [await counters.add('bad', 50), await counters.add('good', 1)] as const;
      await counters.flush();
      await expect(receipts[0].stored()).rejects.toMatchObject({ code: 'MILLRACE_REJECTED' });
      await receipts[1].stored();
      // What was refused is in no total any more, and what comes after it is added for itself.
      expect(await counters.get('bad')).toBe(60);
      expect(await counters.increment('bad', 1)).toBe(61);
      await counters.add('bad', 45);
      await counters.flush();
      const letters = await counters.deadLetters.list();
      expect(letters.map(({ key, kind, value, code }) => ({ key, kind, value, code }))).toEqual([
        { key: 'bad', kind: 'delta', value: 50, code: '23514' },
        { key: 'bad', kind: 'delta', value: 46, code: '23514' },
      ]);
      await tables.schema.pool.query(`alter table ${name} drop constraint small`);
      // The earlier one too: a later increment does not replace it.
      for (const { id } of letters)
        expect(await counters.deadLetters.redrive(id)).toMatchObject({ outcome: 'redriven' });
      expect(await counters.get('bad')).toBe(156);
      expect(await rowsOf(name)).toEqual({ bad: '156', good: '2' });
    }));
});

describe('numbers', () => {
  const open = async (columns: string, options: Partial<CountersOptions>) => {
    const name = await tables.table(columns);
    const counters = createCounters({
      name,
      front: memoryFront(),
      store: storeOf(name),
      flush: NEVER,
      ...options,
    } as CountersOptions & { bigint: true });
    return { name, counters: counters as unknown as Counters<number | bigint | string> };
  };

  test('are exact to 64 bits as bigints', async () => {
    const { name, counters } = await open('key text primary key, count bigint', { bigint: true });
    expect(await counters.increment('a', 9_007_199_254_740_993n)).toBe(9_007_199_254_740_993n);
    expect(await counters.increment('a', '9007199254740993')).toBe(18_014_398_509_481_986n);
    expect(await errorOf(counters.increment('a', 9_200_000_000_000_000_000n))).toMatchObject({
      code: 'MILLRACE_VALUE',
    });
    expect(await counters.get('a')).toBe(18_014_398_509_481_986n);
    await counters.close();
    expect(await rowsOf(name)).toEqual({ a: '18014398509481986' });
  });

  test('are never rounded', async () => {
    const { name, counters } = await open('key text primary key, count bigint', {});
    expect(await counters.increment('a', Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
    expect(await errorOf(counters.increment('a', 1))).toMatchObject({ code: 'MILLRACE_VALUE' });
    for (const by of [0.5, 2 ** 53, Number.NaN, 'x', '1.5', '', Number.POSITIVE_INFINITY, null, {}]) {
      expect(await errorOf(counters.increment('b', by as number))).toMatchObject({ code: 'MILLRACE_VALUE' });
    }
    expect(await counters.increment('a', -1)).toBe(Number.MAX_SAFE_INTEGER - 1);
    await tables.schema.pool.query(`insert into ${name} values ('large', 9007199254740992)`);
    expect(await errorOf(counters.get('large'))).toMatchObject({ code: 'MILLRACE_VALUE' });
    await counters.close();
    expect(await rowsOf(name)).toEqual({ a: '9007199254740990', large: '9007199254740992' });
  });

  test('are decimals on demand', async () => {
    const { name, counters } = await open('key text primary key, count numeric(20, 4)', { scale: 2 });
    expect(await counters.increment('a', 0.1)).toBe('0.10');
    expect(await counters.increment('a', '0.2')).toBe('0.30');
    expect(await counters.increment('a', -1n)).toBe('-0.70');
    expect(await errorOf(counters.increment('a', 0.001))).toMatchObject({ code: 'MILLRACE_VALUE' });
    await counters.flush();
    expect(await rowsOf(name)).toEqual({ a: '-0.7000' });
    await tables.schema.pool.query(`update ${name} set count = 1.005`);
    await counters.close();
  });
});

describe('tables', () => {
  const refusal = async (columns: string, options: Partial<CountersOptions> = {}) => {
    const name = await tables.table(columns);
    await using counters = createCounters({
      name,
      front: memoryFront(),
      store: storeOf(name),
      ...options,
    } as CountersOptions & { bigint: true });
    return errorOf(counters.ready());
  };

  test('without a unique key are refused with the statement that mends it', async () => {
    const name = await tables.table('id serial, page_url text, view_count bigint, updated_at timestamptz');
    const open = () =>
      createCounters({
        name,
        front: memoryFront(),
        store: postgresCounters({
          pool: tables.schema.pool,
          table: name,
          key: 'page_url',
          count: 'view_count',
          touch: 'updated_at',
        }),
        flush: NEVER,
      });
    const error = await errorOf(open().ready());
    expect(error.code).toBe('MILLRACE_STORE_SCHEMA');
    const [fix] = /alter table .*/.exec(error.message) ?? [''];
    await tables.schema.pool.query(fix);
    await using views = open();
    expect(await views.increment('/home')).toBe(1);
    await views.flush();
    await views.increment('/home', 2);
    await views.flush();
    expect(
      await tables.schema.rows(`select id, page_url, view_count::int, updated_at is not null as touched from ${name}`),
    ).toEqual([{ id: 1, page_url: '/home', view_count: 3, touched: true }]);
    // A row that is there takes no value from the sequence: a serial column would be used up in days.
    await views.increment('/other');
    await views.flush();
    expect(await tables.schema.rows(`select id from ${name} where page_url = '/other'`)).toEqual([{ id: 2 }]);
  });

  test('with a count that would be rounded, or is none, are refused', async () => {
    expect((await refusal('key text primary key, count double precision')).message).toContain('type bigint');
    expect((await refusal('key text primary key, count bigint', { scale: 2 })).message).toContain('type numeric');
    expect((await refusal('key text primary key, count numeric(10, 1)', { scale: 2 })).message).toContain(
      'would round',
    );
    expect((await refusal('key text primary key, counter bigint')).message).toContain('does not exist');
  });

  test('with null, and keys of other types, are as good', async () => {
    const name = await tables.table('key integer primary key, count integer');
    await tables.schema.pool.query(`insert into ${name} values (7, null)`);
    await using counters = createCounters({ name, front: memoryFront(), store: storeOf(name), flush: NEVER });
    expect(await counters.increment('7', 3)).toBe(3);
    expect(await errorOf(counters.increment('seven'))).toMatchObject({ code: 'MILLRACE_KEY' });
    await counters.flush();
    expect(await rowsOf(name)).toEqual({ 7: '3' });
  });

  test('in PGlite work as well', async () => {
    const pool = new PGlite();
    await pool.exec('create table counts (key text primary key, count bigint)');
    await using counters = createCounters({
      name: 'c',
      front: memoryFront(),
      store: postgresCounters({ pool, table: 'counts', key: 'key', count: 'count' }),
      flush: NEVER,
    });
    expect(await Promise.all([counters.increment('a'), counters.increment('a', 4)])).toEqual([1, 5]);
    await counters.flush();
    expect((await pool.query('select * from counts')).rows).toEqual([{ key: 'a', count: 5 }]);
    await counters.close();
    await pool.close();
  }, 30_000);
});

test('what could count twice, or counts something else, is refused', async () => {
  const name = await tables.table();
  const front = memoryFront();
  const options = { name, front, flush: NEVER } as const;
  const custom = { loadMany: () => new Map(), apply: () => undefined };
  expect(() => createCounters({ ...options, store: custom as never })).toThrow(/no transactions/);
  expect(() =>
    createCounters({ ...options, store: storeOf(name), bigint: true, scale: 2, unknown: 1 } as never),
  ).toThrow(/unknown option[^]*|exclude each other/);
  await using counters = createCounters({ ...options, store: storeOf(name) });
  await counters.add('a');
  // The same name with decimals: what is pending would be a hundredth of what it was.
  const decimals = createCounters({
    ...options,
    scale: 2,
    store: postgresCounters({
      pool: tables.schema.pool,
      table: await tables.table('key text primary key, count numeric'),
      key: 'key',
      count: 'count',
    }),
  });
  expect(await errorOf(decimals.ready())).toMatchObject({ code: 'MILLRACE_OPTIONS' });
});
