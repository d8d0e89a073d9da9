/** What each database makes of the user's table. */
import type { ShapeLoads } from '../../ports/shapes.ts';
import type { Mutation, StoreAttachment } from '../../ports/store.ts';
import type { Connection, Database, Row, Statement } from './database.ts';

/** The statements on the user's table. Their texts depend on the table only, so each is prepared once. */
export interface TableStatements {
  /** Rows with `key` and `value`, the value as JSON text; undefined where there is nothing to be read by key. */
  load(keys: readonly string[]): Statement | undefined;
  /** Writes distinct keys, in as few statements as can be. */
  write(mutations: readonly Mutation[]): Statement[];
}

/** Why the table cannot hold this value, as far as that can be told without asking the server. */
export type ValueCheck = (json: string) => string | undefined;

/** A table that was read from the catalogue, and found to be fit. */
export interface OpenedTable {
  /** Where it is, and Millrace's own tables, unless the options say otherwise. */
  readonly schema: string;
  /** Quoted, for messages. */
  readonly sql: string;
  readonly statements: TableStatements;
  readonly checkKey: (key: string) => string | undefined;
  readonly checkValue: ValueCheck;
  /** What the shape of the cache loads, by statements that `run` runs. */
  readonly loads?: ((run: (statement: Statement) => Promise<Row[]>) => ShapeLoads) | undefined;
}

/** Reads the user's table. Rejects with MILLRACE_STORE_SCHEMA, all faults together. */
export type OpenTable<D extends Database> = (database: D, attachment: StoreAttachment) => Promise<OpenedTable>;

/** The tables `millrace_fence` and `millrace_dead_letter`: their definition is each database's own. */
export interface OwnTables {
  /** Makes sure of both. Rejects with MILLRACE_STORE_SCHEMA, with the SQL to run. */
  ensure(connection: Connection, schema: string, settings: readonly string[]): Promise<void>;
  /** Whether there are dead letters that this login could write to. */
  hasLetters(connection: Connection, schema: string): Promise<boolean>;
}
