import { describe, expect, test } from 'vitest';
import { type Counters, createCounters, createLeaderboard, createLog, type Leaderboard } from '../../src/index.ts';
import { postgresCounters, postgresLeaderboard, postgresLog } from '../../src/stores/postgres/index.ts';
import { type FrontPlace, frontPlaces } from '../support/fronts.ts';
import { shapeTables } from './shape-fixture.ts';

const SHARED = { lanes: 1, flush: { maxDelay: '1h', lease: '300ms' }, retry: { minDelay: 1, maxDelay: 20 } } as const;
/** A leaderboard has one lane. */
const { lanes: _, ...ALONE } = SHARED;

const tables = shapeTables('rolled', 'key text primary key, count bigint');

/** A backup of a table and the fences, as of the moment of the call. Returns how to restore it. */
async function backup(name: string): Promise<() => Promise<void>> {
  for (const table of [name, 'millrace_fence'])
    await tables.schema.pool.query(`create table saved_${name}_${table} as table ${table}`);
  return async () => {
    for (const table of [name, 'millrace_fence']) {
      await tables.schema.pool.query(`delete from ${table}`);
      await tables.schema.pool.query(`insert into ${table} select * from saved_${name}_${table}`);
    }
  };
}

describe.each(['memory', 'lmdb', 'redis', 'ioredis'] as const)('on the %s front', (kind) => {
  async function openCounters(place: FrontPlace, name: string): Promise<Counters<number>> {
    const counters = createCounters({
      name,
      front: place.front(),
      store: postgresCounters({ pool: tables.schema.pool, table: name, key: 'key', count: 'count' }),
      ...SHARED,
    });
    await counters.ready();
    return counters;
  }

  test('totals are what a restored store has, and what was added since', async () => {
    await using place = await frontPlaces[kind]();
    const name = await tables.table();
    await using counters = await openCounters(place, name);
    await using other = await openCounters(place, name);
    expect(await counters.increment('a', 1)).toBe(1);
    await counters.flush();
    const restore = await backup(name);
    expect(await counters.increment('a', 10)).toBe(11);
    expect(await counters.increment('b', 10)).toBe(10);
    await counters.flush();
    await counters.add('a', 100);
    expect(await other.getMany(['a', 'b'])).toEqual(
      new Map([
        ['a', 111],
        ['b', 10],
      ]),
    );
    await restore();

    await expect(counters.flush()).rejects.toMatchObject({ code: 'MILLRACE_LANE_STOPPED' });
    await expect(counters.get('unknown')).rejects.toMatchObject({ code: 'MILLRACE_LANE_STOPPED' });
    await counters.resume({ acceptStoreRollback: true });
    for (const each of [other, counters])
      expect(await each.getMany(['a', 'b', 'unknown'])).toEqual(
        new Map([
          ['a', 101],
          ['b', 0],
          ['unknown', 0],
        ]),
      );
    expect(await other.increment('b', 5)).toBe(5);
    await counters.flush();
    expect(await tables.schema.rows(`select key, count::int from ${name} order by key`)).toEqual([
      { key: 'a', count: 101 },
      { key: 'b', count: 5 },
    ]);
    expect(await other.getMany(['a', 'b'])).toEqual(
      new Map([
        ['a', 101],
        ['b', 5],
      ]),
    );
  });

  async function openBoard(place: FrontPlace, name: string): Promise<Leaderboard> {
    const board = createLeaderboard({
      name,
      front: place.front(),
      store: postgresLeaderboard({ pool: tables.schema.pool, table: name, member: 'member', score: 'score' }),
      keep: 'best',
      ...ALONE,
    });
    await board.ready();
    return board;
  }

  test('a board has the rows of a restored store, and the scores that were given since', async () => {
    await using place = await frontPlaces[kind]();
    const name = await tables.table('member text primary key, score double precision');
    await using board = await openBoard(place, name);
    await using other = await openBoard(place, name);
    await board.set('ann', 10);
    await board.set('bob', 20);
    await board.flush();
    const restore = await backup(name);
    await board.set('ann', 90);
    await board.set('cid', 80);
    await board.remove('bob');
    await board.flush();
    await board.set('dan', 15);
    expect((await other.top(9)).map(({ member }) => member)).toEqual(['ann', 'cid', 'dan']);
    await restore();

    await expect(board.flush()).rejects.toMatchObject({ code: 'MILLRACE_LANE_STOPPED' });
    await board.resume({ acceptStoreRollback: true });
    for (const each of [other, board])
      expect((await each.top(9)).map(({ member, score }) => [member, score])).toEqual([
        ['bob', 20],
        ['dan', 15],
        ['ann', 10],
      ]);
    // A score that the store has lost is no best one.
    expect((await other.set('ann', 50)).score).toBe(50);
    await board.flush();
    expect(await tables.schema.rows(`select member, score::int from ${name} order by member`)).toEqual([
      { member: 'ann', score: 50 },
      { member: 'bob', score: 20 },
      { member: 'dan', score: 15 },
    ]);
  });

  test('events that the store does not have yet come after those that it was restored to', async () => {
    await using place = await frontPlaces[kind]();
    const name = await tables.table('id bigint primary key, body jsonb');
    await using log = createLog<number>({
      name,
      front: place.front(),
      store: postgresLog({ pool: tables.schema.pool, table: name, order: 'id', value: 'body' }),
      ...SHARED,
    });
    await log.append(1);
    await log.flush();
    const restore = await backup(name);
    await log.append(2);
    await log.flush();
    await log.append(3);
    await restore();
    await expect(log.flush()).rejects.toMatchObject({ code: 'MILLRACE_LANE_STOPPED' });
    await log.resume({ acceptStoreRollback: true });
    await log.append(4);
    await log.flush();
    expect((await tables.schema.rows(`select body::int from ${name} order by id`)).map(({ body }) => body)).toEqual([
      1, 3, 4,
    ]);
  });
});
