import { postgresLeaderboard } from '../../src/stores/postgres/index.ts';
import { shapeTables } from './shape-fixture.ts';

/** Tables of leaderboards, for the whole file that calls it. */
export function boardTables() {
  const tables = shapeTables('scores', 'member text primary key, score double precision');
  return {
    tables,
    storeOf: (name: string) =>
      postgresLeaderboard({ pool: tables.schema.pool, table: name, member: 'member', score: 'score' }),
    async rowsOf(name: string): Promise<Record<string, number>> {
      const rows = await tables.schema.rows(`select member::text, score::float8 from ${name} order by member`);
      return Object.fromEntries(rows.map(({ member, score }) => [member, score])) as Record<string, number>;
    },
    insert: (name: string, rows: Readonly<Record<string, number>>): Promise<unknown> =>
      tables.schema.pool.query(`insert into ${name} select * from unnest($1::text[], $2::float8[])`, [
        Object.keys(rows),
        Object.values(rows),
      ]),
  };
}

/** Members with their scores, the best first, as a leaderboard tells them. */
export const ranked = (...members: readonly (readonly [string, number])[]) =>
  members.map(([member, score], i) => ({ member, score, rank: i + 1 }));
