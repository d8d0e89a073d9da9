import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { bundle } from './bundle.ts';
import { runSchedules, type Finding } from './pool.ts';

/** `npm run sim -- --schedules N` runs any number with other seeds. */
const SCHEDULES = Number(process.env['MILLRACE_SCHEDULES'] ?? 4_000);
const FIRST_SEED = 10_000;
/** Seeds that found a defect, with the simulator as it was then; each comes with what it found. */
const REGRESSIONS = [
  6, // a refused write counted as stored when the answer to the commit was lost
  124, // a late recovery with an old fence opened a lane that had been emptied
  146, // a client that slept through two losses was told of none
  5560, // a recovery that was never confirmed told a client of a loss that was none
  6862, // a front that was reset was confirmed by a message from the run before
  263, // of two refused writes of a key, the first counted as stored
];

const told = ({ seed, message }: Finding): string => `${message}\nreplay it with: npm run sim -- --seed ${seed}`;

test('seeds that found a defect once find none', async () => {
  await using simulator = await bundle();
  for (const seed of REGRESSIONS) {
    const { finding } = await runSchedules({ file: simulator.file, firstSeed: seed, schedules: 1 });
    expect(finding && told(finding)).toBeUndefined();
  }
});

test(`${SCHEDULES} schedules with faults break no promise and drain`, async () => {
  await using simulator = await bundle();
  const { report, finding } = await runSchedules({ file: simulator.file, firstSeed: FIRST_SEED, schedules: SCHEDULES, threads: Math.min(2, availableParallelism()) });
  expect(finding && told(finding)).toBeUndefined();
  // The schedules do what they are there for.
  expect(report.counts['commits']).toBeGreaterThan(SCHEDULES);
  expect(report.counts['losses']).toBeGreaterThan(0);
}, 600_000);
