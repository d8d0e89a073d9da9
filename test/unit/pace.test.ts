import { describe, expect, test } from 'vitest';
import { Pace } from '../../src/core/pace.ts';

const BOUNDS = { batchSize: 500, batchSizeMax: 3_000, concurrency: 5, maxDelayMs: 1_000 };
const SLOW = 251;
const QUICK = 125;

const of = ({ batchSize, concurrency }: Pace) => [batchSize, concurrency];

/** After so many slow flushes that were full. */
function relieved(times: number, bounds = BOUNDS): Pace {
  const pace = new Pace(bounds);
  for (let i = 0; i < times; i++) pace.flushed(pace.batchSize, SLOW);
  return pace;
}

describe('the pace', () => {
  test('begins with the smallest batches and the most flushes', () => {
    expect(of(new Pace(BOUNDS))).toEqual([500, 5]);
  });

  test('doubles batches and halves flushes with each slow flush, up to the bound', () => {
    expect([1, 2, 3].map((times) => of(relieved(times)))).toEqual([
      [1_000, 3],
      [2_000, 2],
      [3_000, 1],
    ]);
  });

  test('lets batches grow by the factor by which a flush was too slow', () => {
    const pace = new Pace(BOUNDS);
    pace.flushed(500, 1_000);
    expect(of(pace)).toEqual([2_000, 3]);
  });

  test('adds flushes when batches can grow no more', () => {
    expect([4, 5, 6, 7, 8].map((times) => of(relieved(times)))).toEqual([
      [3_000, 2],
      [3_000, 3],
      [3_000, 4],
      [3_000, 5],
      [3_000, 5],
    ]);
  });

  test('goes back in steps with quick flushes, however small they are', () => {
    const pace = relieved(3);
    const steps = [];
    for (let i = 0; i < 7; i++) {
      pace.flushed(1, QUICK);
      steps.push(of(pace));
    }
    expect(steps).toEqual([
      [2_500, 2],
      [2_000, 3],
      [1_500, 4],
      [1_000, 5],
      [500, 5],
      [500, 5],
      [500, 5],
    ]);
  });

  test('stays as it is when a flush is neither slow nor quick', () => {
    const pace = relieved(1);
    pace.flushed(10_000, QUICK + 1);
    pace.flushed(10_000, SLOW - 1);
    expect(of(pace)).toEqual([1_000, 3]);
  });

  test('stays as it is when a flush is slow with less than a batch', () => {
    const pace = relieved(1);
    pace.flushed(999, 60_000);
    expect(of(pace)).toEqual([1_000, 3]);
  });

  test('halves flushes after a failure, down to one, and leaves batches alone', () => {
    const pace = new Pace(BOUNDS);
    const steps = [];
    for (let i = 0; i < 4; i++) {
      pace.failed();
      steps.push(of(pace));
    }
    expect(steps).toEqual([
      [500, 3],
      [500, 2],
      [500, 1],
      [500, 1],
    ]);
  });

  test('never calls a flush of 20 ms slow', () => {
    const pace = new Pace({ ...BOUNDS, maxDelayMs: 1 });
    pace.flushed(500, 20);
    expect(of(pace)).toEqual([500, 5]);
    pace.flushed(500, 21);
    expect(of(pace)).toEqual([1_000, 3]);
  });

  test('keeps a size that is fixed, and all flushes', () => {
    expect(of(relieved(10, { ...BOUNDS, batchSizeMax: 500 }))).toEqual([500, 5]);
  });
});
