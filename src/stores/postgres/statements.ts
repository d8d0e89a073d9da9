/** The statements on a table of documents in PostgreSQL. */
import { kindOf, kindTraits } from '../../core/shape.ts';
import { MillraceError } from '../../errors.ts';
import type { Mutation } from '../../ports/store.ts';
import type { TableStatements } from '../sql/table.ts';
import type { Table } from './catalogue.ts';
import type { Column } from './column.ts';
import { arrayText, quote } from './identifiers.ts';

interface PutRow {
  readonly key: string;
  readonly json: string;
}

export function statementsOf(table: Table): TableStatements {
  const key = quote(table.key.name);
  // Joined, not `= any(…)`: the cast from text would be evaluated for every row of a scan.
  const given = `unnest($1::text::${table.keyType.sql}[]) given(key)`;
  const loadText = table.value === undefined ? loadColumns(table, given) : loadDocument(table, table.value, given);
  const upsertText = upsertOf(table);
  const removeText = `delete from ${table.sql} t using ${given} where t.${key} = given.key`;
  return {
    load: (keys) => ({ text: loadText, values: [arrayText(keys)] }),
    // Deletes first: a row may take over a unique value of one that goes.
    write(mutations) {
      const { removed, put } = split(mutations);
      return [
        ...(removed.length === 0 ? [] : [{ text: removeText, values: [arrayText(removed)] }]),
        ...(put.length === 0
          ? []
          : [
              {
                text: upsertText,
                values: [arrayText(put.map(({ key }) => key)), put.map(({ json }) => line(json)).join('\n')],
              },
            ]),
      ];
    },
  };
}

/**
 * JSON text without a line break. A carriage return is as good between the parts of JSON, and as bad within a string.
 */
const line = (json: string): string => (json.includes('\n') ? json.replaceAll('\n', '\r') : json);

function split(mutations: readonly Mutation[]): { removed: string[]; put: PutRow[] } {
  const removed: string[] = [];
  const put: PutRow[] = [];
  for (const mutation of mutations) {
    const { key, json } = mutation;
    const kind = kindOf(mutation);
    if (!kindTraits(kind).isReplaced)
      throw new MillraceError('MILLRACE_STORE_SCHEMA', `a table of documents cannot take a ${kind}`);
    if (json === undefined) removed.push(key);
    else put.push({ key, json });
  }
  return { removed, put };
}

/** SQL NULL, which others may have written, is the JSON null: the row is there. */
function loadDocument(table: Table, value: Column, given: string): string {
  const key = `t.${quote(table.key.name)}`;
  return `select ${key}::text as key, coalesce(t.${quote(value.name)}::text, 'null') as value
    from ${given} join ${table.sql} t on ${key} = given.key`;
}

/** A row of a subselect instead of json_build_object, which takes 50 columns at most. */
function loadColumns(table: Table, given: string): string {
  const key = `t.${quote(table.key.name)}`;
  const columns = table.columns.map((column) => `${readColumn(column)} as ${quote(column.name)}`).join(', ');
  return `select ${key}::text as key, row_to_json(v)::text as value
    from ${given} join ${table.sql} t on ${key} = given.key cross join lateral (select ${columns}) v`;
}

/** How a column's value is read, so that what JavaScript wrote comes back as it was. */
function readColumn({ name, base }: Column): string {
  const column = `t.${quote(name)}`;
  switch (base) {
    case 'timestamptz': {
      // As Date.toJSON writes it; more digits only where there are any, and no infinity through to_char.
      const utc = `(${column} at time zone 'UTC')`;
      const format = `case when extract(microseconds from ${utc})::bigint % 1000 = 0
        then 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"' else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' end`;
      return `case when ${column} >= '0001-01-02 00:00Z' and ${column} < '9999-12-31 00:00Z'
        then to_json(to_char(${utc}, ${format})) else to_json(${column}) end`;
    }
    case 'int8':
      return `case when ${column} between -9007199254740991 and 9007199254740991
        then to_json(${column}) else to_json(${column}::text) end`;
    case 'numeric':
      // Numbers that a double prints with the same digits; the bounds keep the cast from failing.
      return `case when ${column} = 0 or (abs(${column}) between 1e-300 and 1e300 and ${column} = (
          case when abs(${column}) between 1e-300 and 1e300 then ${column} end)::float8::text::numeric)
        then to_json(${column}) else to_json(${column}::text) end`;
    default:
      return column;
  }
}

/**
 * One statement for all rows. The values' JSON texts go as lines: the client neither parses nor escapes them, and the
 * server parses each once. As one array of JSON they were parsed as a whole and then made anew one by one, which took a
 * tenth more of the server's time; a record set took more, and would turn the JSON null into SQL NULL; an array
 * parameter has the values escaped by the client. See bench/micro/postgres-documents.ts.
 */
function upsertOf(table: Table): string {
  const mapped = table.value === undefined ? table.columns : [table.value];
  const names = [table.key, ...mapped, ...(table.version === undefined ? [] : [table.version]), ...table.touch];
  const values =
    table.value === undefined
      ? table.columns.map(({ name }) => `r.${quote(name)}`)
      : [`e.v::${table.value.base === 'jsonb' ? 'jsonb' : 'json'}`];
  const selected = ['e.k', ...values, ...(table.version === undefined ? [] : ['1']), ...table.touch.map(() => 'now()')];
  const record = table.columns.map(({ name, type }) => `${quote(name)} ${type}`).join(', ');
  const rows = `unnest($1::text::${table.keyType.sql}[], string_to_array($2::text, e'\\n')) e(k, v)`;
  const source = table.value === undefined ? `${rows} cross join lateral json_to_record(e.v::json) r(${record})` : rows;
  const updates = [
    ...mapped.map(({ name }) => `${quote(name)} = excluded.${quote(name)}`),
    ...(table.version === undefined
      ? []
      : [`${quote(table.version.name)} = coalesce(t.${quote(table.version.name)}, 0) + 1`]),
    ...table.touch.map(({ name }) => `${quote(name)} = now()`),
  ];
  return `insert into ${table.sql} as t (${names.map(({ name }) => quote(name)).join(', ')})
    select ${selected.join(', ')} from ${source}
    on conflict (${quote(table.key.name)}) do update set ${updates.join(', ')}`;
}
