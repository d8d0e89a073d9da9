/**
 * What one part of a batch would add to its lane: an entry or none, and bytes; nothing where neither is more than 0.
 */
export interface Need {
  readonly entries: 0 | 1;
  readonly bytes: number;
}

/**
 * The places of what does not fit into a room of so many entries and bytes. After the first that has to wait, whatever
 * needs room waits: nobody overtakes. What needs none always fits.
 */
export function withoutRoom(needs: readonly Need[], entries: number, bytes: number): number[] {
  const refused: number[] = [];
  let entriesLeft = entries;
  let bytesLeft = bytes;
  needs.forEach((need, i) => {
    const grown = Math.max(0, need.bytes);
    if (need.entries === 0 && grown === 0) return;
    if (refused.length > 0 || need.entries > Math.max(0, entriesLeft) || (grown > 0 && grown > bytesLeft)) {
      refused.push(i);
      return;
    }
    entriesLeft -= need.entries;
    bytesLeft -= grown;
  });
  return refused;
}

/**
 * {@link withoutRoom} for parts of which each is `fresh`, or needs nothing, and that are estimated to be of one size.
 */
export function withoutRoomOf(
  fresh: readonly boolean[],
  batch: { readonly bytes: number; readonly maxEntries: number; readonly maxBytes: number },
  entries: number,
  bytes: number,
): number[] {
  const each = batch.bytes / fresh.length;
  const needs = fresh.map((is): Need => (is ? { entries: 1, bytes: each } : { entries: 0, bytes: 0 }));
  return withoutRoom(needs, batch.maxEntries - entries, batch.maxBytes - bytes);
}
