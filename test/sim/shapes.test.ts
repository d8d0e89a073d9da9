import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { bundle } from './bundle.ts';
import { FAULTS } from './faults.ts';
import { placesOf } from './mutants/mutant.ts';
import { runSchedules } from './pool.ts';
import { entryOf, replayOf, SHAPES, type ShapeName } from './shapes/entry.ts';
import { huntShapes } from './shapes/hunt.ts';
import { SHAPE_MUTANTS } from './shapes/mutants.ts';

/**
 * Of each shape as many as the budget allows, but some at least on a machine that is busy. `npm run sim:shapes` runs
 * any number.
 */
const SCHEDULES_MAX = 2_000;
const SCHEDULES_MIN = 500;
const BUDGET_MS = 20_000;
const FIRST_SEED = 1;
/** Nearly all are found within some hundreds. */
const HUNT_SCHEDULES = 4_000;
const THREADS = Math.min(2, availableParallelism());

/** What the protocol can answer of a shape, and what a receipt can tell. */
const BOTH = [
  'cut: cut',
  'cut: refused',
  'commit: applied',
  'commit: fenced',
  'acknowledge: done',
  'acknowledge: refused',
  'recover: created',
  'recover: current',
  'recover: behind',
  'retry: retried',
  'receipt: stored',
  'receipt: MILLRACE_LOST',
  'receipt: MILLRACE_REJECTED',
  'redrive: redriven',
  'redrive: scheduled',
  'recover: stopped',
  'rolled back: stopped',
];
const BRANCHES: Readonly<Record<ShapeName, readonly string[]>> = {
  counters: [
    ...BOTH,
    'increment: accepted',
    'increment: full',
    'increment: unrecovered',
    'increment: unsettled',
    'fillTotals: totals',
    'fillTotals: stale',
    'fillTotals: unrecovered',
    'readDeltas: deltas',
    'readDeltas: refused',
  ],
  log: [...BOTH, 'append: accepted', 'append: full', 'append: unrecovered', 'readLog: entries', 'readLog: refused'],
  scores: [
    ...BOTH,
    'writeScores: accepted',
    'writeScores: full',
    'writeScores: unrecovered',
    'writeScores: unloaded',
    'fillScores: filled',
    'fillScores: stale',
    'fillScores: unrecovered',
    'readScores: rows',
    'readScores: unloaded',
    'readFlightScores: changes',
    'readFlightScores: refused',
    'invalidate: done',
    'redrive: superseded',
  ],
};

/**
 * Schedules that found something.
 * - 5069: a front lost a cut and nothing else, and a score that had changed nothing was reported as lost.
 * - 20522: a worker took a lease while another was quicker to recover the lane, and went on in the other's epoch beside
 *   it.
 * - 3148: a page that was read before a letter was stored came to a front that had been emptied since, and knew of no
 *   letter.
 * - 12000420: an event was told to be refused whose letter another worker had stored.
 * - 500018733: a retry that was carried out late stored a letter that had been tried, and redriven, since, and no total
 *   heard of it.
 * - 800019001: a flush that failed while the breaker's probe was under way waited until that would have been given up.
 */
const FOUND: Readonly<Partial<Record<ShapeName, readonly number[]>>> = {
  counters: [500_018_733, 800_019_001],
  log: [12_000_420],
  scores: [3_148, 5_069, 20_522],
};
/**
 * With turns. 940004636: what waited for another lane's step to end went before a batch of its lane that was about to
 * be put back.
 */
const FOUND_WITH_TURNS: Readonly<Partial<Record<ShapeName, readonly number[]>>> = { log: [940_004_636] };

test.each(SHAPES)(
  `up to ${SCHEDULES_MAX} schedules of %s with faults break no promise and drain`,
  async (shape) => {
    await using simulator = await bundle(undefined, entryOf(shape));
    const { report, finding } = await runSchedules({
      file: simulator.file,
      firstSeed: FIRST_SEED,
      schedules: SCHEDULES_MAX,
      schedulesMin: SCHEDULES_MIN,
      budgetMs: BUDGET_MS,
      threads: THREADS,
    });
    expect(finding && `${finding.message}\nreplay it with: ${replayOf(shape, finding.seed)}`).toBeUndefined();
    // The schedules do what they are there for: each fault, and each answer of the protocol.
    const never = [...Object.keys(FAULTS).map((name) => `fault: ${name}`), ...BRANCHES[shape]].filter(
      (name) => report.counts[name] === undefined,
    );
    expect(never).toEqual([]);
    for (const seed of FOUND[shape] ?? [])
      expect(
        (await runSchedules({ file: simulator.file, firstSeed: seed, schedules: 1, threads: 1 })).finding,
      ).toBeUndefined();
  },
  900_000,
);

test.each(SHAPES)(
  'nor do those of %s in which processes send at the end of a turn',
  async (shape) => {
    await using simulator = await bundle(undefined, entryOf(shape));
    const { finding } = await runSchedules({
      file: simulator.file,
      firstSeed: FIRST_SEED,
      schedules: SCHEDULES_MIN,
      threads: THREADS,
      turns: true,
    });
    expect(finding && `${finding.message}\nreplay it with: ${replayOf(shape, finding.seed, true)}`).toBeUndefined();
    for (const seed of FOUND_WITH_TURNS[shape] ?? [])
      expect(
        (await runSchedules({ file: simulator.file, firstSeed: seed, schedules: 1, threads: 1, turns: true })).finding,
      ).toBeUndefined();
  },
  900_000,
);

const met = SHAPE_MUTANTS.filter(({ foundBy }) => foundBy === undefined);

test(`each of ${met.length} planted bugs of shapes is found within ${HUNT_SCHEDULES} schedules`, async () => {
  const survivors: string[] = [];
  await huntShapes(
    met,
    { threads: THREADS, schedules: HUNT_SCHEDULES },
    ({ name }, finding) => void (finding === undefined && survivors.push(name)),
  );
  expect(survivors).toEqual([]);
}, 900_000);

test('every one of them can be planted, and has a name of its own', async () => {
  const missing: string[] = [];
  for (const { name, file, find } of SHAPE_MUTANTS)
    if (placesOf(await readFile(file, 'utf8'), find).length !== 1) missing.push(name);
  expect(missing).toEqual([]);
  expect(new Set(SHAPE_MUTANTS.map(({ name }) => name)).size).toBe(SHAPE_MUTANTS.length);
});
