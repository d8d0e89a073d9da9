/**
 * Runs schedules of counters, logs and leaderboards on all cores. A seed means something else for each shape.
 *
 *   npm run sim:shapes -- --schedules 20000 [--seed S] [--shape counters|log|scores]
 *                                                      as many of each, or all of one
 *   npm run sim:shapes -- --shape counters --seed S [--lines 80]
 *                                                      that one; the last lines of what happened come with a finding
 *   npm run sim:shapes -- --mutants [--only TEXT]      looks for each planted bug
 *
 * `--turns` has processes send at the end of a turn of their event loop, as they do to a front over a connection.
 * `--threads N` leaves cores to others. Exits with 1 when a schedule broke a promise, and prints the command that
 * replays it; or when a planted bug survived.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { bundle } from '../bundle.ts';
import { runSchedules } from '../pool.ts';
import { entryOf, replayOf, SHAPES, type ShapeName } from './entry.ts';
import { huntShapes } from './hunt.ts';
import { SHAPE_MUTANTS } from './mutants.ts';

const { values } = parseArgs({
  options: {
    schedules: { type: 'string' },
    seed: { type: 'string' },
    shape: { type: 'string' },
    lines: { type: 'string', default: '80' },
    threads: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    turns: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
const threads = Number(values.threads ?? availableParallelism());
const shapes = SHAPES.filter((shape) => values.shape === undefined || values.shape === shape);
if (shapes.length === 0) throw new Error(`there is no shape '${values.shape}'; there are ${SHAPES.join(' and ')}`);
const schedules = Math.ceil(
  Number(values.schedules ?? (values.seed === undefined ? 1_000 : shapes.length)) / shapes.length,
);
const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 40));

if (values.mutants) await runMutants();
else for (const shape of shapes) await run(shape);

async function run(shape: ShapeName): Promise<void> {
  await using simulator = await bundle(undefined, entryOf(shape));
  const startedAt = performance.now();
  const { report, finding } = await runSchedules({
    file: simulator.file,
    firstSeed,
    schedules,
    threads,
    turns: values.turns,
  });
  if (finding === undefined) {
    for (const [name, count] of Object.entries(report.counts).sort(([a], [b]) => (a < b ? -1 : 1)))
      console.log(`${String(count).padStart(12)} ${name}`);
    const eachMs = ((performance.now() - startedAt) / schedules).toFixed(1);
    console.log(`${shape}: ${schedules} schedules from seed ${firstSeed}, ${eachMs} ms each; no violation`);
    return;
  }
  // Once more, with an eye on what happened.
  const replay = await runSchedules({
    file: simulator.file,
    firstSeed: finding.seed,
    schedules: 1,
    turns: values.turns,
    linesMax: Number(values.lines),
  });
  for (const line of replay.finding?.lines ?? []) console.error(line);
  console.error(`${shape}: ${finding.message}`);
  console.error(`replay it with: ${replayOf(shape, finding.seed, values.turns)}`);
  process.exitCode = 1;
}

async function runMutants(): Promise<void> {
  const mutants = SHAPE_MUTANTS.filter(({ name, foundBy }) => foundBy === undefined && name.includes(values.only));
  await huntShapes(
    mutants,
    { threads, schedules: Number(values.schedules ?? 20_000) },
    ({ name, shape, why, file }, finding) => {
      const found =
        finding === undefined
          ? `SURVIVED  ${why} (${file})`
          : `${String(finding.seed).padStart(6)}  ${finding.message.slice(0, 110)}`;
      console.log(`${name.padEnd(44)} ${shape.padEnd(9)} ${found}`);
      if (finding === undefined) process.exitCode = 1;
    },
  );
}
