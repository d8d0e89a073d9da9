/** The user's table as PostgreSQL's catalogue has it, checked, with all faults together. */
import type { MillraceError } from '../../errors.ts';
import { schemaError } from '../sql/faults.ts';
import type { TableName } from '../sql/names.ts';
import type { Column } from './column.ts';
import type { PostgresDatabase } from './database.ts';
import { quote, quoteTable } from './identifiers.ts';
import { KEY_TYPES, type KeyType, keyTypeOf } from './keys.ts';
import type { TableMapping } from './options.ts';
import catalogueSql from './sql/catalogue.sql';
import namesakesSql from './sql/namesakes.sql';

interface Index {
  readonly name: string;
  readonly column: number;
  readonly valid: boolean;
  readonly deferrable: boolean;
  readonly partial: boolean;
  readonly loose: boolean;
}

interface FoundTable {
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly user: string;
  readonly encoding: string;
  readonly fsync: string;
  readonly synchronousCommit: string;
  readonly rowSecurity: boolean;
  readonly mayDelete: boolean;
  readonly columns: readonly Column[];
  readonly indexes: readonly Index[];
}

/** The table as the catalogue has it, checked. */
export interface Table {
  readonly schema: string;
  /** Quoted, with its schema. */
  readonly sql: string;
  readonly key: Column;
  readonly keyType: KeyType;
  /** The one JSON column, or the mapped columns in the order of the options. */
  readonly value: Column | undefined;
  readonly columns: readonly Column[];
  readonly version: Column | undefined;
  readonly touch: readonly Column[];
}

/** Reads the table from the catalogue. Rejects with MILLRACE_STORE_SCHEMA, all faults together. */
export async function readTable(
  database: PostgresDatabase,
  options: TableMapping,
  onWarning: (message: string) => void,
): Promise<Table> {
  const { found, sql, faults, column } = await find(database, options.table);
  const key = column(options.key, 'key');
  const value = options.value === undefined ? undefined : column(options.value, 'value');
  const columns = options.columns.map((name) => column(name, 'mapped')).filter((column) => column !== undefined);
  const version = options.version === undefined ? undefined : column(options.version, 'version');
  const touch = options.touch.map((name) => column(name, 'touch')).filter((column) => column !== undefined);

  if (key !== undefined) faults.push(...keyFaults(found, key, sql));
  if (value !== undefined) faults.push(...valueFaults(value, sql));
  for (const mapped of columns) faults.push(...mappedFaults(mapped));
  if (version !== undefined && !['int2', 'int4', 'int8', 'numeric'].includes(version.base))
    faults.push(`the version column ${quote(version.name)} is ${version.type}; it must be bigint`);
  for (const touched of touch) faults.push(...timeFaults(touched, 'touch'));
  const written = [key, value, ...columns, version, ...touch].filter((column) => column !== undefined);
  faults.push(...unmappedFaults(found, written), ...permissionFaults(found, written, key, sql));
  if (faults.length > 0) throw schemaError(sql, faults);
  warn(found, sql, database.kind, onWarning);
  const checkedKey = key as Column;
  return {
    schema: found.schema,
    sql,
    key: checkedKey,
    keyType: keyTypeOf(checkedKey) as KeyType,
    value,
    columns,
    version,
    touch,
  };
}

/** A table of events: nothing is looked up in it, so it needs no key. */
export interface LogTable {
  readonly schema: string;
  readonly sql: string;
  readonly value: Column | undefined;
  readonly columns: readonly Column[];
  readonly at: Column | undefined;
  readonly order: Column | undefined;
}

export interface LogTableOptions {
  readonly table: TableName;
  readonly value: string | undefined;
  readonly columns: readonly string[];
  readonly at: string | undefined;
  readonly order: string | undefined;
}

/** {@link readTable} for a log. */
export async function readLogTable(
  database: PostgresDatabase,
  options: LogTableOptions,
  onWarning: (message: string) => void,
): Promise<LogTable> {
  const { found, sql, faults, column } = await find(database, options.table);
  const value = options.value === undefined ? undefined : column(options.value, 'value');
  const columns = options.columns.map((name) => column(name, 'mapped')).filter((mapped) => mapped !== undefined);
  const at = options.at === undefined ? undefined : column(options.at, 'at');
  const order = options.order === undefined ? undefined : column(options.order, 'order');
  if (value !== undefined) faults.push(...valueFaults(value, sql));
  for (const mapped of columns) faults.push(...mappedFaults(mapped));
  if (at !== undefined) faults.push(...timeFaults(at, 'at'));
  if (order !== undefined && order.base !== 'int8' && order.base !== 'numeric')
    faults.push(`the order column ${quote(order.name)} is ${order.type}; it must be bigint`);
  const written = [value, ...columns, at, order].filter((used) => used !== undefined);
  faults.push(...unmappedFaults(found, written));
  if (written.some(({ mayInsert }) => !mayInsert))
    faults.push(`this login lacks permissions: grant insert on ${sql} to ${quote(found.user)}`);
  if (faults.length > 0) throw schemaError(sql, faults);
  warn(found, sql, database.kind, onWarning);
  return { schema: found.schema, sql, value, columns, at, order };
}

/** The table, with a list for what is wrong with it. */
async function find(database: PostgresDatabase, table: TableName) {
  const [row] = await database.run({ text: catalogueSql, values: [quoteTable(table)] });
  if (row === undefined) throw await missing(database, table);
  const found = JSON.parse(row['found'] as string) as FoundTable;
  const sql = quoteTable(found);
  const faults: string[] = [];
  if (found.kind !== 'r' && found.kind !== 'p')
    throw schemaError(sql, ['it is not a table, and only a table can be written to']);
  const column = (name: string, use: string): Column | undefined => {
    const named = found.columns.find((one) => one.name === name);
    if (named === undefined)
      faults.push(
        `the ${use} column ${quote(name)} does not exist; ` +
          `there are ${found.columns.map((one) => quote(one.name)).join(', ')}`,
      );
    return named;
  };
  return { found, sql, faults, column };
}

function timeFaults({ name, base, type }: Column, use: string): string[] {
  return ['timestamptz', 'timestamp', 'date'].includes(base)
    ? []
    : [`the ${use} column ${quote(name)} is ${type}; it must be timestamptz`];
}

async function missing(database: PostgresDatabase, table: TableName): Promise<MillraceError> {
  const namesakes = await database.run({ text: namesakesSql, values: [table.name] });
  const hint =
    namesakes.length === 0
      ? ''
      : `; there is ${namesakes.map(({ name }) => name).join(', ')} ` +
        '(capitals need double quotes inside the name, and a table outside the search path its schema)';
  return schemaError(quoteTable(table), [`it does not exist, or this login may not see it${hint}`]);
}

function keyFaults(found: FoundTable, key: Column, sql: string): string[] {
  const faults: string[] = [];
  const name = quote(key.name);
  if (keyTypeOf(key) === undefined) faults.push(`the key column ${name} is ${key.type}; it must be ${KEY_TYPES}`);
  if (key.generated !== '') faults.push(`the key column ${name} is generated, so no key can be written to it`);
  if (key.identity === 'a')
    faults.push(
      `the key column ${name} is generated always as identity; allow keys to be given: ` +
        `alter table ${sql} alter column ${name} set generated by default`,
    );
  const indexes = found.indexes.filter(({ column }) => column === key.number);
  if (indexes.some((index) => index.valid && !index.deferrable && !index.partial && !index.loose)) return faults;
  const fix = `alter table ${sql} add unique (${name})`;
  const why = indexes.map((index) => `${index.name} is ${faultOf(index)}`);
  if (why.length === 0)
    faults.push(`the key column ${name} has no unique constraint of its own, so an upsert cannot find its row: ${fix}`);
  else if (indexes.every(({ loose }) => loose))
    faults.push(
      `the key column ${name} has a collation that takes different texts for equal (${why.join(', ')}): ` +
        'give the column a deterministic one',
    );
  else
    faults.push(`the key column ${name} has no unique constraint that an upsert can use (${why.join(', ')}): ${fix}`);
  return faults;
}

function faultOf({ valid, deferrable, partial }: Index): string {
  if (!valid) return 'not valid';
  if (deferrable) return 'deferrable';
  return partial ? 'partial' : 'on a nondeterministic collation';
}

function valueFaults(value: Column, sql: string): string[] {
  const name = quote(value.name);
  if (value.generated !== '') return [`the value column ${name} is generated, so nothing can be written to it`];
  if (value.base === 'jsonb' || value.base === 'json') return [];
  return [
    `the value column ${name} is ${value.type}; it must be jsonb: ` +
      `alter table ${sql} alter column ${name} type jsonb using ${name}::jsonb`,
  ];
}

function mappedFaults(column: Column): string[] {
  const name = quote(column.name);
  if (column.generated !== '' || column.identity === 'a')
    return [`the mapped column ${name} is generated, so nothing can be written to it`];
  if (column.base === 'bytea' || column.base === '_bytea')
    return [
      `the mapped column ${name} is ${column.type}, and JSON has no bytes: ` +
        'store them as text (base64), or leave the column out',
    ];
  return [];
}

function unmappedFaults(found: FoundTable, written: readonly Column[]): string[] {
  return found.columns
    .filter(
      (column) =>
        column.notNull &&
        !column.hasDefault &&
        column.identity === '' &&
        column.generated === '' &&
        !written.includes(column),
    )
    .map(
      ({ name }) =>
        `the column ${quote(name)} is not null, has no default and is not mapped, so every insert would be refused: ` +
        'map it, or give it a default',
    );
}

function permissionFaults(
  found: FoundTable,
  written: readonly Column[],
  key: Column | undefined,
  sql: string,
): string[] {
  const lacking: string[] = [];
  if (written.some(({ maySelect }) => !maySelect)) lacking.push('select');
  if (written.some(({ mayInsert }) => !mayInsert)) lacking.push('insert');
  if (written.some((column) => column !== key && !column.mayUpdate)) lacking.push('update');
  if (!found.mayDelete) lacking.push('delete');
  return lacking.length === 0
    ? []
    : [`this login lacks permissions: grant ${lacking.join(', ')} on ${sql} to ${quote(found.user)}`];
}

function warn(
  found: FoundTable,
  sql: string,
  kind: PostgresDatabase['kind'],
  onWarning: (message: string) => void,
): void {
  if (found.encoding !== 'UTF8')
    onWarning(
      `the encoding of the database is ${found.encoding}: ` +
        'rows with characters outside it will be refused and end as dead letters',
    );
  if (found.rowSecurity)
    onWarning(
      `row security is active for ${sql}: ` +
        'rows that its policies hide are not found, and rows that they refuse stop the lane',
    );
  if (kind === 'pglite') return;
  if (found.fsync === 'off')
    onWarning('the server runs with fsync = off: what is stored does not survive a power loss');
  if (found.synchronousCommit === 'off')
    onWarning('the server runs with synchronous_commit = off: what is stored may not survive a crash of the server');
}
