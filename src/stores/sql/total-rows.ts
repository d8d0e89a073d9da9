/** What the rows of totals say, whatever the database. */
import type { StoredTotals } from '../../ports/totals-store.ts';
import type { Row } from './database.ts';

/** Rows with `key` and `value`, with `lane` and `value` of the lanes' fences, in one snapshot. */
export function totalsIn(rows: readonly Row[]): StoredTotals {
  const totals = new Map<string, string>();
  const generations = new Map<number, number>();
  for (const { lane, key, value } of rows) {
    if (lane === null || lane === undefined) totals.set(key as string, value as string);
    else generations.set(Number(lane), Number(value));
  }
  return { totals, generations };
}
