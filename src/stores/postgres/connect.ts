import { lettersInTheWay } from '../../core/letter.ts';
import { traitsOf } from '../../core/shape.ts';
import { MillraceError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AttachedStore, Store, StoreAttachment } from '../../ports/store.ts';
import type { Database } from './database.ts';
import { LetterReader } from './dead-letters.ts';
import { examineDatabase } from './examine.ts';
import { translate } from './faults.ts';
import { quoteTable } from './identifiers.ts';
import { type LaneStoreParts, PostgresLaneStore } from './lane-store.ts';
import { LetterWrites } from './letter-writes.ts';
import type { ParsedTable } from './options.ts';
import { ensureTables, Fences, hasLetters } from './own-tables.ts';
import { isPGlite, PGliteDatabase } from './pglite-database.ts';
import { type PgPoolLike, PoolDatabase } from './pool-database.ts';

/** More than the server's own timeouts take, so that this is only for servers that are gone. */
const SILENCE_MARGIN_MS = 5_000;

/** What a kind of store makes of its table, once it is read from the catalogue. */
export type OpenedTable = Pick<
  LaneStoreParts,
  'sql' | 'statements' | 'checkKey' | 'checkValue' | 'totals' | 'scores'
> & {
  /** Where the table is. */
  readonly schema: string;
};

/** Reads the table from the catalogue, and refuses what the cache cannot be kept in. */
type OpenTable = (database: Database, attachment: StoreAttachment) => Promise<OpenedTable>;

/** A store on a table. `open` is called when a cache attaches. */
export function tableStore(options: ParsedTable, holds: Store['holds'], open: OpenTable): Store {
  return {
    kind: isPGlite(options.pool) ? 'pglite' : 'postgres',
    capabilities: { transactions: true, deadLetters: true },
    ...(holds === undefined ? {} : { holds }),
    origin: options.pool,
    async attach(attachment) {
      const { cache, shape } = attachment;
      if (traitsOf(shape).holds !== holds)
        throw new MillraceError('MILLRACE_OPTIONS', `the cache holds ${traitsOf(shape).noun}, and its store cannot`, {
          cache,
        });
      try {
        return await attach(options, attachment, open);
      } catch (error) {
        throw translate(error, `${quoteTable(options.table)}: connect`, { cache });
      }
    },
    examine(examination) {
      const database = databaseOf(options, examination.clock);
      const { table, schema } = options;
      return examineDatabase(
        database,
        { table, schema, open: (onWarning) => open(database, { ...examination, onWarning }) },
        poolMax(options.pool),
        examination,
      );
    },
  };
}

/** Most connections that a `pg.Pool` opens. */
const poolMax = (pool: unknown): number | undefined =>
  (pool as { readonly options?: { readonly max?: number } }).options?.max;

function databaseOf({ pool, prepare, statementTimeoutMs }: ParsedTable, clock: Clock): Database {
  return isPGlite(pool)
    ? new PGliteDatabase(pool)
    : new PoolDatabase(pool as PgPoolLike, clock, { prepare, silenceMs: statementTimeoutMs + SILENCE_MARGIN_MS });
}

async function attach(options: ParsedTable, attachment: StoreAttachment, open: OpenTable): Promise<AttachedStore> {
  const { lockTimeoutMs, statementTimeoutMs, idleTimeoutMs } = options;
  const { cache, lanes, clock, writeBehind } = attachment;
  const database = databaseOf(options, clock);
  const table = await open(database, attachment);
  const settings = [
    // Read committed, so that the fence sees what committed while it waited for the row. Deferred constraints are
    // checked with their statement, where a row that breaks one can still be told from its neighbours.
    'set transaction isolation level read committed',
    `set local lock_timeout = ${lockTimeoutMs}`,
    `set local statement_timeout = ${statementTimeoutMs}`,
    `set local idle_in_transaction_session_timeout = ${idleTimeoutMs}`,
    'set constraints all immediate',
  ].join('; ');
  const schema = options.schema ?? table.schema;
  if (!writeBehind) {
    const fault = (await hasLetters(database, schema))
      ? lettersInTheWay(await new LetterReader(database, cache, schema).count())
      : undefined;
    if (fault !== undefined) throw new MillraceError('MILLRACE_OPTIONS', fault, { cache });
    return new PostgresLaneStore({ database, cache, ...table, settings, behind: undefined });
  }
  await ensureTables(database, schema, settings);
  const fences = new Fences({ cache, lanes, schema, settings });
  await fences.pin(database);
  return new PostgresLaneStore({
    database,
    cache,
    ...table,
    settings,
    behind: {
      fences,
      letters: new LetterReader(database, cache, schema),
      letterWrites: new LetterWrites(cache, schema),
    },
  });
}
