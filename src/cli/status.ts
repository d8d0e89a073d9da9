import type { Command } from 'commander';
import type { CacheStats } from '../index.ts';
import { type AnyCache, withCaches } from './config.ts';
import { EXIT, failureOf } from './failure.ts';
import { type Column, formatCount, formatMs, NOTHING, tableRows } from './format.ts';
import { type CommandContext, runCommand } from './run.ts';

interface CacheStatus {
  readonly name: string;
  readonly ok: boolean;
  readonly stats?: CacheStats;
  /** Undefined where the store keeps none, or does not answer. */
  readonly deadLetters?: number;
  readonly error?: { readonly code: string | undefined; readonly message: string };
}

const COLUMNS: readonly Column[] = [
  { title: 'cache', align: 'left' },
  { title: 'pending', align: 'right' },
  { title: 'bytes', align: 'right' },
  { title: 'lag', align: 'right' },
  { title: 'waiting', align: 'right' },
  { title: 'dead', align: 'right' },
  { title: 'lanes', align: 'right' },
  { title: 'state', align: 'left' },
];

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('what is pending in each cache of the configuration, how old it is, and whether a lane stopped')
    .argument('[caches...]', 'default: all')
    .option('--config <file>', 'default: millrace.config.ts, .js or .mjs in the working directory')
    .option('--json', 'prints one JSON document and nothing else')
    .addHelpText('after', '\nExit code: 0 all is well, 1 a cache cannot be reached or a lane stopped, 2 usage.')
    .action((names: string[], flags: { config?: string }, command: Command) =>
      runCommand(command, (context) => withCaches(flags.config, names, (caches) => status(caches, context))),
    );
}

async function status(caches: readonly AnyCache[], { terminal, json }: CommandContext): Promise<number> {
  const found = await Promise.all(caches.map(statusOf));
  const ok = found.every((cache) => cache.ok);
  json?.({ ok, caches: found });
  const { colors } = terminal;
  for (const [at, row] of tableRows(COLUMNS, found.map(cells)).entries())
    terminal.line(at === 0 ? colors.bold(row) : row);
  for (const { name, stats, error } of found) {
    if (error !== undefined)
      terminal.line(colors.red(`${name}: ${error.message}${error.code === undefined ? '' : ` (${error.code})`}`));
    if (stats !== undefined && stats.breaker.state !== 'closed')
      terminal.line(
        colors.yellow(
          `${name}: the store is ${stats.breaker.state === 'ramp' ? 'back' : 'down'}: ${stats.breaker.reason}`,
        ),
      );
    for (const lane of stats?.lanes ?? []) {
      if (lane.stopped !== '') terminal.line(colors.red(`${name}: lane ${lane.lane} stopped: ${lane.stopped}`));
    }
  }
  return ok ? EXIT.ok : EXIT.failed;
}

async function statusOf(cache: AnyCache): Promise<CacheStatus> {
  const { name } = cache;
  try {
    // Looking must not change what is looked at.
    await cache.pause();
    const stats = await cache.stats();
    const ok = stats.lanes.every(({ stopped }) => stopped === '');
    return { name, ok, stats, ...(stats.letters === undefined ? {} : { deadLetters: stats.letters.dead }) };
  } catch (error) {
    const { code, message } = failureOf(error);
    return { name, ok: false, error: { code, message } };
  }
}

function cells({ name, ok, stats }: CacheStatus): string[] {
  if (stats === undefined) return [name, ...Array<string>(6).fill(NOTHING), 'cannot be reached'];
  const { pending, lagMs, lanes } = stats;
  return [
    name,
    formatCount(pending.entries),
    formatCount(pending.bytes),
    formatMs(lagMs),
    formatCount(stats.letters?.waiting),
    formatCount(stats.letters?.dead),
    formatCount(lanes.length),
    ok ? 'ok' : 'stopped',
  ];
}
