import { createClient } from 'redis';
import { describe, expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { createLeaderboard } from '../../src/leaderboard.ts';
import type { LeaderboardOptions } from '../../src/options/leaderboard.ts';
import { redisUrl } from '../servers/index.ts';
import { uniquePrefix } from '../support/fronts.ts';
import { eventually } from '../support/gate.ts';
import { boardTables, ranked } from './leaderboard-fixture.ts';
import { errorOf } from './postgres-fixture.ts';

const NEVER = { maxDelay: '1h', lease: '300ms' } as const;
const { tables, storeOf, rowsOf, insert } = boardTables();

describe('a board that is gone from the front', () => {
  const prefix = uniquePrefix();
  const open = (name: string, options: Partial<LeaderboardOptions> = {}) =>
    createLeaderboard({
      name,
      front: redisFront({ client: createClient({ url: redisUrl() }), prefix }),
      store: storeOf(name),
      flush: NEVER,
      ...options,
    });

  /** What FLUSHALL does to the leaderboard, or only its sorted set. */
  async function forget(name: string, only?: 'board'): Promise<void> {
    const client = await createClient({ url: redisUrl() }).connect();
    const keys = await client.keys(`{${prefix}${name}:0}:*`);
    await client.unlink(only === undefined ? keys : keys.filter((key) => key.endsWith(':')));
    await client.close();
  }

  test('is loaded from the store, and what was not stored is told as lost', async () => {
    const name = await tables.table();
    await using board = open(name);
    let lost = 0;
    board.on('loss', ({ count }) => (lost += count));
    await board.set('a', 1);
    await board.set('b', 2);
    await board.flush();
    await board.add('b', 10);
    const receipt = await board.add('c', 5);
    await forget(name);
    expect(await board.top(5)).toEqual(ranked(['b', 2], ['a', 1]));
    await expect(receipt.stored()).rejects.toMatchObject({ code: 'MILLRACE_LOST' });
    expect(lost).toBe(2);
    expect((await board.add('b', 1)).score).toBe(3);
    await board.flush();
    expect(await rowsOf(name)).toEqual({ a: 1, b: 3 });
  });

  test('is loaded when only its sorted set was removed, and loses nothing', async () => {
    const name = await tables.table();
    await using board = open(name);
    await board.set('a', 1);
    await board.flush();
    await board.add('a', 1);
    await board.set('b', 7);
    await forget(name, 'board');
    await board.set('c', 5);
    expect(await board.top(5)).toEqual(ranked(['b', 7], ['c', 5], ['a', 2]));
    await board.remove('b');
    await forget(name, 'board');
    expect(await board.top(5)).toEqual(ranked(['c', 5], ['a', 2]));
    await board.flush();
    expect(await rowsOf(name)).toEqual({ a: 2, c: 5 });
  });
});

test('a large board is loaded by two processes at once, while both write to it', async () => {
  const name = await tables.table();
  await tables.schema.pool.query(
    `insert into ${name} select 'm' || i, (i * 7919) % 20000 from generate_series(1, 30000) i`,
  );
  const prefix = uniquePrefix();
  const open = () =>
    createLeaderboard({
      name,
      front: redisFront({ client: createClient({ url: redisUrl() }), prefix }),
      store: storeOf(name),
      flush: { maxDelay: 20, lease: '300ms' },
    });
  await using one = open();
  await using two = open();
  await Promise.all([one.ready(), two.ready()]);
  const writes = [one, two].flatMap((board, process) =>
    Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0 ? board.remove(`m${100 * i + process + 1}`) : board.add(`m${100 * i + process + 1}`, 50_000),
    ),
  );
  await Promise.all([one.top(1), two.rank('m2'), ...writes]);
  await Promise.all([one.flush(), two.flush()]);
  const rows = await tables.schema.rows(
    `select member, score, (row_number() over (order by score desc, member collate "C"))::int as rank from ${name}`,
  );
  expect(rows.length).toBe(29_800);
  const ranks = new Map(rows.map(({ member, rank }) => [member as string, rank]));
  expect(await two.top(10_000)).toEqual(
    rows
      .filter(({ rank }) => (rank as number) <= 10_000)
      .toSorted((a, b) => (a['rank'] as number) - (b['rank'] as number)),
  );
  const members = Array.from({ length: 300 }, (_, i) => `m${1 + i * 97}`);
  expect(await Promise.all(members.map((member) => one.rank(member)))).toEqual(
    members.map((member) => ranks.get(member)),
  );
}, 120_000);

test('what depends on a board that cannot be loaded says so, and what does not depend on it goes on', async () => {
  const name = await tables.table();
  await insert(name, { a: 1 });
  const board = createLeaderboard({ name, front: memoryFront(), store: storeOf(name), flush: NEVER, loadWait: 50 });
  await board.ready();
  const blocker = await tables.schema.pool.connect();
  try {
    await blocker.query(`begin; lock table ${name}`);
    await board.set('b', 2);
    const adding = errorOf(board.add('b', 1));
    const setting = board.set('b', 3);
    expect(await errorOf(board.top(1))).toMatchObject({ code: 'MILLRACE_TIMEOUT' });
    expect(await adding).toMatchObject({ code: 'MILLRACE_TIMEOUT' });
    await setting;
    expect(await errorOf(board.rank('b', { signal: AbortSignal.timeout(1) }))).toMatchObject({
      code: 'MILLRACE_ABORTED',
    });
    await blocker.query('rollback');
  } finally {
    blocker.release(true);
  }
  await eventually('the board is loaded', async () => (await board.top(5).catch(() => [])).length > 0);
  expect(await board.top(5)).toEqual(ranked(['b', 3], ['a', 1]));
  await board.close();
  expect(await rowsOf(name)).toEqual({ a: 1, b: 3 });
});
