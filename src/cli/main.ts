#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { addDead } from './dead.ts';
import { addDemo } from './demo/command.ts';
import { addDoctor } from './doctor.ts';
import { EXIT } from './failure.ts';
import { addFlush } from './flush.ts';
import { addInspect } from './inspect.ts';
import { addStatus } from './status.ts';
import { addWorker } from './worker.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const program = new Command('millrace')
  .description('Keeps a fast cache and a database in step.')
  .version(version)
  .option('--no-color', 'plain text, on a terminal too')
  .option('--verbose', 'shows where an error happened')
  .showHelpAfterError('(--help shows what can be given)')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();
for (const add of [addDemo, addDoctor, addStatus, addInspect, addFlush, addDead, addWorker]) add(program);

// A reader that has seen enough (`millrace demo | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Commander has said what is wrong; its own exit code for that is 1.
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
// A configuration's connections are its own business and may be open; what was printed must get out.
process.stdout.write('', () => process.stderr.write('', () => process.exit()));
