/** The little that the store needs of a driver; `pg` and PGlite are behind it. */

export type Row = Readonly<Record<string, string | null>>;

/**
 * Parameters and result columns are text, and cast in the statement: drivers and users' type parsers then have
 * nothing to convert, and no number loses digits.
 */
export interface Statement {
  readonly text: string;
  readonly values: readonly string[];
}

export interface Connection {
  run(statement: Statement): Promise<Row[]>;
  /** Several statements without parameters in one round trip; returns the rows of all of them. */
  script(text: string): Promise<Row[]>;
}

export interface TransactionResult<T> {
  readonly commit: boolean;
  readonly value: T;
}

export interface Database extends Connection {
  readonly kind: 'postgres' | 'pglite';
  /**
   * Runs `work` on one connection between BEGIN and COMMIT or ROLLBACK. `opening` is a script that travels with
   * BEGIN; its rows are handed to `work`. When `work` rejects, everything is rolled back.
   */
  transaction<T>(
    opening: string,
    work: (connection: Connection, opened: Row[]) => Promise<TransactionResult<T>>,
  ): Promise<T>;
}

/** What a driver threw. Everything else that comes out of a transaction is not the database's. */
export class DriverError extends Error {
  constructor(cause: unknown, message = 'a statement failed') {
    super(message, { cause });
    this.name = 'DriverError';
  }
}
