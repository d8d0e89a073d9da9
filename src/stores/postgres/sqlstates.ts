/**
 * What an error of PostgreSQL means for the rows that it was given. Pure and table-driven: drivers differ, the SQLSTATE
 * does not.
 */
import type { StoreFault, StoreOutcome } from '../sql/dialect.ts';

interface Meaning {
  readonly outcome: StoreOutcome;
  readonly reason: string;
}

const transient = (reason: string): Meaning => ({ outcome: 'transient', reason });
const rejected = (reason: string): Meaning => ({ outcome: 'rejected', reason });
const configuration = (reason: string): Meaning => ({ outcome: 'configuration', reason });

/** Looked up before the classes. */
const CODES: Readonly<Record<string, Meaning>> = {
  '22001': rejected('a text is longer than its column'),
  '22003': rejected('a number is outside the range of its column'),
  '22007': rejected('a date or time is not one'),
  '22008': rejected('a date or time is out of range'),
  '22021': rejected('a text has characters that the encoding of the database lacks'),
  '22P02': rejected('a value does not have the form that the type of its column asks for'),
  '22P05': rejected('a text has characters that the database cannot hold'),
  '23502': rejected('null in a column that takes none'),
  '23503': rejected('a foreign key is violated'),
  '23505': rejected('another row has the same unique value'),
  '23514': rejected('a check constraint is violated'),
  '23P01': rejected('an exclusion constraint is violated'),
  '25006': transient('the server is read-only at the moment'),
  '26000': configuration('a prepared statement is gone: the pooler in between needs `prepare: false`'),
  '28P01': configuration('the server refused the login'),
  '40P01': transient('a deadlock was resolved'),
  '42501': configuration('permission denied'),
  '42703': configuration('a column is missing'),
  '42P01': configuration('a table is missing'),
  '42P05': configuration('a prepared statement exists already: the pooler in between needs `prepare: false`'),
  '42P10': configuration('the key has no unique constraint any more'),
  '53300': transient('the server has too many connections'),
  // Limits that a single row can exceed, so they must not hold up its neighbours for ever.
  '54000': rejected('the row or its key is too large'),
  '54001': rejected('the value is nested too deeply'),
  '55P03': transient('a lock was not available in time'),
  '57014': transient('the statement was cancelled or took too long'),
  // "tuple concurrently updated" and its like. Damaged data (XX001, XX002) is not.
  XX000: transient('the server reports an internal error'),
};

const CLASSES: Readonly<Record<string, Meaning>> = {
  '08': transient('the connection failed'),
  '22': rejected('a value does not fit its column'),
  '23': rejected('a constraint is violated'),
  '25': transient('the transaction was ended by the server'),
  '28': configuration('the server refused the login'),
  '3D': configuration('the database does not exist'),
  '3F': configuration('the schema does not exist'),
  '40': transient('the transaction was in conflict with another'),
  '42': configuration('the table, its columns or the permissions are not as expected'),
  '53': transient('the server is short of resources'),
  '55': transient('something is in use'),
  '57': transient('the server is shutting down or starting'),
  '58': transient('the server has trouble with its system'),
  // Raised by a function, which on a plain upsert means a trigger that refuses the row.
  P0: rejected('a trigger refused the row'),
};

/** A code that nobody foresaw stops the lane: guessing could lose rows, or try for ever what cannot work. */
const UNFORESEEN = configuration('the server reports an error that is neither about a row nor known to pass');
const UNREACHABLE = transient('the server cannot be reached');

const FOREIGN_KEY = '23503';

/** Reads the error of a driver: a `pg` DatabaseError, a PGlite error, a socket error, anything. */
export function faultOf(error: unknown): StoreFault {
  const state = sqlState(error);
  if (state === undefined) return { ...UNREACHABLE, code: systemCode(error), lacksParent: false };
  const { outcome, reason } = CODES[state] ?? CLASSES[state.slice(0, 2)] ?? UNFORESEEN;
  return { outcome, code: state, reason: reason + named(error), lacksParent: state === FOREIGN_KEY };
}

/** What a server's error tells without what it was given: its names, which are those of the schema, and who said so. */
const NAMES = ['code', 'severity', 'schema', 'table', 'column', 'dataType', 'constraint', 'routine'] as const;

/**
 * An error of the server without its message, detail, context and parameters: they quote rows. Errors of the connection
 * have none of them and stay as they are.
 */
export function withoutValues(cause: unknown): unknown {
  const told = cause as Partial<Record<(typeof NAMES)[number], string>> | undefined;
  if (typeof told?.severity !== 'string') return cause;
  const given = NAMES.flatMap((name) => (told[name] === undefined ? [] : [[name, told[name]] as const]));
  return Object.assign(
    new Error("PostgreSQL refused the statement; its own words are in the server's log"),
    Object.fromEntries(given),
  );
}

/** Whether the connection that this error came from can be used again. */
export function leavesConnection(error: unknown): boolean {
  return sqlState(error) !== undefined && !/^(FATAL|PANIC)$/.test(String(text(error, 'severity')));
}

/** System codes can look like an SQLSTATE (EPIPE); only what a server sent has a severity. */
function sqlState(error: unknown): string | undefined {
  const code = text(error, 'code');
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && text(error, 'severity') !== undefined ? code : undefined;
}

function systemCode(error: unknown): string {
  const code = text(error, 'code');
  return code !== undefined && /^[A-Z][A-Z0-9_]{1,40}$/.test(code) ? code : 'unknown';
}

/** Names of the schema, never values: what `detail`, `where` and the message would add. */
function named(error: unknown): string {
  const constraint = text(error, 'constraint');
  const column = text(error, 'column');
  const table = text(error, 'table');
  const what =
    constraint !== undefined ? `constraint ${constraint}` : column !== undefined ? `column ${column}` : undefined;
  if (what === undefined) return '';
  return table === undefined ? ` (${what})` : ` (${what} of table ${table})`;
}

function text(error: unknown, property: string): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const value = (error as Record<string, unknown>)[property];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
