/**
 * The seam between what every SQL database shares and what one of them has of its own.
 *
 * A {@link Dialect} is how a database writes what the statements on Millrace's own tables need. These statements are in
 * this folder: `fences.ts`, `letter-reader.ts` and `letter-writes.ts`. The statements on the user's table, and the
 * catalogue that they are made from, are each database's own: see `TableStatements` and `OpenedTable` in `table.ts`.
 *
 * What the shared statements take for granted: common table expressions, `values`, `on conflict` or its like
 * ({@link Dialect.upsert}), `update … from`, `returning`, and savepoints. PostgreSQL and SQLite have them.
 */

/** Types of the columns and parameters on Millrace's own tables. */
export type SqlType = 'text' | 'integer' | 'bigint' | 'double';

/** Functions without a state: whoever needs one may take it out. */
export interface Dialect {
  // Names and values.

  /** An identifier, quoted always, so that a reserved word is a name like any other. */
  readonly quote: (name: string) => string;
  /** A text as a literal. */
  readonly literal: (text: string) => string;
  /** An expression as text, which all columns of results are. */
  readonly asText: (expression: string) => string;

  // Parameters, which are texts, and are cast where they are used.

  /** The parameter `place`, which is 1 or more, as a value of this type. */
  readonly parameter: (place: number, type: SqlType) => string;
  /** Items as the text of one parameter. */
  readonly list: (items: readonly string[]) => string;
  /** The table `alias` with a column `item`, made of a parameter that {@link list} made. */
  readonly listed: (place: number, type: SqlType, alias: string) => string;
  /** The table `alias` with these columns, made of a parameter that is a JSON array of objects. */
  readonly records: (place: number, columns: Readonly<Record<string, SqlType>>, alias: string) => string;

  // Moments, by the database's clock.

  readonly now: string;
  /** The moment that comes an expression of milliseconds after now; null for null. */
  readonly after: (ms: string) => string;
  /** A moment as whole milliseconds since the epoch. */
  readonly epochMs: (moment: string) => string;
  /** Whole milliseconds from now to a moment, rounded up; negative when it has passed. */
  readonly msUntil: (moment: string) => string;

  // Statements.

  /** What follows the `values` of an insert, such that a row `f` with the same key gets these updates instead. */
  readonly upsert: (key: readonly string[], updates: readonly string[]) => string;
  /** Comes before the columns that `returning` names, where a row of the table is called `alias`. */
  readonly returned: (alias: string) => string;
  /** Ends a select whose rows of `alias` stay locked until the transaction ends; '' where it is alone anyway. */
  readonly forUpdate: (alias: string) => string;
  /** Comes first where two may set up tables or rows at the same time; lets one of them wait. */
  readonly setupLock: readonly string[];

  // Errors of the driver.

  /** What it means for the rows of its statement. */
  readonly faultOf: (error: unknown) => StoreFault;
  /** The same error without what it was given, to be the cause of ours: whoever logs an error logs its cause. */
  readonly withoutValues: (error: unknown) => unknown;
}

/**
 * `transient`: nothing is wrong with the rows, try again. `rejected`: a row cannot be stored as it is.
 * `configuration`: table, permissions or login are not as expected, an operator is needed.
 */
export type StoreOutcome = 'transient' | 'rejected' | 'configuration';

export interface StoreFault {
  readonly outcome: StoreOutcome;
  /** The database's code, or the system's or driver's, or 'unknown'. */
  readonly code: string;
  /** What happened, in words of our own: a server's message can hold row values or credentials. */
  readonly reason: string;
  /** Of a refused row: the row that it refers to is missing, and may be on its way in another lane. */
  readonly lacksParent: boolean;
}
