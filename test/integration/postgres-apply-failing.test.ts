import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock-and-random.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { open, tapped } from './apply-fixture.ts';
import { attach, batches, errorOf, generation, judge, put } from './postgres-fixture.ts';

describe('a store that fails', () => {
  test('at COMMIT leaves the outcome to the fence', async () => {
    await using opened = await open();
    const { schema } = opened;
    let cut: 'before' | 'after' | undefined;
    const pool = tapped(schema.pool, async (text, run) => {
      if (text === 'commit' && cut === 'before')
        await schema.pool.query(
          `select pg_terminate_backend(pid) from pg_locks where relation = '${schema.name}.millrace_fence'::regclass`,
        );
      const result = await run();
      if (text === 'commit' && cut === 'after')
        throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
      return result;
    });
    const store = await attach(postgresStore({ pool, table: 't', key: 'k', value: 'v' }));
    for (const [number, when, then] of [
      [1, 'before', { kind: 'applied' }],
      [2, 'after', { kind: 'fenced', lanes: [{ verdict: 'applied' }] }],
    ] as const) {
      const flush = () => ({ lanes: [generation(number)], judge, batches: batches([put('k', number)]) });
      cut = when;
      expect((await errorOf(store.apply(flush()))).code).toBe('MILLRACE_STORE_UNAVAILABLE');
      cut = undefined;
      expect(await store.apply(flush())).toMatchObject(then);
      expect(await store.load(['k'])).toEqual(new Map([['k', `${number}`]]));
    }
  });

  test('and answers COMMIT with ROLLBACK has not committed', async () => {
    await using opened = await open();
    const pool = tapped(opened.schema.pool, async (text, run, client) => {
      if (text === 'commit') await client.query({ text: 'no sql' }).catch(() => undefined);
      return run();
    });
    const store = await attach(postgresStore({ pool, table: 't', key: 'k', value: 'v' }));
    expect((await errorOf(store.apply({ lanes: [generation(1)], judge, batches: batches([put('k', 1)]) }))).code).toBe(
      'MILLRACE_STORE_UNAVAILABLE',
    );
    expect(await store.load(['k'])).toEqual(new Map());
  });

  test('in the middle of a flush has stored nothing of it', async () => {
    await using opened = await open();
    const { schema, store } = opened;
    const source = async function* () {
      yield [put('a', 1)];
      await schema.pool.query(
        `select pg_terminate_backend(pid) from pg_locks
        where relation = '${schema.name}.millrace_fence'::regclass and pid <> pg_backend_pid()`,
      );
      yield [put('b', 1)];
    };
    expect((await errorOf(store.apply({ lanes: [generation(1)], judge, batches: source() }))).code).toBe(
      'MILLRACE_STORE_UNAVAILABLE',
    );
    expect(await store.load(['a', 'b'])).toEqual(new Map());
    expect(await store.apply({ lanes: [generation(1)], judge, batches: batches([put('a', 1)]) })).toMatchObject({
      kind: 'applied',
    });
  });

  test('with a lock that somebody else holds is waited for, but not for ever', async () => {
    await using opened = await open(`insert into t values ('k', '0')`, { lockTimeout: '100ms' });
    const { schema, store } = opened;
    const other = await schema.pool.connect();
    await other.query(`begin; select * from t for update; select * from millrace_fence where lane = 1 for update`);
    for (const attempt of [
      () => store.apply({ lanes: [generation(1)], judge, batches: batches([put('k', 1)]) }),
      () => store.raiseEpoch(1),
    ]) {
      const error = await errorOf(attempt());
      expect(error).toMatchObject({ code: 'MILLRACE_STORE_UNAVAILABLE', message: expect.stringContaining('55P03') });
    }
    await other.query('rollback');
    other.release();
    expect(await store.apply({ lanes: [generation(1)], judge, batches: batches([put('k', 1)]) })).toMatchObject({
      kind: 'applied',
    });
  });

  test('without a word is given up, with its connection', async () => {
    await using opened = await open();
    const { schema } = opened;
    let silent = false;
    const pool = tapped(schema.pool, (_, run) => (silent ? new Promise(() => undefined) : run()));
    const impatient = { ...systemClock, after: (_: number, task: () => void) => systemClock.after(50, task, true) };
    const store = await postgresStore({ pool, table: 't', key: 'k', value: 'v' }).attach({
      cache: 'c',
      lanes: 2,
      clock: impatient,
      writeBehind: true,
      onWarning: () => undefined,
    });
    silent = true;
    const before = schema.pool.totalCount;
    expect((await errorOf(store.load(['k']))).code).toBe('MILLRACE_STORE_UNAVAILABLE');
    expect(schema.pool.totalCount).toBe(before - 1);
    silent = false;
    expect(await store.load(['k'])).toEqual(new Map());
  });

  test('because its table changed asks for an operator, and buries nothing', async () => {
    await using opened = await open();
    const { schema, store } = opened;
    await schema.pool.query('alter table t rename v to w');
    const error = await errorOf(store.apply({ lanes: [generation(1)], judge, batches: batches([put('k', 1)]) }));
    expect(error).toMatchObject({ code: 'MILLRACE_STORE_SCHEMA', message: expect.stringContaining('42703') });
    await schema.pool.query('alter table t rename w to v');
    expect(await store.apply({ lanes: [generation(1)], judge, batches: batches([put('k', 1)]) })).toMatchObject({
      kind: 'applied',
      refused: [],
    });
  });

  test('gives its connection back clean', async () => {
    await using opened = await open(`alter table t add check (v <> '666')`);
    const { schema, store } = opened;
    const source = async function* () {
      yield [put('a', 1)];
      throw new Error('the front is gone');
    };
    await errorOf(store.apply({ lanes: [generation(1)], judge, batches: source() }));
    await store.apply({ lanes: [generation(9)], judge, batches: batches([put('a', 1)]) });
    await store.apply({ lanes: [generation(1)], judge, batches: batches([put('a', 666)]) });
    expect(
      await schema.rows(
        `select count(*)::int as open from pg_stat_activity
        where state like 'idle in transaction%' and query like '%${schema.name}%'`,
      ),
    ).toEqual([{ open: 0 }]);
    expect(await schema.rows('show lock_timeout')).toEqual([{ lock_timeout: '0' }]);
  });
});
