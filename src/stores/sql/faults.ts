/** What an error of a database means for the rows that it was given, whichever database it is. */
import { type ErrorContext, MillraceError, type MillraceErrorCode } from '../../errors.ts';
import { DriverError } from './database.ts';
import type { Dialect, StoreOutcome } from './dialect.ts';

const CODES: Readonly<Record<StoreOutcome, MillraceErrorCode>> = {
  transient: 'MILLRACE_STORE_UNAVAILABLE',
  rejected: 'MILLRACE_REJECTED',
  configuration: 'MILLRACE_STORE_SCHEMA',
};

/** What the database's error means. Errors of others, such as the source of the batches, stay as they are. */
export function translate(dialect: Dialect, error: unknown, doing: string, context: ErrorContext): unknown {
  if (!(error instanceof DriverError)) return error;
  const { outcome, code, reason } = dialect.faultOf(error.cause);
  return new MillraceError(CODES[outcome], `${doing}: ${reason} (${code})`, {
    ...context,
    cause: dialect.withoutValues(error.cause),
  });
}

/** Why a table cannot be used. */
export function schemaError(table: string, faults: readonly string[]): MillraceError {
  const list = faults.length === 1 ? ` ${faults[0]}` : `\n${faults.map((fault) => `- ${fault}`).join('\n')}`;
  return new MillraceError('MILLRACE_STORE_SCHEMA', `the table ${table} cannot be used:${list}`);
}
