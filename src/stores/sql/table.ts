/** What each database makes of the user's table. */
import type { Mutation, ScoresPage, StoreAttachment } from '../../ports/store.ts';
import type { Connection, Database, Statement } from './database.ts';

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
  /** Of counters: rows with `key` and `value`, with `lane` and `value` of the lanes' fences, in one snapshot. */
  readonly totals?: ((lanes: readonly number[], keys: readonly string[]) => Statement) | undefined;
  /**
   * Of leaderboards: rows with `key` and `value`, and with the `generation` of the lane's fence, in one snapshot; at
   * least one row.
   */
  readonly scores?: ((page: ScoresPage) => Statement) | undefined;
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
