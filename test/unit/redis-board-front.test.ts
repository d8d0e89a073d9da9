import { expect, test } from 'vitest';
import type { LoadedScores } from '../../src/core/lane-scores.ts';
import { partsOfScores } from '../../src/fronts/redis/board-front.ts';

const rows = Array.from({ length: 1_200 }, (_, i) => [`m${i}`, i] as const);

test.each([undefined, 'next'])(
  'a page goes in parts, of which each begins where the one before it ends (next: %s)',
  (next) => {
    const parts = partsOfScores({ generation: 3, epoch: 2, shape: 'scores', page: { from: 'm', next, rows } });
    expect(
      parts.map(({ generation, epoch, page }) => [generation, epoch, page?.from, page?.next, page?.rows.length]),
    ).toEqual([
      [3, 2, 'm', 'm499', 500],
      [3, 2, 'm499', 'm999', 500],
      [3, 2, 'm999', next, 200],
    ]);
    expect(parts.flatMap(({ page }) => page?.rows ?? [])).toEqual(rows);
  },
);

test('what one script takes stays as it is', () => {
  for (const loaded of [
    { generation: 0, epoch: 1, shape: 'scores' },
    { generation: 0, epoch: 1, shape: 'scores', page: { from: '', next: undefined, rows: [] } },
    { generation: 0, epoch: 1, shape: 'scores', page: { from: '', next: 'a', rows: rows.slice(0, 500) } },
  ] satisfies LoadedScores[])
    expect(partsOfScores(loaded)).toEqual([loaded]);
});
