import type { Clock } from '../../ports/clock.ts';
import type { Store, StoreAttachment } from '../../ports/store.ts';
import { readTable } from './catalogue.ts';
import type { Database } from './database.ts';
import { DeadLetters } from './dead-letters.ts';
import { examineDatabase } from './examine.ts';
import { LetterWrites } from './letter-writes.ts';
import { translate } from './faults.ts';
import { quoteTable } from './identifiers.ts';
import { PostgresLaneStore } from './lane-store.ts';
import { parseOptions, type ParsedOptions, type PostgresStoreOptions } from './options.ts';
import { ensureTables, Fences } from './own-tables.ts';
import { isPGlite, PGliteDatabase } from './pglite-database.ts';
import { PoolDatabase, type PgPoolLike } from './pool-database.ts';

export type { PostgresStoreOptions } from './options.ts';
export type { PGliteLike, PGliteTransaction } from './pglite-database.ts';
export type { PgClientLike, PgPoolLike } from './pool-database.ts';

/** More than the server's own timeouts take, so that this is only for servers that are gone. */
const SILENCE_MARGIN_MS = 5_000;

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
  return {
    kind: isPGlite(parsed.pool) ? 'pglite' : 'postgres',
    capabilities: { transactions: true, deadLetters: true },
    origin: parsed.pool,
    examine: (examination) => examineDatabase(databaseOf(parsed, examination.clock), parsed, poolMax(parsed.pool), examination),
    async attach(attachment) {
      try {
        return await attach(parsed, attachment);
      } catch (error) {
        throw translate(error, `${quoteTable(parsed.table)}: connect`, { cache: attachment.cache });
      }
    },
  };
}

function databaseOf({ pool, prepare, statementTimeoutMs }: ParsedOptions, clock: Clock): Database {
  return isPGlite(pool) ? new PGliteDatabase(pool) : new PoolDatabase(pool as PgPoolLike, clock, { prepare, silenceMs: statementTimeoutMs + SILENCE_MARGIN_MS });
}

/** Most connections that a `pg.Pool` opens. */
const poolMax = (pool: unknown): number | undefined => (pool as { readonly options?: { readonly max?: number } }).options?.max;

async function attach(options: ParsedOptions, { cache, lanes, clock, writeBehind, onWarning }: StoreAttachment): Promise<PostgresLaneStore> {
  const { lockTimeoutMs, statementTimeoutMs, idleTimeoutMs } = options;
  const database = databaseOf(options, clock);
  const table = await readTable(database, options, onWarning);
  const settings = [
    // Read committed, so that the fence sees what committed while it waited for the row. Deferred constraints are
    // checked with their statement, where a row that breaks one can still be told from its neighbours.
    'set transaction isolation level read committed',
    `set local lock_timeout = ${lockTimeoutMs}`,
    `set local statement_timeout = ${statementTimeoutMs}`,
    `set local idle_in_transaction_session_timeout = ${idleTimeoutMs}`,
    'set constraints all immediate',
  ].join('; ');
  if (!writeBehind) return new PostgresLaneStore({ database, cache, table, settings, behind: undefined });
  const schema = options.schema ?? table.schema;
  await ensureTables(database, schema, settings);
  const fences = new Fences({ cache, lanes, schema, settings });
  await fences.pin(database);
  return new PostgresLaneStore({ database, cache, table, settings, behind: { fences, letters: new DeadLetters(database, cache, schema), letterWrites: new LetterWrites(cache, schema) } });
}
