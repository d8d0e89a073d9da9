import { describe, expect, test } from 'vitest';
import type { PairedSample } from '../../bench/paired/builds.ts';
import { print, reportOf } from '../../bench/paired/report.ts';
import { medianOf, quantileOf } from '../../bench/suite/measure.ts';

const at = (...rates: number[]): PairedSample[] => rates.map((perSecond) => ({ perSecond, calls: undefined }));
const calling = (commands: number, scripts: number): PairedSample[] => [
  { perSecond: 100, calls: { commands, scripts } },
  { perSecond: 100, calls: { commands, scripts } },
];

describe('quantiles', () => {
  test('are those of the sorted list', () => {
    expect(quantileOf([40, 10, 30, 20, 50], 0.25)).toBe(20);
  });

  test('are between two values where they fall between', () => {
    expect(medianOf([1, 2, 3, 4])).toBe(2.5);
    expect(quantileOf([0, 10], 0.25)).toBe(2.5);
  });

  test('of nothing are not a number', () => {
    expect(medianOf([])).toBeNaN();
  });
});

describe('a row', () => {
  test('has the median of the ratios within pairs, not the ratio of medians', () => {
    const { ratio, this: mine, other } = reportOf('a', at(50, 110, 220), at(100, 100, 200));
    expect(ratio.median).toBeCloseTo(1.1);
    expect([mine.median, other.median]).toEqual([110, 100]);
  });

  test('has the quartiles of the ratios', () => {
    const { ratio } = reportOf('a', at(1, 2, 3, 4, 5), at(1, 1, 1, 1, 1));
    expect([ratio.quarter, ratio.median, ratio.threeQuarters]).toEqual([2, 3, 4]);
  });

  test('is held at the limit', () => {
    expect(reportOf('a', at(97), at(100)).faults).toEqual([]);
  });

  test('is not held below it', () => {
    const report = reportOf('a', at(96.9), at(100));
    expect(report.faults).toEqual(['speed']);
    expect(print(report)).toMatch(/0\.969 .* NOT HELD: speed$/);
  });

  test('is not held where it takes more commands or scripts', () => {
    expect(reportOf('a', calling(8, 1), calling(7, 1)).faults).toEqual(['commands']);
    expect(reportOf('a', calling(7, 2), calling(7, 1)).faults).toEqual(['scripts']);
  });

  test('may take fewer', () => {
    expect(reportOf('a', calling(6, 0.5), calling(7, 1)).faults).toEqual([]);
  });

  test('without scripts has none to compare', () => {
    expect(reportOf('a', calling(1, 0), calling(1, 0)).faults).toEqual([]);
  });
});
