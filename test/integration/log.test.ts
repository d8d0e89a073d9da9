import { describe, expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { createLog, type Log } from '../../src/index.ts';
import type { LogOptions } from '../../src/options/log.ts';
import { type PostgresLogOptions, postgresLog } from '../../src/stores/postgres/index.ts';
import { errorOf } from './postgres-fixture.ts';
import { shapeTables, withFronts } from './shape-fixture.ts';

interface Reading {
  readonly sensor: string;
  readonly n: number;
}

const NEVER = { maxDelay: '1h', lease: '300ms', batchSize: 100 } as const;

const tables = shapeTables('events', 'event jsonb, at timestamptz, o bigint');

const storeOf = (name: string, options: Partial<PostgresLogOptions> = {}) =>
  postgresLog({
    pool: tables.schema.pool,
    table: name,
    value: 'event',
    at: 'at',
    order: 'o',
    ...options,
  } as PostgresLogOptions);
const numbersOf = async (name: string, order = 'o'): Promise<unknown[]> =>
  (await tables.schema.rows(`select (event ->> 'n')::int as n from ${name} order by ${order}`)).map(({ n }) => n);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const reading = (n: number): Reading => ({ sensor: 's', n });

describe.each(['memory', 'lmdb', 'redis', 'ioredis'] as const)('a log on the %s front', (kind) => {
  async function on<T>(
    run: (name: string, open: (options?: Partial<LogOptions<Reading>>) => Log<Reading>) => Promise<T>,
    columns?: string,
  ): Promise<T> {
    const name = await tables.table(columns);
    return withFronts(
      kind,
      (front, options: Partial<LogOptions<Reading>>) =>
        createLog<Reading>({ name, front, store: storeOf(name), flush: NEVER, ...options }),
      (open) => run(name, open),
    );
  }

  test('every event is stored once, in the order in which it was appended', () =>
    on(async (name, open) => {
      const log = open();
      // The first of them before the front is attached.
      const receipts = [
        ...(await Promise.all(upTo(500).map((n) => log.append(reading(n))))),
        ...(await log.appendMany(upTo(1_500).map((n) => reading(n + 500)))),
      ];
      expect((await log.stats()).pending.entries).toBe(2_000);
      await log.flush();
      await Promise.all(receipts.map((receipt) => receipt.stored()));
      expect(await numbersOf(name)).toEqual(upTo(2_000));
      expect(await numbersOf(name, 'ctid')).toEqual(upTo(2_000));
      expect(
        await tables.schema.rows(
          `select count(distinct o)::int as orders,
            bool_and(at = 'epoch'::timestamptz + o * interval '1 microsecond') as same,
            bool_and(at between now() - interval '1 minute' and now() + interval '1 minute') as now
          from ${name}`,
        ),
      ).toEqual([{ orders: 2_000, same: true, now: true }]);
      expect(await log.stats()).toMatchObject({
        accepted: 2_000,
        coalesced: 0,
        stored: 2_000,
        pending: { entries: 0 },
      });
    }));

  test('equal events are not one', () =>
    on(async (name, open) => {
      const log = open();
      await log.appendMany(upTo(50).map(() => reading(7)));
      await log.append(reading(7), { ack: 'stored' });
      expect(await numbersOf(name)).toEqual(upTo(51).map(() => 7));
    }));

  test('a key keeps its order over processes, and spreads over lanes', () =>
    on(async (name, open) => {
      const options = { key: ({ sensor }: Reading) => sensor, lanes: 4 };
      const one = open(options);
      // The memory front belongs to one process.
      const two = kind === 'memory' ? one : open({ ...options, flush: false });
      for (let n = 0; n < 40; n++)
        await Promise.all(['a', 'b', 'c', 'd', 'e'].map((sensor) => (n % 2 === 0 ? one : two).append({ sensor, n })));
      expect((await one.stats()).lanes.filter(({ pending }) => pending > 0).length).toBeGreaterThan(1);
      await one.flush();
      const rows = await tables.schema.rows(
        `select event ->> 'sensor' as sensor, array_agg((event ->> 'n')::int order by ctid) as ns
        from ${name} group by 1 order by 1`,
      );
      expect(rows).toEqual(['a', 'b', 'c', 'd', 'e'].map((sensor) => ({ sensor, ns: upTo(40) })));
    }));

  test('what is refused is a letter, and its neighbours keep their order', () =>
    on(async (name, open) => {
      await tables.schema.pool.query(
        `alter table ${name} add constraint odd check ((event ->> 'n')::int not in (13, 250))`,
      );
      const log = open({ retry: { attempts: 1 } });
      const receipts = await log.appendMany(upTo(300).map(reading));
      await log.flush();
      expect(await numbersOf(name, 'ctid')).toEqual(upTo(300).filter((n) => n !== 13 && n !== 250));
      const outcomes = await Promise.allSettled(receipts.map((receipt) => receipt.stored()));
      expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([13, 250]);
      const letters = await log.deadLetters.list();
      expect(letters.map(({ kind: what, value }) => ({ what, value }))).toEqual(
        [13, 250].map((n) => ({ what: 'append', value: reading(n) })),
      );
      await tables.schema.pool.query(`alter table ${name} drop constraint odd`);
      for (const { id } of letters) await log.deadLetters.redrive(id);
      // With the place in the order that it had.
      expect(await numbersOf(name)).toEqual(upTo(300));
    }));

  test('what is refused in one lane is not taken for what has its place in another', () =>
    on(async (name, open) => {
      await tables.schema.pool.query(`alter table ${name} add constraint odd check ((event ->> 'n')::int <> 13)`);
      const options = { key: ({ sensor }: Reading) => sensor, lanes: 2, retry: { attempts: 1 } };
      const one = open(options);
      // The memory front belongs to one process. Who did not flush looks for letters.
      const two = kind === 'memory' ? one : open({ ...options, flush: false });
      const receipts = await Promise.all(
        ['a', 'b', 'c', 'd'].map((sensor) => two.append({ sensor, n: sensor === 'c' ? 13 : 1 })),
      );
      expect((await one.stats()).lanes.map(({ pending }) => pending)).toEqual([2, 2]);
      await one.flush();
      const outcomes = await Promise.allSettled(receipts.map((receipt) => receipt.stored()));
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    }));

  test('a connection that is lost at the commit costs no event, and doubles none', () =>
    on(async (name, open) => {
      const log = open({ flush: { maxDelay: 50, batchSize: 100 }, retry: { minDelay: 5, maxDelay: 50 } });
      await log.ready();
      // The backend is ended in its first three commits: a sequence is not rolled back with them.
      await tables.schema.pool.query(`create sequence ${name}_commits;
        create function ${name}_end() returns trigger language plpgsql as $$ begin
          if nextval('${name}_commits') <= 3 then perform pg_terminate_backend(pg_backend_pid()); end if; return null;
        end $$;
        create constraint trigger ends after insert on ${name} deferrable initially deferred
          for each row execute function ${name}_end()`);
      for (let n = 0; n < 400; n += 10) await log.appendMany(upTo(10).map((i) => reading(n + i)));
      await log.flush();
      expect((await log.stats()).flushFailures).toBeGreaterThan(0);
      // Where a rolled back attempt left free pages, rows need not lie in their order.
      expect(await numbersOf(name)).toEqual(upTo(400));
    }));
});

describe('tables of events', () => {
  test('may have columns, and be partitioned', async () => {
    const name = 'readings';
    await tables.schema.pool.query(`
      create table ${name} (sensor text, n integer, at timestamptz) partition by range (n);
      create table ${name}_low partition of ${name} for values from (0) to (50);
      create table ${name}_high partition of ${name} for values from (50) to (100)`);
    await using log = createLog<Reading>({
      name,
      front: memoryFront(),
      store: postgresLog({ pool: tables.schema.pool, table: name, columns: ['sensor', 'n'], at: 'at' }),
      flush: NEVER,
    });
    await log.appendMany(upTo(100).map(reading));
    await log.flush();
    expect(
      await tables.schema.rows(
        `select tableoid::regclass::text as part, count(*)::int, count(at)::int as stamped
        from ${name} group by 1 order by 1`,
      ),
    ).toEqual([
      { part: `${name}_high`, count: 50, stamped: 50 },
      { part: `${name}_low`, count: 50, stamped: 50 },
    ]);
    // No partition for it: the store's refusal, not a stopped lane.
    await log.append(reading(500));
    await log.flush();
    expect((await log.deadLetters.list()).map(({ state, value }) => ({ state, value }))).toEqual([
      { state: 'waiting', value: reading(500) },
    ]);
  });

  test('are checked, and so are events', async () => {
    const name = await tables.table('event text, at text, o text');
    await using log = createLog({ name, front: memoryFront(), store: storeOf(name), flush: NEVER });
    const { message } = await errorOf(log.ready());
    for (const part of ['it must be jsonb', 'it must be timestamptz', 'it must be bigint'])
      expect(message).toContain(part);
    expect(() =>
      postgresLog({ pool: tables.schema.pool, table: 't', value: 'v', columns: ['a'], touch: 'x', at: 'v' } as never),
    ).toThrow(/either value[^]*unknown option touch[^]*used twice/);
    await using typed = createLog<Reading>({
      name: `${name}_typed`,
      front: memoryFront(),
      store: postgresLog({
        pool: tables.schema.pool,
        table: await tables.table('sensor text not null, n integer'),
        columns: ['sensor', 'n'],
      }),
      flush: NEVER,
    });
    for (const event of [{ sensor: 's', n: 'x' }, { n: 1 }, { sensor: 's', n: 1, more: 1 }, undefined, 1n])
      expect(await errorOf(typed.append(event as never))).toMatchObject({ code: 'MILLRACE_VALUE' });
    // Nothing of a list is appended when one of it cannot be.
    expect(
      await errorOf(typed.appendMany([reading(1), { sensor: 's' } as never, { sensor: 7, n: 1 } as never])),
    ).toMatchObject({ code: 'MILLRACE_VALUE' });
    expect((await typed.stats()).accepted).toBe(0);
  });
});

test('a store that could append twice is refused', () => {
  const custom = { loadMany: () => new Map(), apply: () => undefined };
  expect(() => createLog({ name: 'l', front: memoryFront(), store: custom as never })).toThrow(/no transactions/);
});
