/** Which values the columns of a table take, as far as can be told without the server. */
import type { ValueCheck } from '../sql/table.ts';
import type { Column } from './column.ts';
import { quote } from './identifiers.ts';
import { unstorable } from './json-text.ts';
import { tooLong } from './keys.ts';

/** For values that are one document. It is not parsed: this runs before every acknowledgement. */
export const checkDocument: ValueCheck = unstorable;

/** For values that are objects with a property per column. */
export function columnsCheck(columns: readonly Column[]): ValueCheck {
  const known = new Set(columns.map(({ name }) => name));
  return (json) => {
    const broken = unstorable(json);
    if (broken !== undefined) return broken;
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return 'the columns of the table take an object';
    const unknown = Object.keys(value).filter((name) => !known.has(name));
    if (unknown.length > 0)
      return `it has properties that are not mapped to a column: ${unknown.map(quote).join(', ')}`;
    for (const column of columns) {
      const property = Object.hasOwn(value, column.name) ? (value as Record<string, unknown>)[column.name] : null;
      const refusal = refuse(property, column);
      if (refusal !== undefined) return `${quote(column.name)}: ${refusal}`;
    }
    return undefined;
  };
}

const INTEGER_LIMITS: Readonly<Record<string, bigint>> = { int2: 2n ** 15n, int4: 2n ** 31n, int8: 2n ** 63n };
const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
const NUMERIC = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i;
const NOT_A_NUMBER = /^\s*(?:nan|[+-]?inf(?:inity)?)\s*$/i;

/** Only what is sure: the server has the last word, and what it refuses becomes a dead letter. */
function refuse(value: unknown, column: Column): string | undefined {
  if (value === null)
    return column.notNull ? 'the column takes no null, and the property is null or missing' : undefined;
  const { base, type } = column;
  const limit = INTEGER_LIMITS[base];
  if (limit !== undefined)
    return isInteger(value, limit) ? undefined : `the column is ${type} and takes integers in its range`;
  switch (base) {
    case 'text':
    case 'varchar':
    case 'bpchar':
      if (typeof value !== 'string') return `the column is ${type} and takes strings`;
      return tooLong(base === 'text' ? value : value.trimEnd(), base === 'text' ? -1 : column.modifier);
    case 'bool':
      return typeof value === 'boolean' ? undefined : 'the column is boolean';
    case 'numeric':
    case 'float4':
    case 'float8':
      if (typeof value === 'number') return undefined;
      return typeof value === 'string' && (NUMERIC.test(value) || NOT_A_NUMBER.test(value))
        ? undefined
        : `the column is ${type} and takes numbers`;
    case 'uuid':
      return typeof value === 'string' && UUID.test(value) ? undefined : 'the column is uuid';
    case 'json':
    case 'jsonb':
      return undefined;
    default:
      if (column.category === 'A') return Array.isArray(value) ? undefined : `the column is ${type} and takes arrays`;
      if (column.category === 'D')
        return typeof value === 'string' ? undefined : `the column is ${type} and takes strings`;
      return undefined;
  }
}

function isInteger(value: unknown, limit: bigint): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && BigInt(value) >= -limit && BigInt(value) < limit;
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) return false;
  return BigInt(value) >= -limit && BigInt(value) < limit;
}
