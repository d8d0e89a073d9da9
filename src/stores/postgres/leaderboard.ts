/** A table of scores in PostgreSQL or PGlite. */
import type { ScoresPage } from '../../ports/scores-store.ts';
import type { Store } from '../../ports/store.ts';
import type { Statement } from '../sql/database.ts';
import { schemaError } from '../sql/faults.ts';
import { scoresIn } from '../sql/score-rows.ts';
import type { TableStatements, ValueCheck } from '../sql/table.ts';
import { readTable, type Table } from './catalogue.ts';
import type { Column } from './column.ts';
import { tableStore } from './connect.ts';
import { arrayText, literal, quote } from './identifiers.ts';
import { decimalsOf, isWhole, writeNumbers } from './numbers.ts';
import { PostgresOptionReader, type TableStoreOptions } from './options.ts';

/** Options of {@link postgresLeaderboard}. */
export interface PostgresLeaderboardOptions extends TableStoreOptions {
  /**
   * The column with the member: text, varchar, char, smallint, integer, bigint or uuid, with a unique constraint of its
   * own. Column names are taken as they are, without quotes.
   */
  readonly member: string;
  /**
   * The column with the score: double precision or numeric, or smallint, integer or bigint for whole scores. A row with
   * null is on no board.
   */
  readonly score: string;
}

/**
 * A table of scores in PostgreSQL or PGlite: one row per member, which is written with the score that it came to, and
 * deleted when the member is removed. Missing rows are inserted. The table should be the leaderboard's own: changes
 * that others make are found only when the board is loaded again.
 *
 * @throws MillraceError MILLRACE_OPTIONS, with all faults of the options
 */
export function postgresLeaderboard(options: PostgresLeaderboardOptions): Store {
  const read = new PostgresOptionReader('postgresLeaderboard', options, ['member', 'score']);
  const common = read.common();
  const member = read.name('member', true);
  const score = read.name('score', true);
  read.distinct([member, score, ...common.touch]);
  read.finish();
  const columns = {
    ...common,
    key: member as string,
    value: undefined,
    columns: [score as string],
    version: undefined,
  };
  return tableStore(common, 'scores', async (database, { cache, onWarning }) => {
    const table = await readTable(database, columns, onWarning);
    const column = table.columns[0] as Column;
    const faults = scoreFaults(table, column);
    if (faults.length > 0) throw schemaError(table.sql, faults);
    const scores = scoresOf(table, column, cache, common.schema ?? table.schema);
    const limitOf = (page: ScoresPage): number | undefined => ('limit' in page ? page.limit : undefined);
    return {
      schema: table.schema,
      sql: table.sql,
      statements: scoreStatements(table, column),
      checkKey: (text) => table.keyType.check(text),
      checkValue: scoreCheck(column),
      loads: (run) => ({ scores: { load: async (page) => scoresIn(await run(scores(page)), limitOf(page)) } }),
    };
  });
}

function scoreFaults({ sql }: Table, column: Column): string[] {
  const { name, base, type } = column;
  if (base === 'float8' || isWhole(column)) return [];
  if (base === 'numeric' && (decimalsOf(column) === 0 || decimalsOf(column) === Number.POSITIVE_INFINITY)) return [];
  const quoted = quote(name);
  const why = base === 'numeric' || base === 'float4' ? 'and would round scores' : 'and holds no scores';
  return [
    `the score column ${quoted} is ${type}, ${why}: ` +
      `alter table ${sql} alter column ${quoted} type double precision using ${quoted}::double precision`,
  ];
}

const INTEGER_MAX: Readonly<Record<string, number>> = { int2: 2 ** 15 - 1, int4: 2 ** 31 - 1 };

/** Only what is sure: what several additions come to is known to the front alone, and the server has the last word. */
function scoreCheck(column: Column): ValueCheck {
  if (!isWhole(column) && decimalsOf(column) !== 0) return () => undefined;
  const max = INTEGER_MAX[column.base] ?? Number.MAX_SAFE_INTEGER;
  return (json) => {
    const score = Number(json);
    return Number.isInteger(score) && Math.abs(score) <= max
      ? undefined
      : `the column ${quote(column.name)} is ${column.type}, and takes whole scores in its range`;
  };
}

function scoreStatements(table: Table, score: Column): TableStatements {
  const [key, value] = [quote(table.key.name), quote(score.name)];
  const given = `unnest($1::text::${table.keyType.sql}[]) given(key)`;
  const load = `select t.${key}::text as key, t.${value}::text as value
    from ${given} join ${table.sql} t on t.${key} = given.key where t.${value} is not null`;
  const remove = `delete from ${table.sql} t using ${given} where t.${key} = given.key`;
  const put = writeNumbers(table, score, (given) => given);
  return {
    load: (keys) => ({ text: load, values: [arrayText(keys)] }),
    write(mutations) {
      const removed = mutations.filter(({ json }) => json === undefined).map(({ key: text }) => text);
      const scores = mutations.filter(({ json }) => json !== undefined);
      return [
        ...(removed.length === 0 ? [] : [{ text: remove, values: [arrayText(removed)] }]),
        ...(scores.length === 0
          ? []
          : [
              {
                text: put,
                values: [
                  arrayText(scores.map(({ key: text }) => text)),
                  arrayText(scores.map(({ json }) => json as string)),
                ],
              },
            ]),
      ];
    },
  };
}

/**
 * One statement, and so one snapshot: what it finds of the rows belongs to the generation that it finds in the fence,
 * also where there are none.
 */
function scoresOf(table: Table, score: Column, cache: string, schema: string): (page: ScoresPage) => Statement {
  const [key, value, type] = [quote(table.key.name), quote(score.name), table.keyType.sql];
  const statement = (rows: string, values: string[]): Statement => ({
    text: `select f.generation, p.key, p.value
      from (select coalesce(max(generation), 0)::text as generation from ${quote(schema)}.millrace_fence
        where cache = ${literal(cache)} and lane = 0) f
      left join (${rows}) p on true order by p.raw`,
    values,
  });
  const selected = `select t.${key} as raw, t.${key}::text as key, t.${value}::text as value from ${table.sql} t`;
  // As a number in the text: a plan that does not know it would rather sort the table.
  const limited = (limit: number): string => `t.${value} is not null order by t.${key} limit ${Math.floor(limit)}`;
  const named = `${selected} join unnest($1::text::${type}[]) given(key) on t.${key} = given.key
    where t.${value} is not null`;
  const first = `${selected} where`;
  const next = `${selected} where t.${key} > $1::text::${type} and`;
  return (of) => {
    if ('members' in of) return statement(named, [arrayText(of.members)]);
    return of.after === ''
      ? statement(`${first} ${limited(of.limit)}`, [])
      : statement(`${next} ${limited(of.limit)}`, [of.after]);
  };
}
