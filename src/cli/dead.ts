import { type Command, Option } from 'commander';
import type { DeadLetter } from '../index.ts';
import { type AnyCache, withCaches } from './config.ts';
import { EXIT, failureOf, UsageError } from './failure.ts';
import { type Column, NOTHING, plural, tableRows } from './format.ts';
import { numberOption } from './parse.ts';
import { type CommandContext, runCommand } from './run.ts';

type Letter = DeadLetter<unknown>;

interface DeadFlags {
  readonly config?: string;
}

interface ListFlags extends DeadFlags {
  readonly limit?: number;
  readonly after?: string;
  readonly state?: 'waiting' | 'dead';
}

const DEFAULT_LIMIT = 100;
const LIMIT_MAX = 10_000;
/** Dead letters that are redriven together: as many share a flush. */
const AT_A_TIME = 100;
const REDRIVE_TIMEOUT = '10s';
const CONFIG = ['--config <file>', 'default: millrace.config.ts, .js or .mjs in the working directory'] as const;
const JSON_OPTION = ['--json', 'prints one JSON document and nothing else'] as const;
const COLUMNS: readonly Column[] = [
  'id',
  'key',
  'write',
  'code',
  'state',
  'attempts',
  'next attempt',
  'since',
  'message',
].map((title) => ({
  title,
  align: title === 'attempts' ? 'right' : 'left',
}));

export function addDead(program: Command): void {
  const dead = program
    .command('dead')
    .description('dead letters: writes that the store refused, and tries again or not any more');
  dead
    .command('list')
    .description('the letters of a cache, waiting and dead, oldest first, without their values')
    .argument('<cache>')
    .option('--limit <n>', `how many (default: ${DEFAULT_LIMIT})`, numberOption(1, LIMIT_MAX, true))
    .option('--after <id>', 'goes on after this one')
    .addOption(
      new Option('--state <state>', 'only those that wait for another attempt, or that are dead').choices([
        'waiting',
        'dead',
      ]),
    )
    .option(...CONFIG)
    .option(...JSON_OPTION)
    .action((name: string, flags: ListFlags, command: Command) =>
      onCache(command, flags, name, (cache, context) => list(cache, flags, context)),
    );
  dead
    .command('show')
    .description('one dead letter; its value only with --value')
    .argument('<cache>')
    .argument('<id>')
    .option('--value', 'shows the value as well')
    .option(...CONFIG)
    .option(...JSON_OPTION)
    .action((name: string, id: string, flags: DeadFlags & { value?: boolean }, command: Command) =>
      onCache(command, flags, name, (cache, context) => show(cache, id, flags.value === true, context)),
    );
  dead
    .command('redrive')
    .description('tries letters again, after what was wrong has been put right, and waits until they are stored')
    .argument('<cache>')
    .argument('[ids...]')
    .option('--all', 'all that there are now')
    .option(...CONFIG)
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExit code: 0 all are stored or superseded by a later write, 1 one is not, 2 usage.')
    .action((name: string, ids: string[], flags: DeadFlags & { all?: boolean }, command: Command) =>
      onCache(command, flags, name, (cache, context) => forEach(cache, ids, flags.all === true, context, redrive)),
    );
  dead
    .command('discard')
    .description('removes letters and their values for good')
    .argument('<cache>')
    .argument('[ids...]')
    .option('--all', 'all that there are now')
    .option(...CONFIG)
    .option(...JSON_OPTION)
    .action((name: string, ids: string[], flags: DeadFlags & { all?: boolean }, command: Command) =>
      onCache(command, flags, name, (cache, context) => forEach(cache, ids, flags.all === true, context, discard)),
    );
}

function onCache(
  command: Command,
  { config }: DeadFlags,
  name: string,
  use: (cache: AnyCache, context: CommandContext) => Promise<number>,
): Promise<void> {
  return runCommand(command, (context) => withCaches(config, [name], ([cache]) => use(cache as AnyCache, context)));
}

async function list(
  cache: AnyCache,
  { limit = DEFAULT_LIMIT, after, state }: ListFlags,
  { terminal, json }: CommandContext,
): Promise<number> {
  const letters = await cache.deadLetters.list({
    limit,
    ...(after === undefined ? {} : { after }),
    ...(state === undefined ? {} : { state }),
  });
  json?.({ cache: cache.name, deadLetters: letters.map(withoutValue) });
  if (letters.length === 0)
    terminal.line(`${cache.name} has no ${state ?? 'dead'} letters${after === undefined ? '' : ` after ${after}`}`);
  else for (const row of tableRows(COLUMNS, letters.map(cells))) terminal.line(row);
  if (letters.length === limit) terminal.line(`there may be more: --after ${letters.at(-1)?.id}`);
  return EXIT.ok;
}

async function show(cache: AnyCache, id: string, value: boolean, { terminal, json }: CommandContext): Promise<number> {
  const letter = await cache.deadLetters.get(id);
  if (letter === undefined) throw new Error(`${cache.name} has no dead letter ${id}`);
  json?.(value ? letter : withoutValue(letter));
  for (const [name, text] of Object.entries(withoutValue(letter)))
    terminal.line(`${name.padEnd(12)} ${text instanceof Date ? text.toISOString() : String(text ?? NOTHING)}`);
  terminal.line(
    `${'value'.padEnd(12)} ` +
      (value ? (JSON.stringify(letter.value) ?? 'none, it is a delete') : 'not shown without --value'),
  );
  return EXIT.ok;
}

interface Done {
  readonly id: string;
  readonly ok: boolean;
  readonly outcome: string;
}

async function forEach(
  cache: AnyCache,
  ids: readonly string[],
  all: boolean,
  { terminal, signal, json }: CommandContext,
  act: (cache: AnyCache, id: string) => Promise<string>,
): Promise<number> {
  if (all === ids.length > 0) throw new UsageError('give the ids of dead letters, or --all');
  const chosen = all ? await allIds(cache) : ids;
  const results: Done[] = [];
  for (let from = 0; from < chosen.length && !signal.aborted; from += AT_A_TIME) {
    const done = await Promise.all(chosen.slice(from, from + AT_A_TIME).map((id) => outcomeOf(cache, id, act)));
    results.push(...done);
    for (const { id, outcome } of done) terminal.line(`${id}: ${outcome}`);
  }
  const ok = results.every((result) => result.ok);
  json?.({ cache: cache.name, ok, deadLetters: results });
  terminal.line(`${plural(results.filter((result) => result.ok).length, 'dead letter')} of ${results.length} done`);
  if (signal.aborted) return EXIT.interrupted;
  return ok ? EXIT.ok : EXIT.failed;
}

async function outcomeOf(
  cache: AnyCache,
  id: string,
  act: (cache: AnyCache, id: string) => Promise<string>,
): Promise<Done> {
  try {
    return { id, ok: true, outcome: await act(cache, id) };
  } catch (error) {
    return { id, ok: false, outcome: failureOf(error).message };
  }
}

/** Those that exist at the beginning: what is refused again meanwhile comes after them, and would never end. */
async function allIds(cache: AnyCache): Promise<string[]> {
  const ids: string[] = [];
  for (let page: Letter[], after: string | undefined; ; after = page.at(-1)?.id) {
    page = await cache.deadLetters.list({ limit: LIMIT_MAX, ...(after === undefined ? {} : { after }) });
    ids.push(...page.map(({ id }) => id));
    if (page.length < LIMIT_MAX) return ids;
  }
}

async function redrive(cache: AnyCache, id: string): Promise<string> {
  const { outcome } = await cache.deadLetters.redrive(id, { timeout: REDRIVE_TIMEOUT });
  if (outcome === 'superseded') return 'removed, since the key has been written again';
  if (outcome === 'scheduled')
    throw new Error(`due, but not tried within ${REDRIVE_TIMEOUT}: nobody flushes, or the store does not answer`);
  return 'stored';
}

async function discard(cache: AnyCache, id: string): Promise<string> {
  await cache.deadLetters.discard(id);
  return 'discarded';
}

function withoutValue(letter: Letter): Omit<Letter, 'value'> {
  return Object.fromEntries(Object.entries(letter).filter(([name]) => name !== 'value')) as unknown as Omit<
    Letter,
    'value'
  >;
}

function cells({ id, key, kind, state, code, attempts, retryAt, supersededAt, createdAt, message }: Letter): string[] {
  return [
    id,
    key,
    kind,
    code,
    supersededAt === undefined ? state : `${state}, superseded`,
    String(attempts),
    retryAt?.toISOString() ?? NOTHING,
    createdAt.toISOString(),
    message,
  ];
}
