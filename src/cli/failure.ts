import { isMillraceError } from '../index.ts';

/** What the shell is told. */
export const EXIT = {
  ok: 0,
  /** The command could not do its work, or found something wrong. */
  failed: 1,
  /** The command line or the configuration is not right; nothing was done. */
  usage: 2,
  /** 128 + the number of SIGINT, as a shell counts. */
  interrupted: 130,
} as const;

/** Something in the command line or the configuration file that its author has to change. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Failure {
  readonly exitCode: number;
  readonly message: string;
  readonly code: string | undefined;
}

export function failureOf(error: unknown): Failure {
  if (isMillraceError(error)) {
    return {
      exitCode: error.code === 'MILLRACE_OPTIONS' ? EXIT.usage : EXIT.failed,
      message: redact(error.message),
      code: error.code,
    };
  }
  const message = redact(error instanceof Error ? error.message || error.name : String(error));
  return { exitCode: error instanceof UsageError ? EXIT.usage : EXIT.failed, message, code: undefined };
}

/** The lines for a person; with `verbose` where it happened and what caused it. */
export function failureText(error: unknown, verbose: boolean): string {
  const { message, code } = failureOf(error);
  const first = code === undefined ? `error: ${message}` : `error: ${message} (${code})`;
  return verbose ? [first, ...stacksOf(error)].join('\n') : first;
}

function stacksOf(error: unknown): string[] {
  const stacks: string[] = [];
  for (let at = error; at instanceof Error && stacks.length < 5; at = at.cause)
    stacks.push(redact(at.stack ?? at.message));
  return stacks;
}

/** Credentials of URLs in a text, which a driver's message may repeat. */
export function redact(text: string): string {
  return text.replace(/(\w:\/\/)\S*@/g, '$1***@').replace(/([?&]password=)[^&\s]*/gi, '$1***');
}
