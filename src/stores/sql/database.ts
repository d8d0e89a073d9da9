/**
 * The little that a store needs of a driver. Each driver is one file behind it, in the folder of its database.
 */

export type Row = Readonly<Record<string, string | null>>;

/**
 * Parameters and result columns are text, and cast in the statement: drivers and users' type parsers then have
 * nothing to convert, and no number loses digits.
 */
export interface Statement {
  readonly text: string;
  readonly values: readonly string[];
}

/** Rejects with a {@link DriverError}. */
export interface Connection {
  run(statement: Statement): Promise<Row[]>;
  /**
   * Statements without parameters, in one round trip where the driver can; the rows of all of them. Outside a
   * transaction they are one of their own.
   */
  script(statements: readonly string[]): Promise<Row[]>;
}

export interface TransactionResult<T> {
  readonly commit: boolean;
  readonly value: T;
}

export interface Database extends Connection {
  /**
   * Runs `work` on one connection between the beginning of a transaction and its commit or rollback. `opening` is a
   * script that travels with the beginning; its rows are handed to `work`. When `work` rejects, everything is rolled
   * back.
   */
  transaction<T>(
    opening: readonly string[],
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
