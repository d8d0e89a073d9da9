/**
 * Names of rows. A row's key is `<set><key>`: the set is a number in eight ASCII characters, so that keys of one set
 * lie together and a whole set is replaced by taking another number. In the table of what is due it is
 * `<time><set><key>`. With keys of up to 512 bytes that is far below LMDB's limit of 1978.
 */
const SET_DIGITS = 8;
const TIME_DIGITS = 9;
const ENTRY_DIGITS = 8;
const ASCII_LENGTH_MAX = 64;

export const setName = (id: number): string => id.toString(36).padStart(SET_DIGITS, '0');
export const timeName = (ms: number): string => Math.max(0, Math.ceil(ms)).toString(36).padStart(TIME_DIGITS, '0');
/** Entries of a log, in the order of their numbers. */
export const entryName = (number: number): string => number.toString(36).padStart(ENTRY_DIGITS, '0');

/** The first name after all that begin with `prefix`, which ends with an ASCII character. */
export const after = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);

export const setOf = (row: string): string => row.slice(0, SET_DIGITS);
/** The key in a row's name. */
export const keyOf = (row: string): string => row.slice(SET_DIGITS);
/** The row's name in the name of a row that is due. */
export const dueRowOf = (due: string): string => due.slice(TIME_DIGITS);
export const dueTimeOf = (due: string): number => Number.parseInt(due.slice(0, TIME_DIGITS), 36);

/** Keys as plain UTF-8, sorted by bytes. LMDB's own encoding of strings costs more and escapes some characters. */
export const utf8Keys = {
  writeKey(key: string, target: Buffer, start: number): number {
    // Short ASCII is quicker by hand than by a call into the runtime.
    if (key.length <= ASCII_LENGTH_MAX && start + key.length <= target.length) {
      let at = 0;
      for (let unit; at < key.length && (unit = key.charCodeAt(at)) < 0x80; at++) target[start + at] = unit;
      if (at === key.length) return start + at;
    }
    // A key that does not fit must throw a RangeError: the driver then takes a larger buffer.
    if (start + key.length * 3 > target.length && start + Buffer.byteLength(key) > target.length)
      throw new RangeError('the key does not fit');
    return start + target.write(key, start);
  },
  readKey: (source: Buffer, start: number, end: number): string => source.toString('utf8', start, end),
};
