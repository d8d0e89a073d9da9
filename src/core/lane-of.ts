/**
 * The lane of a key: 32-bit FNV-1a over the UTF-16 code units, low byte first, then modulo `lanes`.
 *
 * Data in fronts and stores lies where this function put it, so it never changes.
 */
export function laneOf(key: string, lanes: number): number {
  if (lanes === 1) return 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  // FNV's low bits are weak on short keys that differ in the last character: fold the high half in.
  return ((hash ^ (hash >>> 16)) >>> 0) % lanes;
}
