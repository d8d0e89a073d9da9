/**
 * Stores on tables of PostgreSQL and PGlite.
 *
 * @module millrace/postgres
 */
import type { Store } from '../../ports/store.ts';
import { readTable } from './catalogue.ts';
import { tableStore } from './connect.ts';
import { type PostgresStoreOptions, parseOptions } from './options.ts';
import { statementsOf } from './statements.ts';
import { checkDocument, columnsCheck } from './values.ts';

export { type PostgresCountersOptions, postgresCounters } from './counters.ts';
export { type PostgresLeaderboardOptions, postgresLeaderboard } from './leaderboard.ts';
export {
  type ColumnsMapping as EventColumnsMapping,
  type CommonOptions as LogTableOptions,
  type PostgresLogOptions,
  postgresLog,
  type ValueMapping as EventValueMapping,
} from './log.ts';
export type {
  ColumnsMapping,
  CommonOptions as DocumentsTableOptions,
  PostgresStoreOptions,
  ValueMapping,
} from './options.ts';
export type { PGliteLike, PGliteResult, PGliteTransaction } from './pglite-database.ts';
export type { PgClientLike, PgPoolLike } from './pool-database.ts';

/**
 * A table in PostgreSQL or PGlite as the store behind a cache: one row per key, its value in a JSON column or in mapped
 * columns. Table, key and permissions are read from the catalogue when the cache connects; nothing is opened before.
 *
 * Write-behind keeps two tables of its own next to it, `millrace_fence` and `millrace_dead_letter`, which are created
 * where the login may, and otherwise named with the SQL to run.
 *
 * @throws MillraceError MILLRACE_OPTIONS, with all faults of the options
 */
export function postgresStore(options: PostgresStoreOptions): Store {
  const parsed = parseOptions(options);
  return tableStore(parsed, undefined, async (database, { onWarning }) => {
    const table = await readTable(database, parsed, onWarning);
    return {
      schema: table.schema,
      sql: table.sql,
      statements: statementsOf(table),
      checkKey: (key) => table.keyType.check(key),
      checkValue: table.value === undefined ? columnsCheck(table.columns) : checkDocument,
    };
  });
}
