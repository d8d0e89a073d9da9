/** A table of counters in PostgreSQL or PGlite. */

import type { Shape } from '../../core/shape.ts';
import { traitsOf } from '../../core/shape.ts';
import type { Store } from '../../ports/store.ts';
import { schemaError } from '../sql/faults.ts';
import type { TableStatements } from '../sql/table.ts';
import { totalsIn } from '../sql/total-rows.ts';
import { readTable, type Table } from './catalogue.ts';
import type { Column } from './column.ts';
import { tableStore } from './connect.ts';
import { arrayText, literal, quote } from './identifiers.ts';
import { decimalsOf, isWhole, writeNumbers } from './numbers.ts';
import { PostgresOptionReader, type TableStoreOptions } from './options.ts';

/** Options of {@link postgresCounters}. */
export interface PostgresCountersOptions extends TableStoreOptions {
  /**
   * The column with the key: text, varchar, char, smallint, integer, bigint or uuid, with a unique constraint of its
   * own. Column names are taken as they are, without quotes.
   */
  readonly key: string;
  /** The column with the sum: smallint, integer or bigint; numeric for counters with decimals. Null counts as 0. */
  readonly count: string;
}

/**
 * A table of counters in PostgreSQL or PGlite: one row per key, to whose count increments are added. Missing rows are
 * inserted. Others may change counts too; the front finds out when a total expires.
 *
 * @throws MillraceError MILLRACE_OPTIONS, with all faults of the options
 */
export function postgresCounters(options: PostgresCountersOptions): Store {
  const read = new PostgresOptionReader('postgresCounters', options, ['key', 'count']);
  const common = read.common();
  const key = read.name('key', true);
  const count = read.name('count', true);
  read.distinct([key, count, ...common.touch]);
  read.finish();
  const columns = { ...common, key: key as string, value: undefined, columns: [count as string], version: undefined };
  return tableStore(common, 'counters', async (database, { cache, shape = 'counters', onWarning }) => {
    const table = await readTable(database, columns, onWarning);
    const column = table.columns[0] as Column;
    const faults = countFaults(table, column, shape);
    if (faults.length > 0) throw schemaError(table.sql, faults);
    const totals = totalsOf(table, column, cache, common.schema ?? table.schema);
    return {
      schema: table.schema,
      sql: table.sql,
      statements: countersStatements(table, column),
      checkKey: (text) => table.keyType.check(text),
      checkValue: () => undefined,
      loads: (run) => ({ totals: { load: async (lanes, keys) => totalsIn(await run(totals(lanes, keys))) } }),
    };
  });
}

function countFaults({ sql }: Table, column: Column, shape: Shape): string[] {
  const { name, base, type } = column;
  const scale = traitsOf(shape).scale;
  const quoted = quote(name);
  const alter = `alter table ${sql} alter column ${quoted} type`;
  if (base === 'numeric') {
    if (decimalsOf(column) >= scale) return [];
    return [
      `the count column ${quoted} is ${type}, and would round the ${scale} decimals of the counters: ` +
        `${alter} numeric`,
    ];
  }
  if (scale > 0)
    return [`the count column ${quoted} is ${type}, and the counters have ${scale} decimals: ${alter} numeric`];
  if (isWhole(column)) return [];
  return [`the count column ${quoted} is ${type}; it must be bigint: ${alter} bigint using ${quoted}::bigint`];
}

function countersStatements(table: Table, count: Column): TableStatements {
  const [key, sum] = [quote(table.key.name), quote(count.name)];
  const load = `select t.${key}::text as key, coalesce(t.${sum}, 0)::text as value
    from unnest($1::text::${table.keyType.sql}[]) given(key) join ${table.sql} t on t.${key} = given.key`;
  const write = writeNumbers(table, count, (given) => `coalesce(t.${sum}, 0) + ${given}`);
  return {
    load: (keys) => ({ text: load, values: [arrayText(keys)] }),
    write: (mutations) => [
      {
        text: write,
        values: [
          arrayText(mutations.map(({ key: text }) => text)),
          arrayText(mutations.map(({ json }) => json as string)),
        ],
      },
    ],
  };
}

/** One statement, and so one snapshot: what it finds of a row belongs to the generation that it finds in the fence. */
function totalsOf(table: Table, count: Column, cache: string, schema: string) {
  const [key, sum] = [quote(table.key.name), quote(count.name)];
  const text = `select null as lane, t.${key}::text as key, coalesce(t.${sum}, 0)::text as value
    from unnest($1::text::${table.keyType.sql}[]) given(key) join ${table.sql} t on t.${key} = given.key
    union all select f.lane::text, null, f.generation::text from ${quote(schema)}.millrace_fence f
    where f.cache = ${literal(cache)} and f.lane = any($2::text::integer[])`;
  return (lanes: readonly number[], keys: readonly string[]) => ({
    text,
    values: [arrayText(keys), arrayText(lanes.map(String))],
  });
}
