/**
 * Measures Millrace. `npm run bench -- --help` says what can be asked for.
 */
import { CommanderError } from 'commander';
import { parseOptions, type Wish } from './options.ts';
import { runPaired } from './paired/run.ts';
import { build, OWN, refuseCheckout } from './suite/builds.ts';
import { runCases } from './suite/run.ts';

process.exitCode = await run(process.argv.slice(2));

/** @returns The exit code: 0, 1 when a limit is not held, 2 when it was asked for what there is not. */
async function run(args: readonly string[]): Promise<number> {
  let wish: Wish;
  try {
    wish = parseOptions(args);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 2;
  }
  const refusal = wish.kind === 'paired' ? refuseCheckout(wish.against) : undefined;
  if (refusal !== undefined) {
    console.error(`error: ${refusal}`);
    return 2;
  }
  build(OWN);
  if (wish.kind === 'paired') return runPaired(wish);
  await runCases(wish);
  return 0;
}
