import type { Command } from 'commander';
import { FLUSH_HERE } from '../facade.ts';
import { type CacheEventName, type CacheEvents, type CloseReport, closeOnSignals } from '../index.ts';
import { type AnyCache, withCaches } from './config.ts';
import { EXIT } from './failure.ts';
import { formatMs, plural } from './format.ts';
import { durationMsOption } from './parse.ts';
import { type CommandContext, runCommand } from './run.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 60_000;

/** A line for each event that an operator wants to know of. */
const LINES: { readonly [N in CacheEventName]: (event: CacheEvents[N]) => string } = {
  flush: ({ rows, statements, durationMs, lagMs }) =>
    `flush: ${plural(rows, 'row')} in ${plural(statements, 'statement')}, ${formatMs(durationMs)}, ` +
    `the oldest waited ${formatMs(lagMs)}`,
  breaker: ({ state, failures, retryInMs, reason }) =>
    state === 'open'
      ? `the store is down after ${failures} failures, next attempt in ${formatMs(retryInMs)}: ${reason}`
      : state === 'ramp'
        ? 'the store is back'
        : 'the store is well',
  'flush-failed': ({ error, attempt, retryInMs }) =>
    `flush failed, attempt ${attempt}, again in ${formatMs(retryInMs)}: ${error.message} (${error.code})`,
  'dead-letter': ({ key, code, message }) => `dead letter: ${key}: ${message} (${code})`,
  loss: ({ lane, count, cause }) => `LOSS: ${plural(count, 'acknowledged write')} of lane ${lane} (${cause})`,
  recovered: ({ lane, outcome, dropped }) =>
    `lane ${lane} recovered (${outcome})${dropped === 0 ? '' : `, ${plural(dropped, 'entry', 'entries')} dropped`}`,
  stopped: ({ lane, error }) => `lane ${lane} STOPPED: ${error.message} (${error.code})`,
  warning: ({ message }) => `warning: ${message}`,
  closed: ({ stored, remaining, dead }) =>
    `closed: ${plural(stored, 'row')} stored while draining, ${plural(remaining, 'entry', 'entries')} remaining` +
    (dead === 0 ? '' : `, ${plural(dead, 'row')} refused`),
  error: ({ error }) => `error: ${error.message} (${error.code})`,
};

export function addWorker(program: Command): void {
  program
    .command('worker')
    .description('flushes the caches of the configuration until it is told to stop; then drains and says what it did')
    .argument('[caches...]', 'default: all')
    .option('--drain-timeout <duration>', 'how long it drains after SIGTERM or SIGINT (default: 30s)', durationMsOption)
    .option('--config <file>', 'default: millrace.config.ts, .js or .mjs in the working directory')
    .option('--json', 'prints one JSON document per line for each event')
    .addHelpText(
      'after',
      '\nExit code: 0 drained, 1 something is still pending (it stays in the front) or a server failed at start, ' +
        '2 usage.',
    )
    .action((names: string[], flags: { config?: string; drainTimeout?: number }, command: Command) =>
      runCommand(command, (context) =>
        withCaches(flags.config, names, (caches) => work(caches, flags.drainTimeout ?? DEFAULT_TIMEOUT_MS, context)),
      ),
    );
}

async function work(
  caches: readonly AnyCache[],
  drainTimeoutMs: number,
  { terminal, signal, json }: CommandContext,
): Promise<number> {
  const tell = (cache: string, event: string, data: object, text: string) => {
    if (json === undefined) terminal.line(`${new Date().toISOString()} ${cache}: ${text}`);
    else process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), cache, event, ...data })}\n`);
  };
  for (const cache of caches) {
    // A configuration that is shared with the writing processes has `flush: false`; this process is who flushes.
    cache[FLUSH_HERE]();
    for (const name of Object.keys(LINES) as CacheEventName[]) listen(cache, name, tell);
  }
  const closed = new Promise<ReadonlyMap<string, CloseReport>>((resolve) =>
    closeOnSignals(caches, { timeout: drainTimeoutMs, onClosed: resolve, exit: false }),
  );
  if (signal.aborted) return EXIT.interrupted;
  await Promise.all(caches.map((cache) => cache.ready()));
  for (const { name } of caches) tell(name, 'ready', {}, 'ready');

  const alive = setInterval(() => undefined, KEEP_ALIVE_MS);
  // Its second signal ends the process in `runCommand`.
  const reports = await closed;
  clearInterval(alive);
  return [...reports.values()].every(({ remaining }) => remaining === 0) ? EXIT.ok : EXIT.failed;
}

function listen<N extends CacheEventName>(
  cache: AnyCache,
  name: N,
  tell: (cache: string, event: string, data: object, text: string) => void,
): void {
  cache.on(name, (event) => tell(cache.name, name, event, LINES[name](event)));
}
