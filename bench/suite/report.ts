import { median, type Rounds, type Sample } from './measure.ts';

/** A target of a case, and what was measured. */
export interface Verdict {
  readonly what: string;
  readonly measured: number;
  /** Shown after numbers: 'x', 'ms', '/s'. */
  readonly unit: string;
  readonly target: string;
  readonly met: boolean;
}

export interface CaseReport {
  readonly name: string;
  readonly title: string;
  readonly lines: readonly string[];
  readonly verdicts: readonly Verdict[];
  /** Everything that was measured, for bench/results. */
  readonly data: unknown;
}

export const atLeast = (what: string, measured: number, bound: number, unit = 'x'): Verdict => ({
  what,
  measured,
  unit,
  target: `at least ${bound}${unit}`,
  met: measured >= bound,
});
export const atMost = (what: string, measured: number, bound: number, unit = 'x'): Verdict => ({
  what,
  measured,
  unit,
  target: `at most ${bound}${unit}`,
  met: measured <= bound,
});

const count = (n: number): string => Math.round(n).toLocaleString('en');

/** A line per contestant: medians, and the spread of the rate over the rounds. */
export function linesOf(rounds: Rounds<Sample>): string[] {
  const width = Math.max(...[...rounds.keys()].map((name) => name.length));
  return [...rounds].map(([name, samples]) => {
    const { perSecond, clientUs, redisUs, p50Us, p99Us, p999Us } = median(samples);
    const rates = samples.map((sample) => sample.perSecond);
    const spread = `${count(Math.min(...rates))} to ${count(Math.max(...rates))}`;
    const latency = `p50 ${count(p50Us)}  p99 ${count(p99Us)}  p99.9 ${count(p999Us)} µs`;
    return [
      name.padEnd(width),
      `${count(perSecond).padStart(9)}/s`,
      `(${spread})`,
      `client ${clientUs.toFixed(2)}`,
      `Redis ${redisUs.toFixed(2)} µs each`,
      ...(p50Us > 0 ? [latency] : []),
    ].join('  ');
  });
}

export function dataOf(rounds: Rounds<Sample>): unknown {
  return Object.fromEntries([...rounds].map(([name, samples]) => [name, { median: median(samples), rounds: samples }]));
}

/** Says on a terminal what is going on, in place of what was said before. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

export function print({ title, lines, verdicts }: CaseReport): string {
  const told = verdicts.map(
    ({ what, measured, unit, target, met }) =>
      `${met ? 'met   ' : 'NOT MET'} ${what}: ${round(measured)}${unit}, target ${target}`,
  );
  return [title, ...lines.map((line) => `  ${line}`), ...told.map((line) => `  ${line}`), ''].join('\n');
}

function round(n: number): string {
  return Math.abs(n) >= 100 ? count(n) : n.toFixed(2);
}
