import { constants } from 'node:os';
import { type Duration, parseDuration } from './core/duration.ts';
import { MillraceError } from './errors.ts';
import type { CacheListener } from './events.ts';
import type { CloseReport } from './facade.ts';

/** A signal that asks a process to end. */
export type EndSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';

/** What {@link closeOnSignals} closes: a cache of any kind. */
export interface Closable {
  /** Under which its report is given. */
  readonly name: string;
  /** Drains until `timeout`, and reports. */
  close(options?: { readonly timeout?: Duration }): Promise<CloseReport>;
  /** Tells when it was closed, by whomever. */
  on(name: 'closed', listener: CacheListener<'closed'>): unknown;
  /** Stops telling. */
  off(name: 'closed', listener: CacheListener<'closed'>): unknown;
}

/** Options of {@link closeOnSignals}. */
export interface CloseOnSignalsOptions {
  /** How long all caches together drain. Default '30s'; give the orchestrator a longer grace period. */
  readonly timeout?: Duration;
  /** Default SIGTERM and SIGINT. */
  readonly signals?: readonly EndSignal[];
  /** Is told what each cache did, by name, before the process ends; a promise is waited for. */
  readonly onClosed?: (reports: ReadonlyMap<string, CloseReport>, signal: EndSignal) => unknown;
  /** `false` leaves it to you to end the process. Default true. */
  readonly exit?: boolean;
}

/**
 * Closes caches when the process is told to end: the first signal drains them until `timeout`, all at the same time,
 * and then the process ends by that signal, as it would have without this. A second signal ends it at once. Where the
 * process has other listeners for the signal, they decide when it ends. Nothing is listened to any more once all caches
 * are closed, or after the returned function was called. Throws MILLRACE_OPTIONS.
 */
export function closeOnSignals(caches: Iterable<Closable>, options: CloseOnSignalsOptions = {}): () => void {
  const { timeout = '30s', signals = ['SIGTERM', 'SIGINT'], onClosed, exit = true } = options;
  if (parseDuration(timeout) === undefined) {
    throw new MillraceError(
      'MILLRACE_OPTIONS',
      `closeOnSignals: timeout must be milliseconds or a string like '10s', not ${JSON.stringify(timeout)}.`,
    );
  }
  const all = [...caches];
  let isDraining = false;
  let open = all.length;

  const stop = (): void => {
    for (const signal of signals) process.removeListener(signal, onSignal);
    for (const cache of all) cache.off('closed', onCacheClosed);
  };
  const end = (signal: EndSignal): void => {
    stop();
    if (!exit || process.listenerCount(signal) > 0) return;
    process.kill(process.pid, signal);
    // The first process of a container is not ended by a signal that it has no listener for.
    process.exit(128 + constants.signals[signal]);
  };
  const drain = async (signal: EndSignal): Promise<void> => {
    try {
      const reports = await Promise.all(
        all.map(async (cache) => [cache.name, await cache.close({ timeout })] as const),
      );
      await onClosed?.(new Map(reports), signal);
    } finally {
      end(signal);
    }
  };
  function onSignal(signal: EndSignal): void {
    if (isDraining) return end(signal);
    isDraining = true;
    void drain(signal);
  }
  function onCacheClosed(): void {
    if (--open === 0 && !isDraining) stop();
  }

  for (const signal of signals) process.on(signal, onSignal);
  for (const cache of all) cache.on('closed', onCacheClosed);
  return stop;
}
