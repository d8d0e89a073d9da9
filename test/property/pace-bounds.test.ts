import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pace } from '../../src/core/pace.ts';

/**
 * Whatever becomes of flushes, the pace keeps its bounds; and a store that is quick again has the whole pace again
 * soon.
 */

type Flushed = { readonly part: number; readonly durationMs: number } | 'failed';

const flushed: fc.Arbitrary<Flushed> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      part: fc.double({ min: 0, max: 3, noNaN: true }),
      durationMs: fc.oneof(fc.nat(50), fc.nat(1_000), fc.nat(100_000)),
    }),
  },
  { weight: 1, arbitrary: fc.constant('failed' as const) },
);
const bounds = fc
  .record({
    batchSize: fc.integer({ min: 1, max: 10_000 }),
    more: fc.nat(10_000),
    concurrency: fc.integer({ min: 1, max: 64 }),
    maxDelayMs: fc.integer({ min: 1, max: 60_000 }),
  })
  .map(({ batchSize, more, concurrency, maxDelayMs }) => ({
    batchSize,
    batchSizeMax: Math.min(10_000, batchSize + more),
    concurrency,
    maxDelayMs,
  }));

test('a pace stays within its bounds, presses no harder after what was slow, and recovers', () => {
  let grown = 0;
  fc.assert(
    fc.property(bounds, fc.array(flushed, { maxLength: 60 }), (within, course) => {
      const pace = new Pace(within);
      for (const each of course) {
        const before = { batchSize: pace.batchSize, concurrency: pace.concurrency };
        if (each === 'failed') {
          pace.failed();
          assert.deepEqual([pace.batchSize, pace.concurrency], [before.batchSize, Math.ceil(before.concurrency / 2)]);
        } else {
          pace.flushed(Math.round(each.part * before.batchSize), each.durationMs);
          if (pace.batchSize > before.batchSize) {
            grown++;
            assert(pace.concurrency <= before.concurrency, 'pressed harder after a slow flush');
          }
        }
        assert(
          pace.batchSize >= within.batchSize && pace.batchSize <= within.batchSizeMax,
          `a batch of ${pace.batchSize}`,
        );
        assert(pace.concurrency >= 1 && pace.concurrency <= within.concurrency, `${pace.concurrency} flushes`);
      }
      const steps = Math.max(within.concurrency, Math.ceil(within.batchSizeMax / within.batchSize));
      for (let i = 0; i < steps; i++) pace.flushed(1, 0);
      assert.deepEqual([pace.batchSize, pace.concurrency], [within.batchSize, within.concurrency]);
    }),
    { numRuns: 2_000 },
  );
  expect(grown).toBeGreaterThan(0);
});
