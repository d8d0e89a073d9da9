import type { Command } from 'commander';
import type { Inspection } from '../index.ts';
import { type AnyCache, withCaches } from './config.ts';
import { EXIT, UsageError } from './failure.ts';
import { formatMs, plural } from './format.ts';
import { type CommandContext, runCommand } from './run.ts';

const MEANING: Readonly<Record<Inspection['state'], string>> = {
  pending: 'the front has it, the store not yet',
  'in-flight': 'a flush is bringing it to the store now',
  stored: 'the store has it',
  waiting: 'the store refused its last write, which will be tried again',
  dead: 'the store refused its last write, which is kept as a dead letter',
  writing: 'a write is under way',
  absent: 'neither the front nor the store has it',
  cached: 'the front has it, the store does not',
};

export function addInspect(program: Command): void {
  program
    .command('inspect')
    .description(
      'where the value of a key is: in the front, pending, in flight, stored or refused, and why; ' +
        'never the value itself',
    )
    .argument('<cache>')
    .argument('<key>')
    .option('--config <file>', 'default: millrace.config.ts, .js or .mjs in the working directory')
    .option('--json', 'prints one JSON document and nothing else')
    .addHelpText(
      'after',
      '\nExit code: 0 the value is where it should be or on its way, 1 it was refused or is nowhere, 2 usage.',
    )
    .action((name: string, key: string, flags: { config?: string }, command: Command) =>
      runCommand(command, (context) =>
        withCaches(flags.config, [name], ([cache]) => inspect(cache as AnyCache, key, context)),
      ),
    );
}

async function inspect(cache: AnyCache, key: string, { terminal, json }: CommandContext): Promise<number> {
  if (cache.inspect === undefined)
    throw new UsageError(`${cache.name} is a log, which has no keys; see millrace status ${cache.name}`);
  // Looking must not change what is looked at.
  await cache.pause();
  const found = await cache.inspect(key);
  json?.({ cache: cache.name, ...found });
  const { colors } = terminal;
  terminal.line(`${colors.bold(key)} in ${cache.name}: ${colors.bold(found.state)}, ${MEANING[found.state]}`);
  for (const [name, text] of details(found)) terminal.line(`  ${name.padEnd(13)} ${text}`);
  return ['waiting', 'dead', 'absent'].includes(found.state) ? EXIT.failed : EXIT.ok;
}

function details(found: Inspection): [name: string, text: string][] {
  const { front, frontTtlMs, inStore, waitingSince, attempts, lastError, deadLetter, lane, lanes } = found;
  const lines: [string, string][] = [
    ['front', frontTtlMs === undefined ? front : `${front}, expires in ${formatMs(frontTtlMs)}`],
    ['store', inStore ? 'has a row' : 'has no row'],
  ];
  if (waitingSince !== undefined) lines.push(['waiting since', `${waitingSince.toISOString()} at the earliest`]);
  if (attempts > 0) lines.push(['attempts', `${attempts} failed in a row`]);
  if (lastError !== undefined) lines.push(['last error', `${lastError.message} (${lastError.code})`]);
  if (deadLetter !== undefined) {
    const { id, code, message, createdAt, retryAt } = deadLetter;
    const next = retryAt === undefined ? '' : `, next ${retryAt.toISOString()}`;
    lines.push([
      'dead letter',
      `${id}: ${message} (${code}), ${plural(deadLetter.attempts, 'attempt')}${next}, since ${createdAt.toISOString()}`,
    ]);
  }
  lines.push([
    'lane',
    lanes === undefined ? `${lane}` : `${lane}, epoch ${lanes.epoch}, generation ${lanes.generation}`,
  ]);
  if (lanes !== undefined && lanes.stopped !== '') lines.push(['stopped', lanes.stopped]);
  return lines;
}
