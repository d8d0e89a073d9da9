import { MillraceError } from '../../errors.ts';

/**
 * The code that begins a reply of the server that is an error ('OOM', 'MOVED', …); undefined for an error of the
 * connection.
 */
export function replyCode(error: unknown): string | undefined {
  return error instanceof Error ? /^([A-Z]{2,20})(?= |$)/.exec(error.message)?.[1] : undefined;
}

/** Nothing was sent, and the server that was meant is not the one to send it to any more. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}

export const unavailable = (what: string, cause?: unknown): MillraceError =>
  new MillraceError('MILLRACE_FRONT_UNAVAILABLE', describe(what, cause), { cause: withoutCommand(cause) });

/** Only codes go into the message: a driver's message may hold an address with credentials, or values. */
function describe(what: string, cause: unknown): string {
  const code = replyCode(cause) ?? (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? `${what} (${code})` : what;
}

/** ioredis hangs the command with all its arguments on an error. */
export function withoutCommand(cause: unknown): unknown {
  if (cause instanceof Error && 'command' in cause) delete (cause as { command?: unknown }).command;
  return cause;
}
