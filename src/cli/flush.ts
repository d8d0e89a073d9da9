import type { Command } from 'commander';
import { isMillraceError } from '../index.ts';
import { type AnyCache, withCaches } from './config.ts';
import { EXIT, failureOf } from './failure.ts';
import { formatMs, plural } from './format.ts';
import { durationMsOption } from './parse.ts';
import { type CommandContext, runCommand } from './run.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

interface Flushed {
  readonly name: string;
  readonly ok: boolean;
  /** What this process stored; other workers may have stored more. */
  readonly rows: number;
  /** Rows that were refused, and are letters now: dead, or waiting for another attempt. */
  readonly dead: number;
  /** Entries that are pending after it: not 0 after a failure, or when others go on writing. */
  readonly pending: number | undefined;
  readonly durationMs: number;
  /** Acknowledged writes that were given up, because the store was restored to an earlier state. */
  readonly givenUp: number;
  readonly error?: { readonly code: string | undefined; readonly message: string };
}

interface FlushFlags {
  readonly config?: string;
  readonly timeout?: number;
  readonly acceptStoreRollback?: boolean;
}

export function addFlush(program: Command): void {
  program
    .command('flush')
    .description('stores all that is pending now, and waits until it is')
    .argument('[caches...]', 'default: all of the configuration')
    .option('--timeout <duration>', 'how long to wait, such as 500ms or 30s (default: 30s)', durationMsOption)
    .option(
      '--accept-store-rollback',
      'goes on where a restored store lost what it had acknowledged; that stays lost, and is counted',
    )
    .option('--config <file>', 'default: millrace.config.ts, .js or .mjs in the working directory')
    .option('--json', 'prints one JSON document and nothing else')
    .addHelpText('after', '\nExit code: 0 everything is stored, 1 something is not (refused, or not in time), 2 usage.')
    .action((names: string[], flags: FlushFlags, command: Command) =>
      runCommand(command, (context) => withCaches(flags.config, names, (caches) => flush(caches, flags, context))),
    );
}

async function flush(
  caches: readonly AnyCache[],
  flags: FlushFlags,
  { terminal, signal, json }: CommandContext,
): Promise<number> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(flags.timeout ?? DEFAULT_TIMEOUT_MS)]);
  const flushed = await Promise.all(caches.map((cache) => flushOne(cache, until, flags.acceptStoreRollback === true)));
  const ok = flushed.every((one) => one.ok);
  json?.({ ok, caches: flushed });
  for (const { name, rows, dead, pending, durationMs, givenUp, error } of flushed) {
    const did = `${plural(rows, 'row')} stored here in ${formatMs(durationMs)}`;
    const refused = dead === 0 ? '' : `, ${plural(dead, 'row')} refused: see millrace dead list ${name}`;
    const lost = givenUp === 0 ? '' : `, ${plural(givenUp, 'acknowledged write')} given up that the store had lost`;
    const left = pending === undefined || pending === 0 ? '' : `, ${plural(pending, 'entry', 'entries')} pending`;
    const failed = error === undefined ? '' : `: ${error.message}${error.code === undefined ? '' : ` (${error.code})`}`;
    terminal.line(
      `${name}: ${error === undefined ? 'flushed' : 'not flushed'}, ${did}${refused}${lost}${left}${failed}`,
    );
  }
  if (signal.aborted) return EXIT.interrupted;
  return ok ? EXIT.ok : EXIT.failed;
}

async function flushOne(cache: AnyCache, signal: AbortSignal, acceptStoreRollback: boolean): Promise<Flushed> {
  const start = performance.now();
  let rows = 0;
  let dead = 0;
  cache.on('flush', (event) => {
    rows += event.rows;
    dead += event.dead + event.waiting;
  });
  let givenUp = 0;
  cache.on('loss', ({ count, cause }) => {
    if (cause === 'store-rolled-back') givenUp += count;
  });
  const accepted = acceptStoreRollback
    ? await cache.resume({ acceptStoreRollback }).then(() => undefined, reasonOf)
    : undefined;
  const error = accepted ?? (await cache.flush({ signal }).then(() => undefined, reasonOf));
  const pending = await cache.stats().then(
    (stats) => stats.pending.entries,
    () => undefined,
  );
  const durationMs = performance.now() - start;
  return {
    name: cache.name,
    ok: error === undefined && dead === 0,
    rows,
    dead,
    pending,
    durationMs,
    givenUp,
    ...(error === undefined ? {} : { error }),
  };
}

function reasonOf(error: unknown): { code: string | undefined; message: string } {
  const { code, message } = failureOf(error);
  return isMillraceError(error) && error.code === 'MILLRACE_ABORTED'
    ? { code: 'MILLRACE_TIMEOUT', message: 'the time is up' }
    : { code, message };
}
