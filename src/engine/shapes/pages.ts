import type { Refused } from '../../core/lane.ts';
import type { Mutation } from '../../ports/store.ts';
import { type GenerationPage, LaneTaken, type ReadableGeneration } from '../flushing/generation-pages.ts';

/** What reading a generation has in common, whatever its shape: pages by a cursor, and what is missing at the end. */

/** A page that a cursor leads to; '' is the first, and what the last leads to. */
export interface CursorPage<T> {
  readonly rows: readonly T[];
  readonly next: string;
}

/**
 * Pages of rows of distinct keys. A page can bring a key again: by the way the front scans, or because it was frozen
 * while it was read; its value is the same. With `isAhead` the next page is on its way while one is worked on.
 */
export async function* keyedPages<T, R>(
  lane: number,
  { read, keyOf, rowOf, isAhead }: KeyedReader<T, R>,
): AsyncGenerator<readonly R[]> {
  const seen = new Set<string>();
  let next = read('');
  for (;;) {
    const page = await next;
    if (page.kind === 'refused') throw new LaneTaken(lane);
    if (isAhead && page.next !== '') next = ahead(read(page.next));
    const rows: R[] = [];
    for (const row of page.rows) {
      if (seen.has(keyOf(row))) continue;
      seen.add(keyOf(row));
      rows.push(rowOf(row));
    }
    yield rows;
    if (page.next === '') return;
    if (!isAhead) next = read(page.next);
  }
}

interface KeyedReader<T, R> {
  read(cursor: string): Promise<(CursorPage<T> & { readonly kind: 'rows' | 'deltas' | 'changes' }) | Refused>;
  keyOf(row: T): string;
  rowOf(row: T): R;
  readonly isAhead: boolean;
}

/** If nobody comes back for it, its rejection is nobody's. */
export function ahead<T>(page: Promise<T>): Promise<T> {
  page.catch(() => undefined);
  return page;
}

/** Pages of a generation whose entries are counted: what was cut and is not there any more is missing. */
export async function* counted(
  { entries }: ReadableGeneration,
  pages: AsyncIterable<readonly Mutation[]>,
  nameOf: (place: number) => string,
): AsyncGenerator<GenerationPage> {
  let found = 0;
  for await (const rows of pages) {
    found += rows.length;
    yield { rows, missing: [] };
  }
  const missing = Array.from({ length: Math.max(0, entries - found) }, (_, i) => nameOf(found + i));
  if (missing.length > 0) yield { rows: [], missing };
}
