/**
 * Runs schedules of the simulator.
 *
 *   npm run sim -- --schedules 20000 [--seed 1]
 *
 * A failure prints the command that replays it.
 */
import { parseArgs } from 'node:util';
import { World } from './world.ts';

const { values } = parseArgs({ options: { schedules: { type: 'string', default: '1000' }, seed: { type: 'string' } } });
const schedules = values.seed !== undefined && process.argv.every((arg) => !arg.startsWith('--schedules')) ? 1 : Number(values.schedules);
const first = values.seed === undefined ? Math.floor(Math.random() * 2 ** 40) : Number(values.seed);
const startedAt = performance.now();
let steps = 0;
let operations = 0;
let commits = 0;
let losses = 0;
for (let i = 0; i < schedules; i++) {
  const seed = first + i;
  try {
    const report = await new World(seed).run();
    steps += report.steps;
    operations += report.operations;
    commits += report.commits;
    losses += report.losses;
  } catch (error) {
    console.error(`schedule ${i + 1}: ${(error as Error).stack}`);
    console.error(`replay it with: npm run sim -- --seed ${seed}`);
    process.exit(1);
  }
  if ((i + 1) % 1_000 === 0) console.log(`${i + 1} schedules, ${Math.round((performance.now() - startedAt) / (i + 1))} ms each`);
}
console.log(`${schedules} schedules from seed ${first}: ${operations} operations, ${steps} steps, ${commits} commits, ${losses} mutations lost by the front and reported; no violation`);
