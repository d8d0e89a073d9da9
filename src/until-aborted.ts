import { MillraceError } from './errors.ts';

/** The work's outcome, unless the caller gives up before. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined, cache: string, key: string | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(aborted(signal, cache, key));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

export function aborted(signal: AbortSignal, cache: string, key: string | undefined): MillraceError {
  return new MillraceError('MILLRACE_ABORTED', 'The caller gave up waiting. What was already sent may still happen.', { cache, key, cause: signal.reason });
}
