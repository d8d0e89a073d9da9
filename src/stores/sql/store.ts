/** A store on one table of an SQL database, made of what the database's folder gives. */
import { lettersInTheWay } from '../../core/letter.ts';
import { type Holds, traitsOf } from '../../core/shape.ts';
import { MillraceError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AttachedStore, Store, StoreAttachment } from '../../ports/store.ts';
import type { Database } from './database.ts';
import type { Dialect } from './dialect.ts';
import { translate } from './faults.ts';
import { Fences } from './fences.ts';
import { SqlLanes } from './lanes.ts';
import { LetterReader } from './letter-reader.ts';
import { LetterWrites } from './letter-writes.ts';
import { SqlRows } from './rows.ts';
import type { OpenTable, OwnTables } from './table.ts';

/** What a database gives for a store on a table. */
export interface SqlStoreParts<D extends Database> {
  readonly kind: string;
  /** What the table is of; undefined for documents. */
  readonly holds: Holds | undefined;
  /** See {@link Store.origin}: the pool or the file. */
  readonly origin: object;
  /** The table, quoted, for messages. */
  readonly table: string;
  /** Where Millrace's own tables are, if not beside the table. */
  readonly schema: string | undefined;
  readonly dialect: Dialect;
  /** Opens a flush's transaction: isolation and timeouts. */
  readonly settings: readonly string[];
  readonly ownTables: OwnTables;
  connect(clock: Clock): D;
  /** Called when a cache attaches. */
  readonly open: OpenTable<D>;
}

export function sqlStore<D extends Database>(parts: SqlStoreParts<D>): Store {
  const { kind, holds, origin, dialect, table } = parts;
  return {
    kind,
    capabilities: { transactions: true, deadLetters: true },
    ...(holds === undefined ? {} : { holds }),
    origin,
    async attach(attachment) {
      const { cache, shape } = attachment;
      if (traitsOf(shape).holds !== holds)
        throw new MillraceError('MILLRACE_OPTIONS', `the cache holds ${traitsOf(shape).noun}, and its store cannot`, {
          cache,
        });
      try {
        return await attach(parts, attachment);
      } catch (error) {
        throw translate(dialect, error, `${table}: connect`, { cache });
      }
    },
  };
}

async function attach<D extends Database>(
  { dialect, settings, ownTables, connect, open, schema: chosen }: SqlStoreParts<D>,
  attachment: StoreAttachment,
): Promise<AttachedStore> {
  const { cache, lanes: count, clock, writeBehind } = attachment;
  const database = connect(clock);
  const table = await open(database, attachment);
  const schema = chosen ?? table.schema;
  const letters = new LetterReader({ database, dialect, cache, schema });
  const common = { database, dialect, cache, table, settings };
  if (!writeBehind) {
    const found = (await ownTables.hasLetters(database, schema)) ? await letters.count() : undefined;
    const fault = found && lettersInTheWay(found);
    if (fault !== undefined) throw new MillraceError('MILLRACE_OPTIONS', fault, { cache });
    return SqlRows.attach({ ...common, letterWrites: undefined, lanes: undefined });
  }
  await ownTables.ensure(database, schema, settings);
  const fences = new Fences({ dialect, cache, lanes: count, schema, settings });
  await fences.pin(database);
  const letterWrites = new LetterWrites({ dialect, cache, schema });
  const lanes = new SqlLanes({ ...common, fences, letters, letterWrites });
  return SqlRows.attach({ ...common, letterWrites, lanes });
}
