/**
 * Tortures real processes on real servers and judges what is left.
 *
 *   npm run torture -- --cycles 60 [--seed S] [--only KIND,…] [--jobs N] [--minutes M] [--naive] [--json]
 *
 * Exits with 1 unless nothing was lost, duplicated, reordered, resurrected or misread. `--naive` tortures the
 * write-behind that people write by hand instead. docs/torture.md says what a cycle is and how it is judged.
 */
import { parseArgs } from 'node:util';
import { openTerminal } from '../../src/cli/terminal.ts';
import type { CycleReport } from './cycle.ts';
import { KINDS, refusal } from './faults/index.ts';
import { OFFENCES } from './judge/index.ts';
import { commandOf, complaintOf, rowOf, rowsOf, tableOf } from './report.ts';
import { torture } from './torture.ts';

/** Where nobody looks on, a line is left for so many cycles. */
const LOGGED_CYCLES = 50;

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '60' },
    seed: { type: 'string' },
    only: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    naive: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(
    'npm run torture -- [--cycles 60] [--seed S] [--only KIND,…] [--jobs N] [--minutes M] [--naive] [--json]\n\n' +
      'Kinds, taken in turn:',
  );
  for (const { name, summary } of KINDS) console.log(`  ${name.padEnd(16)}${summary}`);
  process.exit(0);
}

const whole = (name: string, text: string): number => {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} takes a whole number, not '${text}'`);
  process.exit(2);
};
const names = values.only?.split(',') ?? KINDS.filter((kind) => refusal(kind) === undefined).map(({ name }) => name);
const kinds = names.map((name) => {
  const kind = KINDS.find((one) => one.name === name);
  if (kind !== undefined && refusal(kind) === undefined) return kind;
  console.error(
    kind !== undefined
      ? `${name}: ${refusal(kind)}`
      : `there is no kind '${name}'; there are ${KINDS.map((one) => one.name).join(', ')}`,
  );
  process.exit(2);
});
const cycles = whole('cycles', values.cycles);
const jobs = Math.max(1, whole('jobs', values.jobs));
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : whole('seed', values.seed);
const endAt =
  values.minutes === undefined
    ? Number.POSITIVE_INFINITY
    : performance.now() + whole('minutes', values.minutes) * 60_000;

// The document has standard output to itself.
const terminal = openTerminal(values.json ? process.stderr : process.stdout, { color: true });
for (const kind of KINDS)
  if (values.only === undefined && refusal(kind) !== undefined)
    terminal.line(`left out: ${kind.name}, which ${refusal(kind)}`);
const startedAt = performance.now();
let acknowledged = 0;
const reports: CycleReport[] = [];
const interrupt = new AbortController();
process.once('SIGINT', () => {
  terminal.line('stopping after the cycles that are under way; interrupt again to stop at once');
  interrupt.abort();
});
const fault: unknown = await torture({
  cycles,
  seed,
  kinds,
  jobs,
  subject: values.naive ? 'naive' : 'millrace',
  enough: () => interrupt.signal.aborted || performance.now() > endAt,
  onCycle(report) {
    reports.push(report);
    const done = reports.length;
    acknowledged += report.acknowledged;
    if (report.violations.length > 0) for (const line of complaintOf(report)) terminal.line(line);
    const progress = `${done} of ${cycles} cycles, ${acknowledged.toLocaleString('en')} acknowledged writes`;
    terminal.progress(progress);
    if (!terminal.interactive && done % LOGGED_CYCLES === 0) terminal.line(progress);
  },
}).then(
  () => undefined,
  (error: unknown) => error,
);

const seconds = (performance.now() - startedAt) / 1_000;
const total = rowOf('all', reports);
const failed = reports.filter(({ violations }) => violations.length > 0);
const said = (count: number): string => count.toLocaleString('en');
const summary =
  `${total.cycles} cycles from seed ${seed} in ${Math.round(seconds)} s, ` +
  `${said(total.acknowledged)} acknowledged writes (${said(total.increments)} increments, ` +
  `${said(total.events)} events, ${said(total.scores)} scores)`;
for (const line of tableOf(rowsOf(reports))) terminal.line(line);
terminal.line(
  `${summary}: ${failed.length === 0 ? 'nothing lost that was promised' : `${failed.length} cycles failed`}`,
);
if (values.json) {
  const failures = failed.map(({ plan, violations, folder }) => ({
    kind: plan.kind.name,
    seed: plan.seed,
    again: commandOf(plan),
    folder,
    violations,
  }));
  console.log(JSON.stringify({ seed, seconds: Math.round(seconds), kinds: rowsOf(reports), failures }));
}
if (fault !== undefined)
  terminal.line(`a cycle could not be carried out, and no further one was begun: ${String(fault)}`);
process.exitCode = fault === undefined && OFFENCES.every((offence) => total[offence] === 0) ? 0 : 1;
