/** A table of events in PostgreSQL or PGlite. */
import type { Store } from '../../ports/store.ts';
import type { TableStatements } from '../sql/table.ts';
import { type LogTable, readLogTable } from './catalogue.ts';
import { tableStore } from './connect.ts';
import { quote } from './identifiers.ts';
import { PostgresOptionReader, type TableStoreOptions } from './options.ts';
import { checkDocument, columnsCheck } from './values.ts';

/** What a table of events takes, whichever way it is mapped. */
export interface CommonOptions extends Omit<TableStoreOptions, 'touch'> {
  /** A timestamp column for when the event was appended, by the clock of who appended it, to the microsecond. */
  readonly at?: string;
  /**
   * A bigint column that orders events: microseconds since the epoch, and at least one more with each event of a
   * process.
   */
  readonly order?: string;
}

/** The event is one JSON document in one column, jsonb or json. */
export interface ValueMapping {
  /** The column. */
  readonly value: string;
  /** Not beside `value`. */
  readonly columns?: undefined;
}

/** The event is an object whose properties are columns of the same names, as with `postgresStore`. */
export interface ColumnsMapping {
  /** The columns, which are the names of the properties. */
  readonly columns: readonly string[];
  /** Not beside `columns`. */
  readonly value?: undefined;
}

/** Options of {@link postgresLog}. */
export type PostgresLogOptions = CommonOptions & (ValueMapping | ColumnsMapping);

/**
 * A table of events in PostgreSQL or PGlite: one row per event, inserted and never updated. It needs no key, and may be
 * partitioned: that each event is there once is seen to by the fence in the same transaction.
 *
 * @throws MillraceError MILLRACE_OPTIONS, with all faults of the options
 */
export function postgresLog(options: PostgresLogOptions): Store {
  const read = new PostgresOptionReader('postgresLog', options, ['value', 'columns', 'at', 'order']);
  const common = read.common();
  const value = read.name('value', false);
  const columns = read.names('columns');
  read.oneOf(value, columns);
  const at = read.name('at', false);
  const order = read.name('order', false);
  read.unknown('touch');
  read.distinct([value, ...columns, at, order]);
  read.finish();
  return tableStore(common, 'log', async (database, { onWarning }) => {
    const table = await readLogTable(database, { table: common.table, value, columns, at, order }, onWarning);
    return {
      schema: table.schema,
      sql: table.sql,
      statements: logStatements(table),
      checkKey: () => undefined,
      checkValue: table.value === undefined ? columnsCheck(table.columns) : checkDocument,
    };
  });
}

/**
 * The rows of a statement are inserted in their order. An event comes as `[order, event]`, and goes as a line of text:
 * JSON has no line breaks, and lines cost the server less than an array of JSON does. See
 * bench/micro/postgres-events.ts.
 */
function logStatements(table: LogTable): TableStatements {
  const mapped = table.value === undefined ? table.columns : [table.value];
  const names = [
    ...mapped,
    ...(table.at === undefined ? [] : [table.at]),
    ...(table.order === undefined ? [] : [table.order]),
  ];
  const isOrdered = table.at !== undefined || table.order !== undefined;
  const selected = [
    ...(table.value === undefined
      ? table.columns.map(({ name }) => `r.${quote(name)}`)
      : [`e.v::${table.value.base === 'jsonb' ? 'jsonb' : 'json'}`]),
    // In two parts: a double would not hold both.
    ...(table.at === undefined
      ? []
      : [
          `timestamptz 'epoch' + (e.micros / 1000000) * interval '1 second'
            + (e.micros % 1000000) * interval '1 microsecond'`,
        ]),
    ...(table.order === undefined ? [] : ['e.micros']),
  ];
  const record = table.columns.map(({ name, type }) => `${quote(name)} ${type}`).join(', ');
  const lines = (place: string): string => `string_to_array(${place}::text, e'\\n')`;
  const rows = isOrdered
    ? `unnest(${lines('$1')}, ${lines('$2')}::bigint[]) e(v, micros)`
    : `unnest(${lines('$1')}) e(v)`;
  const source = table.value === undefined ? `${rows} cross join lateral json_to_record(e.v::json) r(${record})` : rows;
  const text = `insert into ${table.sql} (${names.map(({ name }) => quote(name)).join(', ')})
    select ${selected.join(', ')} from ${source}`;
  return {
    load: () => undefined,
    write(mutations) {
      const events: string[] = [];
      const orders: string[] = [];
      for (const { json = '' } of mutations) {
        const comma = json.indexOf(',');
        orders.push(json.slice(1, comma));
        events.push(json.slice(comma + 1, -1));
      }
      return [{ text, values: isOrdered ? [events.join('\n'), orders.join('\n')] : [events.join('\n')] }];
    },
  };
}
