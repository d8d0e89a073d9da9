/** A part of a batch: rows `from` up to, not including, `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * Finds the rows that a store refuses in a range that it refused as a whole. A plan, not an actor: each range that
 * comes out is to be stored, and `next(accepted)` says whether the store took it. A refused range of one row is a bad
 * row. Ranges come in order and together cover all rows, so those that were accepted need no second statement.
 *
 * One bad row among n costs at most 2·log2(n) statements, k bad rows at most k times that.
 *
 * @param refused its first statement was refused already
 */
export function* bisect(refused: Range): Generator<Range, void, boolean> {
  // The first is the next in order. `known`: refused without a statement of its own.
  const stack: (Range & { readonly known: boolean })[] = [{ ...refused, known: true }];
  for (let range = stack.pop(); range !== undefined; range = stack.pop()) {
    const { from, to, known } = range;
    if (to - from > 1 && known) {
      const middle = (from + to) >>> 1;
      const accepted = yield { from, to: middle };
      // If the left half is fine, the bad row is on the right, and a statement to learn that would be wasted.
      stack.push({ from: middle, to, known: accepted });
      if (!accepted && middle - from > 1) stack.push({ from, to: middle, known: true });
      continue;
    }
    // A single row is always tried alone, even if it must be the one: its error is what the dead letter reports.
    const accepted = yield { from, to };
    if (!accepted && to - from > 1) stack.push({ from, to, known: true });
  }
}
