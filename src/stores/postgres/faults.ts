import { storeFault } from '../../core/outcome.ts';
import { MillraceError, type ErrorContext, type MillraceErrorCode } from '../../errors.ts';
import { DriverError } from './database.ts';

const CODES: Readonly<Record<'transient' | 'rejected' | 'configuration', MillraceErrorCode>> = {
  transient: 'MILLRACE_STORE_UNAVAILABLE',
  rejected: 'MILLRACE_REJECTED',
  configuration: 'MILLRACE_STORE_SCHEMA',
};

/** What the database's error means. Errors of others, such as the source of the batches, stay as they are. */
export function translate(error: unknown, doing: string, context: ErrorContext): unknown {
  if (!(error instanceof DriverError)) return error;
  const { outcome, code, reason } = storeFault(error.cause);
  return new MillraceError(CODES[outcome], `${doing}: ${reason} (${code})`, { ...context, cause: error.cause });
}
