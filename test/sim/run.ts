/**
 * Runs schedules of the simulator on all cores.
 *
 *   npm run sim -- --schedules 20000 [--seed S]    from a random seed, or from S on
 *   npm run sim -- --seed S [--lines 80]           that one; the last lines of what happened are printed with a finding
 *   npm run sim -- --mutants [--only TEXT]         looks for each planted bug, first where it was found before, and
 *                                                  records in which schedule it was found; with --missing only for
 *                                                  those without a record
 *
 * `--turns` has processes send at the end of a turn of their event loop, as they do to a front over a connection
 * (`src/engine/base/send-turns.ts`).
 * `--threads N` leaves cores to others; `--theme NAME` passes over schedules of other themes (`test/sim/theme.ts`).
 * Exits with 1 when a schedule broke a promise, and prints the command that replays it; or when a planted bug survived.
 */
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { HUNT_FIRST_SEED, HUNT_SCHEDULES, hunt, mutantsNamed } from './hunt.ts';
import { runSchedules } from './pool.ts';

const SEEDS = new URL('./mutants/seeds.json', import.meta.url);

const { values } = parseArgs({
  options: {
    schedules: { type: 'string' },
    seed: { type: 'string' },
    lines: { type: 'string', default: '80' },
    mutants: { type: 'boolean' },
    turns: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    missing: { type: 'boolean', default: false },
    theme: { type: 'string', default: '' },
    threads: { type: 'string' },
  },
});
const threads = Number(values.threads ?? availableParallelism());
if (values.mutants === true) await runMutants();
else await run();

async function run(): Promise<void> {
  const schedules = Number(values.schedules ?? (values.seed === undefined ? 1_000 : 1));
  const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 40));
  await using simulator = await bundle();
  const startedAt = performance.now();
  const rate = (done: number): string => {
    const ms = performance.now() - startedAt;
    return `${Math.round((done / ms) * 1_000)} per second, ${(ms / done).toFixed(1)} ms each`;
  };
  let told = 0;
  const { report, finding } = await runSchedules({
    file: simulator.file,
    firstSeed,
    schedules,
    threads,
    turns: values.turns,
    theme: values.theme,
    onProgress: ({ schedules: done }) => {
      if (done - told < 1_000) return;
      told = done;
      console.log(`${done} of ${schedules} schedules, ${rate(done)}`);
    },
  });
  if (finding === undefined) {
    for (const [name, count] of Object.entries(report.counts).sort(([a], [b]) => (a < b ? -1 : 1)))
      console.log(`${String(count).padStart(12)} ${name}`);
    console.log(`${schedules} schedules from seed ${firstSeed}, ${rate(schedules)}; no violation`);
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
  console.error(finding.message);
  console.error(`replay it with: npm run sim -- --seed ${finding.seed}${values.turns ? ' --turns' : ''}`);
  process.exitCode = 1;
}

async function runMutants(): Promise<void> {
  const schedules = Number(values.schedules ?? HUNT_SCHEDULES);
  const seeds = JSON.parse(await readFile(SEEDS, 'utf8').catch(() => '{}')) as Record<string, number>;
  const survivors: string[] = [];
  const wanted = mutantsNamed(values.only).filter(({ name }) => !values.missing || !(name in seeds));
  await hunt(
    wanted,
    { threads, schedules, theme: values.theme, hints: seeds },
    ({ mutant: { name, file, why }, finding }) => {
      delete seeds[name];
      if (finding === undefined) survivors.push(name);
      else seeds[name] = finding.seed;
      const found = finding === undefined ? 'SURVIVED' : `${finding.seed - HUNT_FIRST_SEED + 1}`;
      // At once, because the hunt for all takes long.
      writeFileSync(
        SEEDS,
        `${JSON.stringify(Object.fromEntries(Object.entries(seeds).sort(([a], [b]) => (a < b ? -1 : 1))), null, 2)}\n`,
      );
      console.log(
        `${name.padEnd(42)} ${found.padStart(8)}  ` +
          (finding === undefined ? `${why} (${file})` : finding.message.slice(0, 110)),
      );
    },
  );
  if (survivors.length === 0) return;
  console.error(`${survivors.length} survived ${schedules} schedules`);
  process.exitCode = 1;
}
