import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLeaderboard } from '../../src/leaderboard.ts';
import { postgresLeaderboard } from '../../src/stores/postgres/index.ts';
import { frontPlaces } from '../support/fronts.ts';
import { Schema } from './postgres-fixture.ts';

const SIDE = 5;
const STRIDE = 5_000;

let schema: Schema;
beforeAll(async () => {
  schema = await Schema.create();
});
afterAll(() => schema[Symbol.asyncDispose]());

interface Row {
  readonly member: string;
  readonly score: number;
  readonly rank: number;
}

/**
 * A table with so many members. Each score is that of four of them, and their order is another than that of the scores.
 */
async function tableOf(members: number): Promise<string> {
  const table = `scores_${members}`;
  const [found] = await schema.rows(`select to_regclass('${table}') as name`);
  if (found?.['name'] === null) {
    await schema.pool.query(`create table ${table} (member text primary key, score double precision)`);
    await schema.pool.query(
      `insert into ${table}
        select 'member ' || i, (i::bigint * 7919) % ${members / 4} from generate_series(1, ${members}) i`,
    );
  }
  return table;
}

/** The first thousand, and some neighbours in each {@link STRIDE}, as SQL has them. */
const ranked = async (table: string): Promise<readonly Row[]> =>
  (await schema.rows(`select member, score, rank::int from (
      select *, row_number() over (order by score desc, member collate "C") as rank from ${table}
    ) r
    where rank <= 1000 or rank % ${STRIDE} < ${2 * SIDE + 1} order by rank`)) as unknown as Row[];

test.each([
  ['redis', 1_000_000],
  ['memory', 1_000_000],
  ['lmdb', 200_000],
] as const)(
  'an empty %s front loads a leaderboard of %i members, while scores come in, and ranks them as SQL does',
  async (kind, members) => {
    await using place = await frontPlaces[kind]();
    const table = await tableOf(members);
    const store = postgresLeaderboard({ pool: schema.pool, table, member: 'member', score: 'score' });
    await using board = createLeaderboard({
      name: kind,
      front: place.front(),
      store,
      flush: { maxDelay: 50 },
      loadWait: '150s',
    });
    await board.ready();

    const loading = board.top(1);
    const changes = Promise.all([
      board.set('new', members),
      board.remove('member 1'),
      ...Array.from({ length: 500 }, (_, i) => board.add(`member ${2 + i * 101}`, 0.5)),
    ]);
    await Promise.all([loading, changes]);
    await board.flush();

    const rows = await ranked(table);
    expect(await board.top(1_000)).toEqual(rows.slice(0, 1_000));
    const middles = rows.filter(({ rank }) => rank > 1_000 && rank % STRIDE === SIDE);
    expect(middles.length).toBeGreaterThan(members / STRIDE / 2);
    expect(await Promise.all(middles.map(({ member }) => board.rank(member)))).toEqual(middles.map(({ rank }) => rank));
    const around = await Promise.all(middles.map(({ member }) => board.around(member, SIDE)));
    expect(around).toEqual(middles.map((middle) => rows.filter(({ rank }) => Math.abs(rank - middle.rank) <= SIDE)));
    expect(await board.rank('member 1')).toBeUndefined();
  },
  180_000,
);
