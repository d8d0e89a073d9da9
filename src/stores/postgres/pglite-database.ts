/** PGlite as a database of PostgreSQL. */
import { type Connection, DriverError, type Row, type Statement, type TransactionResult } from '../sql/database.ts';
import type { PostgresDatabase } from './database.ts';

/** What a statement gave. */
export interface PGliteResult {
  /** Its rows, as objects. */
  readonly rows: unknown[];
}

/** The part of a PGlite transaction that is used. */
export interface PGliteTransaction {
  /** Runs one statement with parameters. */
  query(text: string, values?: unknown[]): Promise<PGliteResult>;
  /** Runs statements without parameters. */
  exec(text: string): Promise<PGliteResult[]>;
  /** Ends it without a commit. */
  rollback(): Promise<void>;
}

/** The part of PGlite that is used; an instance of `@electric-sql/pglite` is one. */
export interface PGliteLike {
  /** Runs one statement with parameters. */
  query(text: string, values?: unknown[]): Promise<PGliteResult>;
  /** Runs statements without parameters. */
  exec(text: string): Promise<PGliteResult[]>;
  /** Runs `work` in a transaction, which is committed when `work` resolves. */
  transaction<T>(work: (transaction: PGliteTransaction) => Promise<T>): Promise<T>;
}

export function isPGlite(value: unknown): value is PGliteLike {
  if (typeof value !== 'object' || value === null) return false;
  return ['query', 'exec', 'transaction'].every(
    (method) => typeof (value as Record<string, unknown>)[method] === 'function',
  );
}

/** One process, one connection: PGlite puts callers in line by itself. */
export class PGliteDatabase implements PostgresDatabase {
  readonly kind = 'pglite';
  readonly #pglite: PGliteLike;
  readonly #connection: Connection;

  constructor(pglite: PGliteLike) {
    this.#pglite = pglite;
    this.#connection = connectionOf(pglite);
  }

  run(statement: Statement): Promise<Row[]> {
    return this.#connection.run(statement);
  }

  script(statements: readonly string[]): Promise<Row[]> {
    return this.#connection.script(statements);
  }

  async transaction<T>(
    opening: readonly string[],
    work: (connection: Connection, opened: Row[]) => Promise<TransactionResult<T>>,
  ): Promise<T> {
    let own: { error: unknown } | undefined;
    try {
      return await this.#pglite.transaction(async (transaction) => {
        try {
          const connection = connectionOf(transaction);
          const { commit, value } = await work(connection, await connection.script(opening));
          if (!commit) await transaction.rollback();
          return value;
        } catch (error) {
          own = { error };
          throw error;
        }
      });
    } catch (error) {
      // What `work` threw goes through as it is; what came on top (BEGIN, COMMIT) is PGlite's.
      throw own?.error ?? new DriverError(error);
    }
  }
}

function connectionOf(pglite: Pick<PGliteLike, 'query' | 'exec'>): Connection {
  return {
    async run({ text, values }) {
      try {
        return (await pglite.query(text, [...values])).rows as Row[];
      } catch (cause) {
        throw new DriverError(cause);
      }
    },
    async script(statements) {
      try {
        return (await pglite.exec(statements.join('; '))).flatMap((result) => result.rows as Row[]);
      } catch (cause) {
        throw new DriverError(cause);
      }
    },
  };
}
