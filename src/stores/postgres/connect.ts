/** A store on a table in PostgreSQL or PGlite, whatever the table holds. */
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import { sqlStore } from '../sql/store.ts';
import type { OpenTable } from '../sql/table.ts';
import type { PostgresDatabase } from './database.ts';
import { postgresDialect } from './dialect.ts';
import { examineDatabase } from './examine.ts';
import { quoteTable } from './identifiers.ts';
import type { ParsedTable } from './options.ts';
import { postgresTables } from './own-tables.ts';
import { isPGlite, PGliteDatabase } from './pglite-database.ts';
import { type PgPoolLike, PoolDatabase } from './pool-database.ts';

/** More than the server's own timeouts take, so that this is only for servers that are gone. */
const SILENCE_MARGIN_MS = 5_000;

/** `open` is called when a cache attaches. */
export function tableStore(options: ParsedTable, holds: Store['holds'], open: OpenTable<PostgresDatabase>): Store {
  const { pool, table, schema } = options;
  return {
    ...sqlStore({
      kind: isPGlite(pool) ? 'pglite' : 'postgres',
      holds,
      origin: pool,
      table: quoteTable(table),
      schema,
      dialect: postgresDialect,
      settings: settingsOf(options),
      ownTables: postgresTables,
      connect: (clock) => databaseOf(options, clock),
      open,
    }),
    examine(examination) {
      const database = databaseOf(options, examination.clock);
      return examineDatabase(
        database,
        { table, schema, open: (onWarning) => open(database, { ...examination, onWarning }) },
        { ...examination, poolMax: poolMax(pool) },
      );
    },
  };
}

function settingsOf({ lockTimeoutMs, statementTimeoutMs, idleTimeoutMs }: ParsedTable): string[] {
  return [
    // Read committed, so that the fence sees what committed while it waited for the row. Deferred constraints are
    // checked with their statement, where a row that breaks one can still be told from its neighbours.
    'set transaction isolation level read committed',
    `set local lock_timeout = ${lockTimeoutMs}`,
    `set local statement_timeout = ${statementTimeoutMs}`,
    `set local idle_in_transaction_session_timeout = ${idleTimeoutMs}`,
    'set constraints all immediate',
  ];
}

/** Most connections that a `pg.Pool` opens. */
const poolMax = (pool: unknown): number | undefined =>
  (pool as { readonly options?: { readonly max?: number } }).options?.max;

function databaseOf({ pool, prepare, statementTimeoutMs }: ParsedTable, clock: Clock): PostgresDatabase {
  return isPGlite(pool)
    ? new PGliteDatabase(pool)
    : new PoolDatabase(pool as PgPoolLike, clock, { prepare, silenceMs: statementTimeoutMs + SILENCE_MARGIN_MS });
}
