import type { CycleReport } from './cycle.ts';
import { OFFENCES, type Offence } from './judge/index.ts';

/** Sums over the cycles of one kind. */
export interface Row extends Record<Offence, number> {
  readonly kind: string;
  readonly cycles: number;
  readonly acknowledged: number;
  readonly increments: number;
  readonly events: number;
  readonly scores: number;
  readonly reportedLosses: number;
}

export function rowOf(kind: string, reports: readonly CycleReport[]): Row {
  const sum = (of: (report: CycleReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const offences = OFFENCES.map(
    (offence) =>
      [offence, sum(({ violations }) => violations.filter((one) => one.offence === offence).length)] as const,
  );
  return {
    kind,
    cycles: reports.length,
    acknowledged: sum(({ acknowledged }) => acknowledged),
    increments: sum(({ increments }) => increments),
    events: sum(({ events }) => events),
    scores: sum(({ scores }) => scores),
    ...(Object.fromEntries(offences) as Record<Offence, number>),
    reportedLosses: sum(({ reportedLosses }) => reportedLosses),
  };
}

export function rowsOf(reports: readonly CycleReport[]): Row[] {
  const kinds = [...new Set(reports.map(({ plan }) => plan.kind.name))];
  return [
    ...kinds.map((kind) =>
      rowOf(
        kind,
        reports.filter(({ plan }) => plan.kind.name === kind),
      ),
    ),
    rowOf('all', reports),
  ];
}

const HEADINGS: Record<keyof Row, string> = {
  kind: 'kind',
  cycles: 'cycles',
  acknowledged: 'acknowledged',
  increments: 'increments',
  events: 'events',
  scores: 'scores',
  lost: 'lost',
  duplicated: 'duplicated',
  reordered: 'reordered',
  resurrected: 'resurrected',
  misread: 'misread',
  falseAlarms: 'false alarms',
  stuck: 'stuck',
  reportedLosses: 'reported losses',
};

/** The rows as lines of text, in columns. */
export function tableOf(rows: readonly Row[]): string[] {
  const columns = Object.keys(HEADINGS) as (keyof Row)[];
  const cells = [
    columns.map((column) => HEADINGS[column]),
    ...rows.map((row) => columns.map((column) => row[column].toLocaleString('en'))),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)));
  return cells.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
}

/** What went wrong in a cycle, and how to have it again. */
export function complaintOf({ plan, violations, folder }: CycleReport): string[] {
  const shown = violations.slice(0, 5).map(({ offence, what }) => `  ${offence}: ${what}`);
  const more = violations.length > shown.length ? [`  and ${violations.length - shown.length} more`] : [];
  return [
    `${plan.kind.name} (${plan.policy}), seed ${plan.seed}:`,
    ...shown,
    ...more,
    `  ledgers and audit: ${folder}`,
    `  again: ${commandOf(plan)}`,
  ];
}

export const commandOf = ({ seed, kind }: CycleReport['plan']): string =>
  `npm run torture -- --cycles 1 --seed ${seed} --only ${kind.name}`;
