import { type Command, Option } from 'commander';
import { EXIT } from '../failure.ts';
import { numberOption } from '../parse.ts';
import { type CommandContext, runCommand } from '../run.ts';
import { runDemo } from './demo.ts';
import { demoDocument } from './document.ts';
import {
  type DemoFlags,
  demoOptions,
  IN_FLIGHT_MAX,
  STORE_LATENCY_MS_MAX,
  WRITES_MAX,
  WRITES_ONE_BY_ONE_MAX,
} from './options.ts';
import { DemoText } from './text.ts';

const DEFAULT_WRITES = 20;
const DEFAULT_SEED = 1;
const BATCH_MAX = 10_000;

const EXAMPLES = `
Examples:
  millrace demo                       LMDB in front, PGlite behind: no server needed
  millrace demo --store-latency 50    the textbook case, a database that takes 50 ms
  millrace demo --writes 100000 --redis redis://localhost --postgres postgres://me@localhost/db
  millrace demo --json | jq .verification

Exit code: 0 every record is in both places, 1 one is not or a server failed, 2 usage, 130 interrupted.`;

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'does the same writes with each policy, compares them, and verifies that every record is in both places',
    )
    .addOption(
      new Option('--writes <n>', `writes per policy, up to ${WRITES_MAX}`)
        .argParser(numberOption(1, WRITES_MAX, true))
        .default(DEFAULT_WRITES),
    )
    .addOption(
      new Option(
        '--in-flight <n>',
        `writes at the same time (default: 1, above ${WRITES_ONE_BY_ONE_MAX} writes 64)`,
      ).argParser(numberOption(1, IN_FLIGHT_MAX, true)),
    )
    .option('--redis <url>', 'a Redis or Valkey server in front, instead of LMDB')
    .option('--postgres <url>', 'a PostgreSQL server behind, instead of PGlite; works in a schema of its own')
    .addOption(
      new Option('--store-latency <ms>', 'makes each round trip to the store take so much longer')
        .argParser(numberOption(0, STORE_LATENCY_MS_MAX, false))
        .default(0),
    )
    .option('--flush-delay <duration>', 'age at which a write is flushed at the latest, such as 100ms or 5s')
    .addOption(new Option('--batch-size <n>', 'rows of one statement').argParser(numberOption(1, BATCH_MAX, true)))
    .addOption(
      new Option('--seed <n>', 'makes other sessions')
        .argParser(numberOption(0, 2 ** 32 - 1, true))
        .default(DEFAULT_SEED),
    )
    .option('--keep', 'leaves the written data where it is, to look at it')
    .option('--json', 'prints one JSON document and nothing else')
    .addHelpText('after', EXAMPLES)
    .action((flags: DemoFlags, command: Command) => runCommand(command, (context) => demo(flags, context)));
}

async function demo(flags: DemoFlags, { terminal, signal, json }: CommandContext): Promise<number> {
  const options = demoOptions(flags);
  const start = performance.now();
  const result = await runDemo(options, new DemoText(terminal, options), signal);
  json?.(demoDocument(result, options, performance.now() - start));
  if (!result.verification.ok) return EXIT.failed;
  return result.interrupted ? EXIT.interrupted : EXIT.ok;
}
