/** What a set of durations comes to; all in milliseconds. */
export interface Statistics {
  readonly count: number;
  readonly average: number;
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Every duration that was measured, so that percentiles are exact: 8 bytes each. */
export class Samples {
  readonly #ms: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#ms = new Float64Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    this.#ms[this.#count++] = ms;
  }

  /** Undefined without a sample: there is no average of nothing. */
  statistics(): Statistics | undefined {
    if (this.#count === 0) return undefined;
    const sorted = this.#ms.slice(0, this.#count).sort();
    return {
      count: sorted.length,
      average: sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length,
      min: percentile(sorted, 0),
      p50: percentile(sorted, 50),
      p99: percentile(sorted, 99),
      max: percentile(sorted, 100),
    };
  }
}

/** The nearest rank: the smallest sample that at least `percent` of all samples do not exceed. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** How many times faster `ms` is than `baselineMs`; undefined where the clock saw no time pass in one of them. */
export function speedUp(baselineMs: number | undefined, ms: number | undefined): number | undefined {
  return quotient(baselineMs, ms);
}

/** Undefined where the clock saw no time pass. */
export function perSecond(count: number, ms: number): number | undefined {
  return quotient(count * 1_000, ms);
}

function quotient(dividend: number | undefined, divisor: number | undefined): number | undefined {
  if (dividend === undefined || divisor === undefined || !(dividend > 0) || !(divisor > 0)) return undefined;
  const result = dividend / divisor;
  return Number.isFinite(result) ? result : undefined;
}
