import { describe, expect, test } from 'vitest';
import { percentile, perSecond, Samples, speedUp } from '../../src/cli/demo/measure.ts';
import type { PolicyResult } from '../../src/cli/demo/policy.ts';
import { summaryTable } from '../../src/cli/demo/summary.ts';
import { runTimed } from '../../src/cli/demo/timed.ts';

function samplesOf(...values: number[]): Samples {
  const samples = new Samples(values.length);
  for (const ms of values) samples.add(ms);
  return samples;
}

describe('statistics', () => {
  test('are exact for every sample, in whatever order they came', () => {
    const shuffled = Array.from({ length: 1_000 }, (_, at) => ((at * 617) % 1_000) + 1);
    expect(samplesOf(...shuffled).statistics()).toEqual({
      count: 1_000,
      average: 500.5,
      min: 1,
      p50: 500,
      p99: 990,
      max: 1_000,
    });
  });

  test('of one sample are that sample', () => {
    expect(samplesOf(0.25).statistics()).toEqual({
      count: 1,
      average: 0.25,
      min: 0.25,
      p50: 0.25,
      p99: 0.25,
      max: 0.25,
    });
  });

  test('of nothing are undefined, not NaN', () => {
    expect(new Samples(10).statistics()).toBeUndefined();
  });

  test('sort numbers as numbers, and see outliers in p99 only when there are enough of them', () => {
    expect(samplesOf(9, 10, 100, 1).statistics()).toMatchObject({ p50: 9, max: 100 });
    const twenty = [...Array.from({ length: 19 }, () => 1), 50];
    expect(samplesOf(...twenty).statistics()).toMatchObject({ p50: 1, p99: 50, average: 3.45 });
  });

  test('take the nearest rank, which is always a sample', () => {
    expect([0, 25, 26, 50, 75, 76, 100].map((percent) => percentile([1, 2, 3, 4], percent))).toEqual([
      1, 1, 2, 2, 3, 4, 4,
    ]);
  });
});

describe('the speed-up', () => {
  test.each([
    [1_000, 4, 250],
    [0.3, 0.6, 0.5],
    [50, 0.0004, 125_000],
  ])('of %d ms against %d ms is %d', (baseline, ms, factor) => {
    expect(speedUp(baseline, ms)).toBeCloseTo(factor, 6);
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.MIN_VALUE, undefined])(
    'is never Infinity or NaN when a clock that is too coarse saw %s ms',
    (ms) => {
      for (const factor of [speedUp(12, ms), speedUp(ms, 12), speedUp(ms, ms), perSecond(20, ms as number)]) {
        expect(factor === undefined || Number.isFinite(factor)).toBe(true);
      }
    },
  );

  test('never prints Infinity or NaN: the table of a run in which no time passed', () => {
    const table = summaryTable([noTime('write-through'), noTime('write-behind')]).join('\n');
    expect(table).toContain('–');
    expect(table).not.toMatch(/Infinity|NaN|∞|undefined/);
  });

  test('is that of the medians, so that one pause of the machine does not turn it upside down', () => {
    const through = timed('write-through', { average: 4, p50: 4 });
    const behind = timed('write-behind', { average: 6, p50: 0.5 });
    expect(summaryTable([through, behind]).join('\n')).toMatch(/ 1\.00x [^]* 8\.00x /);
  });
});

describe('timed steps', () => {
  const unending = new AbortController().signal;

  test('are timed in fractions of a millisecond', async () => {
    const { statistics, totalMs } = await runTimed({
      count: 200,
      inFlight: 1,
      signal: unending,
      step: async () => undefined,
    });
    expect(statistics?.count).toBe(200);
    expect(statistics?.p50).toBeLessThan(1);
    expect(statistics?.average).toBeGreaterThan(0);
    expect(totalMs).toBeGreaterThan(0);
  });

  test('are as many at a time as they may be, and no more', async () => {
    let now = 0;
    let most = 0;
    const step = async () => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
    };
    await runTimed({ count: 50, inFlight: 8, signal: unending, step });
    expect(most).toBe(8);
  });

  test('stop at an interrupt with no step half done', async () => {
    const interrupt = new AbortController();
    const done: number[] = [];
    const step = async (index: number) => {
      if (index === 5) interrupt.abort();
      await new Promise((resolve) => setImmediate(resolve));
    };
    const { count } = await runTimed({
      count: 100,
      inFlight: 3,
      signal: interrupt.signal,
      step,
      onDone: (index) => done.push(index),
    });
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(count).toBeLessThan(10);
  });

  test('reject with the first fault, after the others under way have ended', async () => {
    let ended = 0;
    const step = async (index: number) => {
      await new Promise((resolve) => setImmediate(resolve));
      ended += 1;
      if (index === 2) throw new Error('refused');
    };
    await expect(runTimed({ count: 100, inFlight: 4, signal: unending, step })).rejects.toThrow('refused');
    expect(ended).toBeLessThan(20);
    const then = ended;
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(then);
  });
});

function noTime(policy: PolicyResult['policy']): PolicyResult {
  return timed(policy, { average: 0, p50: 0 });
}

function timed(policy: PolicyResult['policy'], latency: { average: number; p50: number }): PolicyResult {
  return {
    policy,
    writes: 20,
    latency: { count: 20, min: 0, p99: 0, max: 0, ...latency },
    totalMs: 0,
    storedAtOnce: 0,
    storedAfterMs: 0,
    flushes: { count: 0, rows: 0, statements: 0, dead: 0, durationMs: 0 },
    firstRead: undefined,
  };
}
