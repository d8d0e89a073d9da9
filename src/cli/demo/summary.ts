import { type Column, formatCount, formatFactor, formatMs, formatRate, plural, tableRows } from '../format.ts';
import type { Colors } from '../terminal.ts';
import { perSecond, speedUp } from './measure.ts';
import type { PolicyResult } from './policy.ts';
import type { ExplainedFault, PolicyVerification, Verification } from './verification.ts';

const COLUMNS: readonly Column[] = [
  { title: 'policy', align: 'left' },
  ...['writes', 'average', 'p50', 'p99', 'total', 'writes/s', 'speed-up (p50)', 'all stored', 'first read'].map(
    (title): Column => ({ title, align: 'right' }),
  ),
];

/**
 * How much faster a policy acknowledges a write than write-through does. By the medians, because one pause of the
 * machine among twenty writes would turn averages upside down.
 */
export function speedUpOf(result: PolicyResult, results: readonly PolicyResult[]): number | undefined {
  const baseline = results.find(({ policy }) => policy === 'write-through');
  return speedUp(baseline?.latency?.p50, result.latency?.p50);
}

export function summaryTable(results: readonly PolicyResult[]): string[] {
  const rows = results.map((result) => [
    result.policy,
    formatCount(result.writes),
    formatMs(result.latency?.average),
    formatMs(result.latency?.p50),
    formatMs(result.latency?.p99),
    formatMs(result.totalMs),
    formatRate(perSecond(result.writes, result.totalMs)),
    formatFactor(speedUpOf(result, results)),
    formatMs(result.storedAfterMs),
    formatMs(result.firstRead?.average),
  ]);
  return tableRows(COLUMNS, rows);
}

/** `verified: 20 + 20 + 20 = 60 records in the store, 60 entries in the front, all equal`, or what is wrong. */
export function verificationLines(verification: Verification, colors: Colors): string[] {
  const { ok, policies } = verification;
  if (ok) {
    const records = sum(policies.map(({ expected }) => expected));
    const main = policies.filter(({ policy }) => policy !== 'cache-aside');
    const both = sum(main.map(({ expected }) => expected));
    return [
      `${colors.green('verified')}: ${policies.map(({ expected }) => formatCount(expected)).join(' + ')} = ` +
        `${plural(records, 'record')} in the store, ` +
        `${plural(records, 'entry', 'entries')} in the front, all equal`,
      `          ${main.map(({ policy }) => policy).join(' and ')}: ` +
        `${plural(both, 'record')}, ${plural(both, 'entry', 'entries')}`,
    ];
  }
  return [
    colors.red(colors.bold('NOT verified')),
    ...policies.map(policyLine),
    ...excessLines(verification),
    ...faultLines(verification),
  ];
}

function policyLine({ policy, expected, store, front }: PolicyVerification): string {
  const of = formatCount(expected);
  return (
    `  ${policy}: ${formatCount(store.present)} of ${of} records in the store, ${formatCount(store.equal)} equal; ` +
    `${formatCount(front.present)} of ${of} entries in the front, ${formatCount(front.equal)} equal`
  );
}

function excessLines({ policies, recordsInTable }: Verification): string[] {
  const excess = recordsInTable - sum(policies.map(({ store }) => store.present));
  return excess > 0 ? [`  ${plural(excess, 'record')} in the store that nobody wrote`] : [];
}

function faultLines({ faults, faultCount }: Verification): string[] {
  const more = faultCount - faults.length;
  return [...faults.flatMap(faultText), ...(more > 0 ? [`  and ${formatCount(more)} more`] : [])];
}

function faultText({ key, where, problem, path, inspection }: ExplainedFault): string[] {
  const at = path === undefined || path === '' ? '' : ` at ${path}`;
  const first = `  ${key}: ${problem} in the ${where}${at}`;
  return inspection === undefined ? [first] : [first, `    ${JSON.stringify(inspection)}`];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
