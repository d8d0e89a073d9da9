import { medianOf, quantileOf } from '../suite/measure.ts';
import type { PairedSample } from './builds.ts';
import type { RedisCalls } from './redis-calls.ts';

/** The median ratio that a row must have. */
export const LIMIT = 0.97;
/** Fewer pairs tell whether the bench works, not which build is faster. */
export const PAIRS_FOR_A_VERDICT = 20;
/** How many parts of a call more are not more: how many writes go in one call is partly a matter of time. */
const CALLS_LIMIT = 1.03;

export interface Side {
  /** Operations a second, of each pair. */
  readonly perSecond: readonly number[];
  readonly median: number;
  /** Medians for each operation; undefined where there is no Redis. */
  readonly calls: RedisCalls | undefined;
}

/** A row that was measured. */
export interface RowReport {
  readonly row: string;
  readonly this: Side;
  readonly other: Side;
  /** Of this build to the other in the same pair. */
  readonly ratio: { readonly median: number; readonly quarter: number; readonly threeQuarters: number };
  /** What is not held; empty when all is. */
  readonly faults: readonly ('speed' | keyof RedisCalls)[];
}

/** Compares the samples of a row, pair by pair. */
export function reportOf(row: string, of: readonly PairedSample[], others: readonly PairedSample[]): RowReport {
  const ratios = of.map(({ perSecond }, i) => perSecond / (others[i] as PairedSample).perSecond);
  const ratio = {
    median: medianOf(ratios),
    quarter: quantileOf(ratios, 0.25),
    threeQuarters: quantileOf(ratios, 0.75),
  };
  const [mine, theirs] = [sideOf(of), sideOf(others)];
  const isMore = (what: keyof RedisCalls): boolean =>
    medianOf(of.flatMap(({ calls }, i) => (calls === undefined ? [] : calls[what] / (others[i]?.calls?.[what] ?? 0)))) >
    CALLS_LIMIT;
  const faults = [
    ...(ratio.median >= LIMIT ? [] : (['speed'] as const)),
    ...(['commands', 'scripts'] as const).filter(isMore),
  ];
  return { row, this: mine, other: theirs, ratio, faults };
}

function sideOf(samples: readonly PairedSample[]): Side {
  const perSecond = samples.map((sample) => sample.perSecond);
  const calls = samples.flatMap((sample) => sample.calls ?? []);
  const of = (what: keyof RedisCalls): number => medianOf(calls.map((one) => one[what]));
  return {
    perSecond,
    median: medianOf(perSecond),
    calls: calls.length === 0 ? undefined : { commands: of('commands'), scripts: of('scripts') },
  };
}

const WIDTHS = [21, 11, 11, 7, 13, 17, 17, 0] as const;

export const HEAD = line([
  'row',
  'this, /s',
  'other, /s',
  'ratio',
  'quartiles',
  'commands each',
  'scripts each',
  `held (>= ${LIMIT})`,
]);

export function print({ row, this: mine, other, ratio, faults }: RowReport): string {
  const each = (what: keyof RedisCalls): string =>
    mine.calls === undefined || other.calls === undefined
      ? '-'
      : `${mine.calls[what].toPrecision(3)} / ${other.calls[what].toPrecision(3)}`;
  return line([
    row,
    count(mine.median),
    count(other.median),
    ratio.median.toFixed(3),
    `${ratio.quarter.toFixed(2)} to ${ratio.threeQuarters.toFixed(2)}`,
    each('commands'),
    each('scripts'),
    faults.length === 0 ? 'held' : `NOT HELD: ${faults.join(', ')}`,
  ]);
}

/** The first column begins at the left, the last has no width, all others end at the right. */
function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 || i === cells.length - 1 ? cell.padEnd(WIDTHS[i] ?? 0) : cell.padStart(WIDTHS[i] ?? 0)))
    .join('  ')
    .trimEnd();
}

const count = (n: number): string => Math.round(n).toLocaleString('en');
