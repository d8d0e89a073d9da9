/** Columns with numbers: what they hold, and how rows of them are written. */
import type { Table } from './catalogue.ts';
import type { Column } from './column.ts';
import { quote } from './identifiers.ts';

/**
 * What a numeric column keeps after the point; its modifier is (precision << 16 | scale) + 4, or -1 where neither is
 * given.
 */
export const decimalsOf = ({ modifier }: Column): number =>
  modifier < 0 ? Number.POSITIVE_INFINITY : (modifier - 4) & 0x7_ff;

export const isWhole = ({ base }: Column): boolean => base === 'int2' || base === 'int4' || base === 'int8';

/**
 * Writes a number for each key: `$1` the keys, `$2` the numbers. `after` is what becomes of a row `t` that is there.
 *
 * Such rows are updated, and only missing ones inserted: an upsert would take a value from the sequence of a serial
 * column for every row of every flush, until the sequence is used up.
 */
export function writeNumbers(table: Table, column: Column, after: (given: string) => string): string {
  const [key, number] = [quote(table.key.name), quote(column.name)];
  const type = column.base === 'numeric' ? 'numeric' : isWhole(column) ? 'int8' : 'float8';
  const touched = table.touch.map(({ name }) => `, ${quote(name)} = now()`).join('');
  const names = [key, number, ...table.touch.map(({ name }) => quote(name))].join(', ');
  const stamps = table.touch.map(() => ', now()').join('');
  return `with given as (
      select key, number from unnest($1::text::${table.keyType.sql}[], $2::text::${type}[]) g(key, number)),
    updated as (update ${table.sql} t set ${number} = ${after('given.number')}${touched}
      from given where t.${key} = given.key returning given.key)
    insert into ${table.sql} as t (${names}) select given.key, given.number${stamps} from given
    where not exists (select from updated u where u.key = given.key)
    on conflict (${key}) do update set ${number} = ${after(`excluded.${number}`)}${touched}`;
}
