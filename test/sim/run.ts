/**
 * Runs schedules of the simulator on all cores.
 *
 *   npm run sim -- --schedules 20000 [--seed S]    from a random seed, or from S on
 *   npm run sim -- --seed S [--lines 80]           that one; the last lines of what happened are printed with a finding
 *
 * Exits with 1 when a schedule broke a promise, and prints the command that replays it.
 */
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { runSchedules } from './pool.ts';

const { values } = parseArgs({ options: { schedules: { type: 'string' }, seed: { type: 'string' }, lines: { type: 'string', default: '80' } } });
const schedules = Number(values.schedules ?? (values.seed === undefined ? 1_000 : 1));
const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 40));

await using simulator = await bundle();
const startedAt = performance.now();
let told = 0;
const { report, finding } = await runSchedules({
  file: simulator.file,
  firstSeed,
  schedules,
  onProgress: ({ schedules: done }) => {
    if (done - told < 1_000) return;
    told = done;
    console.log(`${done} of ${schedules} schedules, ${rate(done)}`);
  },
});

if (finding === undefined) {
  console.log(`${schedules} schedules from seed ${firstSeed}, ${rate(schedules)}; no violation`);
  for (const [name, count] of Object.entries(report.counts).sort(([a], [b]) => (a < b ? -1 : 1))) console.log(`${String(count).padStart(12)} ${name}`);
} else {
  // Once more, with an eye on what happened.
  const replay = await runSchedules({ file: simulator.file, firstSeed: finding.seed, schedules: 1, linesMax: Number(values.lines) });
  for (const line of replay.finding?.lines ?? []) console.error(line);
  console.error(finding.message);
  console.error(`replay it with: npm run sim -- --seed ${finding.seed}`);
  process.exitCode = 1;
}

function rate(done: number): string {
  const ms = performance.now() - startedAt;
  return `${Math.round((done / ms) * 1_000)} per second, ${(ms / done).toFixed(1)} ms each`;
}
