import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bisect } from '../../src/core/bisect.ts';

/** A store that refuses every range with a bad row in it. */
function isolate(rows: number, bad: ReadonlySet<number>): { found: number[]; accepted: number[]; statements: number } {
  const found: number[] = [];
  const accepted: number[] = [];
  let statements = 0;
  const plan = bisect({ from: 0, to: rows });
  for (let step = plan.next(true); !step.done; ) {
    const { from, to } = step.value;
    expect(to).toBeGreaterThan(from);
    const range = Array.from({ length: to - from }, (_, at) => from + at);
    const takes = !range.some((row) => bad.has(row));
    statements += 1;
    if (takes) accepted.push(...range);
    else if (range.length === 1) found.push(from);
    step = plan.next(takes);
  }
  return { found, accepted, statements };
}

test('finds exactly the bad rows, stores each other row once, and in order', () => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 300 })
        .chain((rows) =>
          fc.tuple(fc.constant(rows), fc.uniqueArray(fc.nat({ max: rows - 1 }), { minLength: 1, maxLength: rows })),
        ),
      ([rows, list]) => {
        const bad = new Set(list);
        const { found, accepted, statements } = isolate(rows, bad);
        expect(found).toEqual([...bad].toSorted((a, b) => a - b));
        expect(accepted).toEqual(Array.from({ length: rows }, (_, row) => row).filter((row) => !bad.has(row)));
        expect(statements).toBeLessThanOrEqual(Math.max(1, bad.size * 2 * Math.ceil(Math.log2(rows))));
      },
    ),
  );
});

test('one bad row among 10,000 costs at most 28 statements, wherever it is', () => {
  const costs = [0, 1, 4_999, 5_000, 9_998, 9_999, 1_234, 7_777].map(
    (row) => isolate(10_000, new Set([row])).statements,
  );
  expect(Math.max(...costs)).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(10_000)));
});

test('copes with a range that is refused for no row’s fault', () => {
  // Two rows that collide with each other only: apart they are fine.
  const plan = bisect({ from: 0, to: 2 });
  expect(plan.next(true).value).toEqual({ from: 0, to: 1 });
  expect(plan.next(true).value).toEqual({ from: 1, to: 2 });
  expect(plan.next(true).done).toBe(true);
});
