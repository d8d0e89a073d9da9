/** Types of key columns, and which texts each of them takes. */
import type { Column } from './column.ts';
import { unstorableText } from './json-text.ts';

/** How keys, which are texts, are held by the type of their column. */
export interface KeyType {
  /** What parameters are cast to; without a length, since a cast to one would cut the key short. */
  readonly sql: string;
  /** Why this text is not the one way to write a key; two ways to write it would be two keys of one row. */
  check(key: string): string | undefined;
}

const INTEGERS: Readonly<Record<string, bigint>> = { int2: 2n ** 15n, int4: 2n ** 31n, int8: 2n ** 63n };
const INTEGER = /^(?:0|-?[1-9]\d{0,19})$/;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export const KEY_TYPES = 'text, varchar, char, smallint, integer, bigint or uuid';

/** Undefined for a type whose values have no text that is surely the only one. */
export function keyTypeOf({ base, modifier, type }: Column): KeyType | undefined {
  const limit = INTEGERS[base];
  if (limit !== undefined) {
    return {
      sql: base,
      check: (key) =>
        isInteger(key, limit) ? undefined : `the key column is ${type}, and takes integers as JavaScript prints them`,
    };
  }
  switch (base) {
    case 'uuid':
      return {
        sql: base,
        check: (key) =>
          UUID.test(key) ? undefined : 'the key column is uuid, and takes lower-case UUIDs with hyphens',
      };
    case 'text':
      return { sql: 'text', check: unstorableText };
    case 'varchar':
      return { sql: 'text', check: (key) => unstorableText(key) ?? tooLong(key, modifier) };
    case 'bpchar':
      return {
        sql: 'bpchar',
        check: (key) =>
          unstorableText(key) ??
          tooLong(key, modifier) ??
          (key.endsWith(' ') ? 'a char column drops blanks at the end' : undefined),
      };
    default:
      return undefined;
  }
}

function isInteger(key: string, limit: bigint): boolean {
  if (!INTEGER.test(key)) return false;
  const value = BigInt(key);
  return value >= -limit && value < limit;
}

/** `modifier` is the length plus four, or -1 where there is none. PostgreSQL counts code points. */
export function tooLong(text: string, modifier: number): string | undefined {
  const limit = modifier - 4;
  if (modifier < 0 || text.length <= limit || [...text].length <= limit) return undefined;
  return `it is longer than the ${limit} characters that its column takes`;
}
