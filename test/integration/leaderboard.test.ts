import { PGlite } from '@electric-sql/pglite';
import { describe, expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { createLeaderboard, type Leaderboard } from '../../src/leaderboard.ts';
import type { LeaderboardOptions } from '../../src/options/leaderboard.ts';
import type { Front } from '../../src/ports/front.ts';
import { postgresLeaderboard } from '../../src/stores/postgres/index.ts';
import { eventually } from '../support/gate.ts';
import { boardTables, ranked } from './leaderboard-fixture.ts';
import { errorOf } from './postgres-fixture.ts';
import { withFronts } from './shape-fixture.ts';

const NEVER = { maxDelay: '1h', lease: '300ms' } as const;
const { tables, storeOf, rowsOf, insert } = boardTables();

describe.each(['memory', 'lmdb', 'redis', 'ioredis'] as const)('a leaderboard on the %s front', (kind) => {
  async function on<T>(
    run: (name: string, open: (options?: Partial<LeaderboardOptions>) => Promise<Leaderboard>) => Promise<T>,
  ): Promise<T> {
    const name = await tables.table();
    const create = (front: Front, options: Partial<LeaderboardOptions>) =>
      createLeaderboard({ name, front, store: storeOf(name), flush: NEVER, ...options });
    return withFronts(kind, create, (open) =>
      run(name, async (options) => {
        const board = open(options);
        await board.ready();
        return board;
      }),
    );
  }

  test('has scores, ranks, the best, and who is around', () =>
    on(async (name, open) => {
      await insert(name, { zoe: 40, old: 5 });
      const board = await open();
      expect((await board.add('ann', 30)).score).toBe(30);
      expect((await board.set('bob', 40)).score).toBe(40);
      expect((await board.add('ann', 12.5)).score).toBe(42.5);
      await board.set('gone', 99);
      await board.remove('gone');
      expect(await board.top(10)).toEqual(ranked(['ann', 42.5], ['bob', 40], ['zoe', 40], ['old', 5]));
      expect(await board.top(2)).toEqual(ranked(['ann', 42.5], ['bob', 40]));
      expect([
        await board.rank('zoe'),
        await board.rank('gone'),
        await board.score('zoe'),
        await board.score('gone'),
      ]).toEqual([3, undefined, 40, undefined]);
      expect(await board.around('zoe', 1)).toEqual(
        ranked(['ann', 42.5], ['bob', 40], ['zoe', 40], ['old', 5]).slice(1),
      );
      expect(await board.around('gone', 1)).toEqual([]);
      expect(await rowsOf(name)).toEqual({ old: 5, zoe: 40 });
      await board.flush();
      expect(await rowsOf(name)).toEqual({ ann: 42.5, bob: 40, old: 5, zoe: 40 });
      await board.remove('old');
      await board.flush();
      expect(await rowsOf(name)).toEqual({ ann: 42.5, bob: 40, zoe: 40 });
    }));

  test('10,000 additions to a member are one row, and each is told its own score', () =>
    on(async (name, open) => {
      await insert(name, { hot: 5 });
      const board = await open();
      const receipts = await Promise.all(Array.from({ length: 10_000 }, () => board.add('hot', 1)));
      expect(receipts.map(({ score }) => score)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 6));
      await board.flush();
      await receipts[0]?.stored();
      expect(await rowsOf(name)).toEqual({ hot: 10_005 });
      expect(await board.stats()).toMatchObject({
        accepted: 10_000,
        stored: 1,
        coalesced: 9_999,
        statements: 1,
        pending: { entries: 0 },
      });
    }));

  test('keeps the best, whichever it is, and writes nothing for less', () =>
    on(async (name, open) => {
      await insert(name, { a: 10 });
      const board = await open({ keep: 'best', order: 'asc' });
      expect((await board.set('a', 12)).score).toBe(10);
      expect((await board.set('b', 12)).score).toBe(12);
      expect((await board.set('b', -1)).score).toBe(-1);
      const worse = await board.set('b', 3);
      expect(worse.score).toBe(-1);
      expect(await board.top(5)).toEqual(ranked(['b', -1], ['a', 10]));
      await board.flush();
      await worse.stored();
      expect(await rowsOf(name)).toEqual({ a: 10, b: -1 });
      expect(await board.stats()).toMatchObject({ accepted: 2, stored: 1, coalesced: 1 });
      // Nothing is pending, so there is nothing to wait for.
      await (await board.set('b', 3, { ack: 'stored' })).stored();
      expect(await board.stats()).toMatchObject({ accepted: 2 });
    }));

  test('two processes see each other, also while a flush is in flight', () =>
    on(async (name, open) => {
      await insert(name, { a: 100, c: 1 });
      const one = await open();
      // The memory front belongs to one process.
      const two = kind === 'memory' ? one : await open({ flush: false });
      await one.add('a', 10);
      const receipt = await two.add('b', 7);
      const blocker = await tables.schema.pool.connect();
      try {
        await blocker.query(`begin; select * from ${name} where member = 'a' for update`);
        const flushed = one.flush();
        await eventually('a flush waits for the row', async () => (await two.inspect('a')).state === 'in-flight');
        expect((await two.add('a', 1)).score).toBe(111);
        expect((await one.add('a', 1)).score).toBe(112);
        expect(await two.top(3)).toEqual(ranked(['a', 112], ['b', 7], ['c', 1]));
        expect(await rowsOf(name)).toMatchObject({ a: 100 });
        await blocker.query('commit');
        await flushed;
      } finally {
        // A lock that a failure left behind goes with its connection.
        blocker.release(true);
      }
      await receipt.stored();
      await one.flush();
      expect(await rowsOf(name)).toEqual({ a: 112, b: 7, c: 1 });
    }));

  test('is loaded in many pages while scores come in and are flushed', () =>
    on(async (name, open) => {
      await tables.schema.pool.query(`insert into ${name} select 'm' || i, i from generate_series(1, 7000) i`);
      const board = await open({ flush: { maxDelay: 5 } });
      const removed = board.remove('m7000');
      const loaded = board.top(1);
      const added = Promise.all(Array.from({ length: 500 }, (_, i) => board.add(`m${i * 14 + 1}`, 10_000)));
      await Promise.all([removed, loaded, added]);
      expect(await board.top(3)).toEqual(ranked(['m6987', 16_987], ['m6973', 16_973], ['m6959', 16_959]));
      expect(await board.rank('m1')).toBe(500);
      expect(await board.rank('m2')).toBe(6_999);
      await board.flush();
      const [sum] = await tables.schema.rows(`select count(*)::int, sum(score)::int from ${name}`);
      expect(sum).toEqual({ count: 6_999, sum: (7_000 * 6_999) / 2 + 500 * 10_000 });
    }));

  test('the buffer takes so many members, and who waits for room gets it', () =>
    on(async (name, open) => {
      const board = await open({ backpressure: { maxEntries: 5 }, flush: { maxDelay: 20 } });
      await Promise.all(Array.from({ length: 100 }, (_, i) => board.add(`m${i}`, i)));
      await board.flush();
      expect(Object.values(await rowsOf(name)).reduce((sum, score) => sum + score, 0)).toBe(4_950);
    }));

  test('what the store refuses is kept, the board shows what is stored, and a letter can be redriven', () =>
    on(async (name, open) => {
      await tables.schema.pool.query(`alter table ${name} add constraint small check (score < 100)`);
      const board = await open({ retry: { attempts: 1 } });
      await board.set('bad', 60);
      await board.flush();
      const receipts = [await board.add('bad', 50), await board.add('good', 1)] as const;
      await board.flush();
      await expect(receipts[0].stored()).rejects.toMatchObject({ code: 'MILLRACE_REJECTED' });
      await receipts[1].stored();
      expect(await board.top(3)).toEqual(ranked(['bad', 60], ['good', 1]));
      const [letter] = await board.deadLetters.list();
      expect(letter).toMatchObject({ key: 'bad', kind: 'put', value: 110, code: '23514' });
      await tables.schema.pool.query(`alter table ${name} drop constraint small`);
      expect(await board.deadLetters.redrive(letter?.id as string)).toMatchObject({ outcome: 'redriven' });
      expect((await board.add('bad', 1)).score).toBe(111);
      await board.flush();
      expect(await rowsOf(name)).toEqual({ bad: 111, good: 1 });
    }));

  test('survives being closed and opened', () =>
    on(async (name, open) => {
      const first = await open({ flush: false });
      await first.set('a', 1);
      await first.close();
      const second = await open();
      expect((await second.add('a', 1)).score).toBe(2);
      await second.flush();
      expect(await rowsOf(name)).toEqual({ a: 2 });
    }));
});

describe('scores', () => {
  test('that would not be what they seem are refused', async () => {
    const name = await tables.table();
    await using board = createLeaderboard({ name, front: memoryFront(), store: storeOf(name), flush: NEVER });
    for (const score of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -1e300, '5', null, 5n]) {
      expect(await errorOf(board.set('a', score as number))).toMatchObject({ code: 'MILLRACE_VALUE' });
      expect(await errorOf(board.add('a', score as number))).toMatchObject({ code: 'MILLRACE_VALUE' });
    }
    await board.set('a', Number.MAX_SAFE_INTEGER);
    const [beyond, fine] = await Promise.allSettled([board.add('a', 1), board.add('a', -1)]);
    expect(beyond).toMatchObject({ reason: { code: 'MILLRACE_VALUE' } });
    expect(fine).toMatchObject({ value: { score: Number.MAX_SAFE_INTEGER - 1 } });
    expect(await errorOf(board.set('', 1))).toMatchObject({ code: 'MILLRACE_KEY' });
    for (const n of [0, -1, 1.5, 10_001, Number.NaN])
      expect(await errorOf(board.top(n))).toMatchObject({ code: 'MILLRACE_OPTIONS' });
    expect((await board.set('zero', -0)).score).toBe(0);
  });

  test('come back as they were, whatever the column', async () => {
    const scores = { a: 0.1, b: 1 / 3, c: 5e-324, d: -123456.789, e: 2 ** 53 - 1, f: 1e-7, g: 0 };
    for (const type of ['double precision', 'numeric']) {
      const name = await tables.table(`member text primary key, score ${type}`);
      const open = () => createLeaderboard({ name, front: memoryFront(), store: storeOf(name), flush: NEVER });
      const first = open();
      for (const [member, score] of Object.entries(scores)) await first.set(member, score);
      await first.close();
      await using again = open();
      expect(Object.fromEntries((await again.top(10)).map(({ member, score }) => [member, score]))).toEqual(scores);
    }
  });

  test('of a store that no double can be stop the loading, with the row', async () => {
    const name = await tables.table();
    await insert(name, { fine: 1, strange: Number.POSITIVE_INFINITY });
    await tables.schema.pool.query(`insert into ${name} values ('none', null)`);
    await using board = createLeaderboard({ name, front: memoryFront(), store: storeOf(name), flush: NEVER });
    const error = await errorOf(board.top(1));
    expect(error.code).toBe('MILLRACE_VALUE');
    expect(error.message).toContain('strange');
    await tables.schema.pool.query(`update ${name} set score = 7 where member = 'strange'`);
    expect(await board.top(5)).toEqual(ranked(['strange', 7], ['fine', 1]));
  });
});

describe('tables', () => {
  const refusal = async (columns: string) => {
    const name = await tables.table(columns);
    await using board = createLeaderboard({ name, front: memoryFront(), store: storeOf(name) });
    return errorOf(board.ready());
  };

  test('without a unique member are refused with the statement that mends it', async () => {
    const error = await refusal('id serial, member text, score bigint');
    expect(error.code).toBe('MILLRACE_STORE_SCHEMA');
    expect(error.message).toMatch(/alter table .* add unique \("member"\)/);
  });

  test('with scores that would be rounded, or are none, are refused', async () => {
    for (const type of ['real', 'numeric(10, 2)', 'text'])
      expect((await refusal(`member text primary key, score ${type}`)).message).toContain('type double precision');
    expect((await refusal('member text primary key, points bigint')).message).toContain('does not exist');
  });

  test('with whole scores and other members take what fits', async () => {
    const name = await tables.table('id serial, member integer unique, score integer, updated_at timestamptz');
    await using board = createLeaderboard({
      name,
      front: memoryFront(),
      store: postgresLeaderboard({
        pool: tables.schema.pool,
        table: name,
        member: 'member',
        score: 'score',
        touch: 'updated_at',
      }),
      flush: NEVER,
    });
    await board.set('7', 3);
    await board.add('12', 1);
    expect(await errorOf(board.set('7', 0.5))).toMatchObject({ code: 'MILLRACE_VALUE' });
    expect(await errorOf(board.set('7', 2 ** 31))).toMatchObject({ code: 'MILLRACE_VALUE' });
    expect(await errorOf(board.set('seven', 1))).toMatchObject({ code: 'MILLRACE_KEY' });
    await board.flush();
    await board.add('7', 1);
    await board.flush();
    expect(
      await tables.schema.rows(`select id, member, score, updated_at is not null as touched from ${name} order by id`),
    ).toEqual([
      { id: 1, member: 12, score: 1, touched: true },
      { id: 2, member: 7, score: 4, touched: true },
    ]);
  });

  test('in PGlite work as well', async () => {
    const pool = new PGlite();
    await pool.exec(
      "create table scores (member text primary key, score bigint); insert into scores values ('old', 3)",
    );
    await using board = createLeaderboard({
      name: 's',
      front: memoryFront(),
      store: postgresLeaderboard({ pool, table: 'scores', member: 'member', score: 'score' }),
      flush: NEVER,
    });
    await Promise.all([board.add('a', 1), board.add('old', 4)]);
    expect(await board.top(2)).toEqual(ranked(['old', 7], ['a', 1]));
    await board.flush();
    expect((await pool.query('select * from scores order by member')).rows).toEqual([
      { member: 'a', score: 1 },
      { member: 'old', score: 7 },
    ]);
    await board.close();
    await pool.close();
  }, 30_000);
});

test('what could be applied twice, or is something else, is refused', async () => {
  const name = await tables.table();
  const front = memoryFront();
  const options = { name, front, flush: NEVER } as const;
  expect(() =>
    createLeaderboard({ ...options, store: { loadMany: () => new Map(), apply: () => undefined } as never }),
  ).toThrow(/no transactions/);
  expect(() => createLeaderboard({ ...options, store: storeOf(name), keep: 'first', lanes: 2 } as never)).toThrow(
    /keep must be one of[^]*unknown option lanes/,
  );
  await using board = createLeaderboard({ ...options, store: storeOf(name) });
  await board.set('a', 1);
  expect(await errorOf(createLeaderboard({ ...options, order: 'asc', store: storeOf(name) }).ready())).toMatchObject({
    code: 'MILLRACE_OPTIONS',
  });
});
