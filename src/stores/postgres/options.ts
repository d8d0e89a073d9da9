/** Options of stores in PostgreSQL and PGlite. */

import type { TableName } from '../sql/names.ts';
import { type SqlTable, type SqlTableOptions, TableOptionReader } from '../sql/options.ts';
import { isPGlite, type PGliteLike } from './pglite-database.ts';
import { isPgPool, type PgPoolLike } from './pool-database.ts';

/** What all stores on a table in PostgreSQL take. */
export interface TableStoreOptions extends SqlTableOptions {
  /** A `pg.Pool`, or a PGlite instance. It stays yours: the cache never ends it. */
  readonly pool: PgPoolLike | PGliteLike;
  /** Named prepared statements; `false` for a pooler that cannot carry them. Default true. */
  readonly prepare?: boolean;
}

/** What a table of documents takes, whichever way it is mapped. */
export interface CommonOptions extends TableStoreOptions {
  /**
   * The column with the key: text, varchar, char, smallint, integer, bigint or uuid, with a unique constraint of its
   * own. Column names are taken as they are, without quotes.
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
 * Timestamps with time zone come back as `Date.toJSON` writes them, bigint and numeric as numbers where a number has
 * all their digits and as strings where it has not. bytea cannot be mapped. The key column is not among them.
 */
export interface ColumnsMapping {
  /** The columns, which are the names of the properties. */
  readonly columns: readonly string[];
  /** Not beside `columns`. */
  readonly value?: undefined;
}

/** Options of {@link postgresStore}. */
export type PostgresStoreOptions = CommonOptions & (ValueMapping | ColumnsMapping);

/** What is looked up in the catalogue. */
export interface TableMapping {
  readonly table: TableName;
  readonly key: string;
  readonly value: string | undefined;
  readonly columns: readonly string[];
  readonly version: string | undefined;
  readonly touch: readonly string[];
}

/** {@link TableStoreOptions}, parsed. */
export interface ParsedTable extends SqlTable {
  readonly pool: PgPoolLike | PGliteLike;
  readonly prepare: boolean;
}

export interface ParsedOptions extends ParsedTable, TableMapping {}

/** Throws MILLRACE_OPTIONS with all faults. */
export function parseOptions(options: PostgresStoreOptions): ParsedOptions {
  const read = new PostgresOptionReader('postgresStore', options, ['key', 'value', 'columns', 'version']);
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

/** Reads the options of one store on a table. `own` are those beside {@link TableStoreOptions}. */
export class PostgresOptionReader extends TableOptionReader {
  constructor(where: string, options: unknown, own: readonly string[]) {
    super(where, options, ['pool', 'prepare', ...own]);
  }

  common(): ParsedTable {
    const table = this.table();
    const pool = this.given('pool');
    if (!isPGlite(pool) && !isPgPool(pool))
      this.fault('pool: a pg.Pool or a PGlite instance is needed (a pg.Client has no connections to share)');
    const prepare = this.given('prepare') ?? true;
    if (typeof prepare !== 'boolean') this.fault('prepare: true or false is needed');
    return { ...table, pool: pool as PgPoolLike | PGliteLike, prepare: prepare as boolean };
  }
}
