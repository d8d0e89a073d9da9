import { Command, InvalidArgumentError } from 'commander';
import { CASES } from './cases/index.ts';
import { LIMIT, PAIRS_FOR_A_VERDICT } from './paired/report.ts';
import { ROWS } from './paired/rows.ts';

/** What a call of the bench asks for. */
export type Wish = CasesWish | PairedWish;

/** Millrace beside what a team would use instead. */
export interface CasesWish {
  readonly kind: 'cases';
  readonly names: readonly string[];
  /** False where some were chosen. */
  readonly all: boolean;
  readonly quick: boolean;
  readonly rounds: number;
  readonly json: boolean;
}

/** This build beside another one. */
export interface PairedWish {
  readonly kind: 'paired';
  /** The other checkout, as it was given. */
  readonly against: string;
  readonly rows: readonly string[];
  readonly pairs: number;
  readonly json: boolean;
}

interface Given {
  readonly against?: string;
  readonly only?: readonly string[];
  readonly quick?: true;
  readonly rounds?: number;
  readonly pairs?: number;
  readonly json?: true;
}

const HELP = `
Without --against: Millrace beside what a team would use instead, and beside the physical limits.
  Contestants alternate in rounds, each in a process of its own. Medians are printed, and the
  medians of ratios within a round. All that was measured is written to bench/results.

With --against: the build of this checkout beside the build of another one.
  Both alternate in pairs, each in a process of its own. The exit code is 1 when a median ratio
  is below ${LIMIT}, or when a row sends more to Redis than before. See docs/benchmarks.md.

The bench builds this checkout and starts a Redis and a PostgreSQL of its own.

Cases:
${wrapped(Object.keys(CASES))}

Rows (with --against); --only takes a part of a name as well, for example scores or lmdb:
${wrapped(Object.keys(ROWS))}
`;

/** Reads the arguments; throws a `CommanderError` that was told already, with 0 after `--help`. */
export function parseOptions(args: readonly string[]): Wish {
  const command = new Command('npm run bench --')
    .usage('[options]')
    .description('Measures how fast Millrace is.')
    .option('--only <names>', 'these cases or rows, with commas between', list)
    .option('--quick', 'less of everything, and 3 rounds')
    .option('--rounds <n>', 'rounds that are counted (default: 5)', count)
    .option('--against <path>', 'the checkout to compare with, for example a worktree of an older commit')
    .option('--pairs <n>', `pairs of each row (default: ${PAIRS_FOR_A_VERDICT})`, count)
    .option('--json', 'print everything as JSON')
    .helpOption('--help', 'print this')
    .addHelpText('after', HELP)
    .showSuggestionAfterError(false)
    .allowExcessArguments(false)
    .exitOverride();
  const given = command.parse(args, { from: 'user' }).opts<Given>();
  const refuse = (text: string): never => command.error(`error: ${text}`);
  const json = given.json === true;

  if (given.against === undefined) {
    if (given.pairs !== undefined) refuse('--pairs needs --against');
    const unknown = given.only?.find((name) => CASES[name] === undefined);
    if (unknown !== undefined) refuse(`there is no case "${unknown}": see --help`);
    const quick = given.quick === true;
    const names = given.only ?? Object.keys(CASES);
    return {
      kind: 'cases',
      names,
      all: given.only === undefined,
      quick,
      rounds: given.rounds ?? (quick ? 3 : 5),
      json,
    };
  }
  if (given.quick === true) refuse('--quick is not for --against: give fewer --pairs');
  if (given.rounds !== undefined) refuse('--rounds is not for --against: give --pairs');
  const unknown = given.only?.find((name) => !Object.keys(ROWS).some((row) => isPartOf(name, row)));
  if (unknown !== undefined) refuse(`there is no row "${unknown}": see --help`);
  const rows = Object.keys(ROWS).filter((row) => given.only?.some((name) => isPartOf(name, row)) ?? true);
  return { kind: 'paired', against: given.against, rows, pairs: given.pairs ?? PAIRS_FOR_A_VERDICT, json };
}

const isPartOf = (name: string, row: string): boolean => name === row || row.split('/').includes(name);

function list(text: string): readonly string[] {
  return text.split(',');
}

function count(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1 to 9999.');
  return Number(text);
}

/** Names in lines that a terminal has room for. */
function wrapped(names: readonly string[]): string {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + name.length < 88) lines[lines.length - 1] = `${last}, ${name}`;
    else lines.push(`  ${name}`);
  }
  return lines.join(',\n');
}
