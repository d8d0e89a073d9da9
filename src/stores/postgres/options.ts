import { type Duration, parseDuration } from '../../core/duration.ts';
import { MillraceError } from '../../errors.ts';
import { parseTableName, type TableName } from './identifiers.ts';
import { isPGlite, type PGliteLike } from './pglite-database.ts';
import { isPgPool, type PgPoolLike } from './pool-database.ts';

/** What all stores on a table in PostgreSQL take. */
export interface TableStoreOptions {
  /** A `pg.Pool`, or a PGlite instance. It stays yours: the cache never ends it. */
  readonly pool: PgPoolLike | PGliteLike;
  /** `table` or `schema.table`, as in SQL: a name with capitals or blanks is written in double quotes. */
  readonly table: string;
  /** Timestamp columns that are set to now() with each write. */
  readonly touch?: string | readonly string[];
  /** Where the tables `millrace_fence` and `millrace_dead_letter` are. Default: the schema of the table. */
  readonly schema?: string;
  /** Named prepared statements; `false` for a pooler that cannot carry them. Default true. */
  readonly prepare?: boolean;
  /** How long a flush waits for a lock that somebody else holds. 10 ms to 1 h, default '5s'. */
  readonly lockTimeout?: Duration;
  /** How long one statement of a flush may take. 10 ms to 1 h, default '30s'. */
  readonly statementTimeout?: Duration;
  /** How long a flush may sit in its transaction without a statement. 10 ms to 1 h, default '30s'. */
  readonly idleTimeout?: Duration;
}

/** What a table of documents takes, whichever way it is mapped. */
export interface CommonOptions extends TableStoreOptions {
  /**
   * The column with the key: text, varchar, char, smallint, integer, bigint or uuid, with a unique constraint of its own.
   * Column names are taken as they are, without quotes.
   */
  readonly key: string;
  /** An integer column that counts the writes of a row: 1 at insert, one more with each update. */
  readonly version?: string;
}

/** The value is one JSON document in one column, jsonb or json. */
export interface ValueMapping {
  /** The column. */
  readonly value: string;
  /** Not beside `value`. */
  readonly columns?: undefined;
}

/**
 * The value is an object whose properties are columns of the same names. A property that is missing is written as null,
 * and comes back as null; one that is not mapped is refused, and so is null where the column takes none.
 *
 * Timestamps with time zone come back as `Date.toJSON` writes them, bigint and numeric as numbers where a number has all
 * their digits and as strings where it has not. bytea cannot be mapped. The key column is not among them.
 */
export interface ColumnsMapping {
  /** The columns, which are the names of the properties. */
  readonly columns: readonly string[];
  /** Not beside `columns`. */
  readonly value?: undefined;
}

/** Options of {@link postgresStore}. */
export type PostgresStoreOptions = CommonOptions & (ValueMapping | ColumnsMapping);

export interface TableOptions {
  readonly table: TableName;
  readonly key: string;
  readonly value: string | undefined;
  readonly columns: readonly string[];
  readonly version: string | undefined;
  readonly touch: readonly string[];
}

/** {@link TableStoreOptions}, parsed. */
export interface ParsedTable {
  readonly pool: PgPoolLike | PGliteLike;
  readonly table: TableName;
  readonly touch: readonly string[];
  readonly schema: string | undefined;
  readonly prepare: boolean;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface ParsedOptions extends ParsedTable, TableOptions {}

const COMMON = [
  'pool',
  'table',
  'touch',
  'schema',
  'prepare',
  'lockTimeout',
  'statementTimeout',
  'idleTimeout',
] as const;
const TIMEOUT_MS_MIN = 10;
const TIMEOUT_MS_MAX = 3_600_000;

/** Throws MILLRACE_OPTIONS with all faults. */
export function parseOptions(options: PostgresStoreOptions): ParsedOptions {
  const read = new TableOptionReader('postgresStore', options, ['key', 'value', 'columns', 'version']);
  const common = read.common();
  const key = read.name('key', true);
  const value = read.name('value', false);
  const columns = read.names('columns');
  read.oneOf(value, columns);
  const version = read.name('version', false);
  read.distinct([key, value, ...columns, version, ...common.touch]);
  read.finish();
  return { ...common, key: key as string, value, columns, version };
}

/** Reads the options of one store on a table and collects faults. */
export class TableOptionReader {
  readonly #where: string;
  readonly #given: Readonly<Record<string, unknown>>;
  readonly #faults: string[];

  /** `own` are the options beside the common ones. */
  constructor(where: string, options: unknown, own: readonly string[]) {
    this.#where = where;
    this.#given = (typeof options === 'object' && options !== null ? options : {}) as Readonly<Record<string, unknown>>;
    const known = new Set<string>([...COMMON, ...own]);
    this.#faults = Object.keys(this.#given)
      .filter((name) => !known.has(name))
      .map((name) => `unknown option ${name}`);
  }

  name(option: string, required: boolean): string | undefined {
    const value = this.#given[option];
    if (value === undefined && !required) return undefined;
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
    this.#faults.push(`${option}: the name of a column is needed`);
    return undefined;
  }

  names(option: string): string[] {
    const value = this.#given[option];
    const list = value === undefined ? [] : Array.isArray(value) ? value : [value];
    if (list.every((item) => typeof item === 'string' && item !== '' && !item.includes('\0'))) return list as string[];
    this.#faults.push(`${option}: names of columns are needed`);
    return [];
  }

  /** One of the common options that this store does not take. */
  unknown(option: string): void {
    if (this.#given[option] !== undefined) this.#faults.push(`unknown option ${option}`);
  }

  oneOf(value: string | undefined, columns: readonly string[]): void {
    if ((value === undefined) === (this.#given['columns'] === undefined))
      this.#faults.push('either value (one JSON column) or columns (of an object) is needed');
    else if (value === undefined && columns.length === 0) this.#faults.push('columns: at least one is needed');
  }

  distinct(columns: readonly (string | undefined)[]): void {
    const used = columns.filter((column) => column !== undefined);
    for (const column of new Set(used.filter((column, at) => used.indexOf(column) !== at)))
      this.#faults.push(`the column ${column} is used twice`);
  }

  common(): ParsedTable {
    const given = this.#given;
    const table = typeof given['table'] === 'string' ? parseTableName(given['table']) : undefined;
    if (table === undefined)
      this.#faults.push('table: `table` or `schema.table` is needed, with other than plain names in double quotes');
    if (!isPGlite(given['pool']) && !isPgPool(given['pool']))
      this.#faults.push('pool: a pg.Pool or a PGlite instance is needed (a pg.Client has no connections to share)');
    const schema = given['schema'];
    if (schema !== undefined && (typeof schema !== 'string' || schema === '' || schema.includes('\0')))
      this.#faults.push('schema: a name is needed');
    const prepare = given['prepare'] ?? true;
    if (typeof prepare !== 'boolean') this.#faults.push('prepare: true or false is needed');
    return {
      pool: given['pool'] as PgPoolLike | PGliteLike,
      table: table as TableName,
      touch: this.names('touch'),
      schema: schema as string | undefined,
      prepare: prepare as boolean,
      lockTimeoutMs: this.#timeoutMs('lockTimeout', 5_000),
      statementTimeoutMs: this.#timeoutMs('statementTimeout', 30_000),
      idleTimeoutMs: this.#timeoutMs('idleTimeout', 30_000),
    };
  }

  #timeoutMs(option: string, defaultMs: number): number {
    const ms = this.#given[option] === undefined ? defaultMs : parseDuration(this.#given[option]);
    if (ms !== undefined && ms >= TIMEOUT_MS_MIN && ms <= TIMEOUT_MS_MAX) return Math.ceil(ms);
    this.#faults.push(`${option}: a duration from ${TIMEOUT_MS_MIN} ms to 1 h is needed`);
    return defaultMs;
  }

  finish(): void {
    if (this.#faults.length > 0)
      throw new MillraceError('MILLRACE_OPTIONS', `${this.#where}: ${this.#faults.join('; ')}`);
  }
}
