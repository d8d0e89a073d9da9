import { storeFault } from '../../core/outcome.ts';
import { type ErrorContext, MillraceError, type MillraceErrorCode } from '../../errors.ts';
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
  return new MillraceError(CODES[outcome], `${doing}: ${reason} (${code})`, {
    ...context,
    cause: withoutValues(error.cause),
  });
}

/** What a server's error tells without what it was given: its names, which are those of the schema, and who said so. */
const NAMES = ['code', 'severity', 'schema', 'table', 'column', 'dataType', 'constraint', 'routine'] as const;

/**
 * An error of the server without its message, detail, context and parameters: they quote rows, and whoever logs an error logs its
 * cause. Errors of the connection have none of them and stay as they are.
 */
function withoutValues(cause: unknown): unknown {
  const told = cause as Partial<Record<(typeof NAMES)[number], string>> | undefined;
  if (typeof told?.severity !== 'string') return cause;
  const named = NAMES.flatMap((name) => (told[name] === undefined ? [] : [[name, told[name]] as const]));
  return Object.assign(
    new Error("PostgreSQL refused the statement; its own words are in the server's log"),
    Object.fromEntries(named),
  );
}
