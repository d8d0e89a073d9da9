import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { bundle } from './bundle.ts';
import { FAULTS } from './faults.ts';
import { type Finding, runSchedules } from './pool.ts';

/**
 * As many as the budget allows, but some at least on a machine that is busy. `npm run sim -- --schedules N` runs any
 * number with other seeds.
 */
const SCHEDULES_MAX = Number(process.env['MILLRACE_SCHEDULES'] ?? 20_000);
const SCHEDULES_MIN = Math.min(SCHEDULES_MAX, 1_000);
const BUDGET_MS = 200_000;
/** Fewer where processes send at the end of a turn: only the order in which they send is another. */
const TURNS_MAX = Math.ceil(SCHEDULES_MAX / 5);
const TURNS_BUDGET_MS = 40_000;
const FIRST_SEED = 1;
/** Seeds that found a defect, with the simulator as it was then; each comes with what it found. */
const REGRESSIONS = [
  16617776998, // a generation was taken to begin before the one whose acknowledgement was not answered
  6948, // with cache-aside, the front kept the old value of a write whose commit was not answered
  1550, // a flush that had lost one of its lanes ended a later flush of it
  177, // of two refused writes of a key, the first was told to be stored when it was asked for after the second
  300105485, // of two writes of a key without room, the earlier one came behind the later
  300152344, // a letter that another worker had tried to its end was counted dead a second time
  100040656, // a write that had to be repeated was put over a later one of its key whose answer was lost
  31799, // a flush found nothing to say of a lane that another process had stopped, because nothing was pending
  700348272, // the judge took the delete of another process for the one whose answer came late
  700000689, // the judge took what was forgotten before a late commit for gone after it
  5007625, // the judge knew no more of a refused value that was read just before its generation was cleaned
];

/** What the protocol can answer, and what a receipt can tell. */
const BRANCHES = [
  ...['accepted', 'full', 'unrecovered', 'stopped'].map((kind) => `write: ${kind}`),
  ...['cut', 'empty', 'refused', 'unrecovered'].map((kind) => `cut: ${kind}`),
  ...['rows', 'refused'].map((kind) => `readGeneration: ${kind}`),
  ...['more', 'done', 'refused'].map((kind) => `acknowledge: ${kind}`),
  ...['created', 'current', 'behind', 'refused', 'stopped'].map((kind) => `recover: ${kind}`),
  ...['confirmed', 'refused'].map((kind) => `confirm: ${kind}`),
  ...['claimed', 'unrecovered'].map((kind) => `claim: ${kind}`),
  ...['applied', 'superseded', 'diverged'].map((verdict) => `fenced: ${verdict}`),
  ...['retried', 'fenced'].map((kind) => `retry: ${kind}`),
  ...['true', 'false'].map((is) => `beginEpoch: ${is}`),
  ...['stored', 'MILLRACE_LOST', 'MILLRACE_REJECTED'].map((fate) => `receipt: ${fate}`),
  'rolled back: stopped',
  ...['redriven', 'scheduled', 'superseded'].map((outcome) => `redrive: ${outcome}`),
  ...['write-behind', 'write-through', 'cache-aside'].map((policy) => `policy: ${policy}`),
];

const told = ({ seed, message }: Finding): string => `${message}\nreplay it with: npm run sim -- --seed ${seed}`;

test('seeds that found a defect once find none', async () => {
  await using simulator = await bundle();
  for (const seed of REGRESSIONS) {
    const { finding } = await runSchedules({ file: simulator.file, firstSeed: seed, schedules: 1 });
    expect(finding && told(finding)).toBeUndefined();
  }
});

test(`up to ${SCHEDULES_MAX} schedules with faults break no promise and drain`, async () => {
  await using simulator = await bundle();
  const threads = Math.min(2, availableParallelism());
  const { report, finding } = await runSchedules({
    file: simulator.file,
    firstSeed: FIRST_SEED,
    schedules: SCHEDULES_MAX,
    schedulesMin: SCHEDULES_MIN,
    budgetMs: BUDGET_MS,
    threads,
  });
  expect(finding && told(finding)).toBeUndefined();
  // The schedules do what they are there for: each fault, and each answer of the protocol, again and again.
  const seldom = [...Object.keys(FAULTS).map((name) => `fault: ${name}`), ...BRANCHES].filter(
    (name) => (report.counts[name] ?? 0) < report.schedules / 500,
  );
  expect(seldom).toEqual([]);
}, 900_000);

test(`up to ${TURNS_MAX} in which processes send at the end of a turn break none either`, async () => {
  await using simulator = await bundle();
  const { finding } = await runSchedules({
    file: simulator.file,
    firstSeed: FIRST_SEED,
    schedules: TURNS_MAX,
    schedulesMin: Math.min(TURNS_MAX, 200),
    budgetMs: TURNS_BUDGET_MS,
    turns: true,
  });
  expect(finding && `${told(finding)} --turns`).toBeUndefined();
}, 900_000);
