import { MillraceError } from '../../errors.ts';

/** What a caller is told whose signal was aborted. `withdrawn`: the write was taken back before it was sent. */
export function aborted(withdrawn: boolean, reason: unknown, cache: string, key: string | undefined): MillraceError {
  const message = withdrawn
    ? 'The caller gave up before the write was sent. It was taken back: nothing of it was written.'
    : 'The caller gave up waiting. What was already sent may still happen.';
  return new MillraceError('MILLRACE_ABORTED', message, { cache, key, cause: reason });
}

/**
 * Calls `leave` when the signal is aborted before `done` is settled: whoever waits is let go of, and hears nothing more
 * here.
 */
export function leaveAtAbort(signal: AbortSignal | undefined, done: Promise<unknown>, leave: () => unknown): void {
  if (signal === undefined) return;
  if (signal.aborted) return void leave();
  signal.addEventListener('abort', leave, { once: true });
  const stay = (): void => signal.removeEventListener('abort', leave);
  done.then(stay, stay);
}

/** Ends the waiting for `work`, not the work. */
export function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  cache: string,
  key: string | undefined,
): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(aborted(false, signal.reason, cache, key));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
