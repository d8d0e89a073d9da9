import { expect, test } from 'vitest';
import { simulate } from './world.ts';

/**
 * The first schedules once more, in the test's own process: there `npm run coverage` sees which branches of the engine
 * they reach. Those that they reach seldom have a test of their own in test/unit/engine-*.test.ts, so that no change of
 * a schedule loses one.
 */
const SCHEDULES = 300;

test(`${SCHEDULES} schedules break no promise in this process either`, async () => {
  let commits = 0;
  for (let seed = 1; seed <= SCHEDULES; seed++) commits += (await simulate(seed)).counts['commits'] ?? 0;
  expect(commits).toBeGreaterThan(SCHEDULES);
}, 600_000);
