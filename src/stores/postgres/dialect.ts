/** How PostgreSQL writes what the statements on Millrace's own tables need. */
import type { Dialect, SqlType } from '../sql/dialect.ts';
import { arrayText, literal, quote } from './identifiers.ts';
import { faultOf, withoutValues } from './sqlstates.ts';

const TYPES: Readonly<Record<SqlType, string>> = {
  text: 'text',
  integer: 'integer',
  bigint: 'bigint',
  double: 'double precision',
};

/** One lock for all who create or pin at the same time; 'mill' in ASCII. */
const SETUP_LOCK = 0x6d_69_6c_6c;

export const postgresDialect: Dialect = {
  quote,
  literal,
  asText: (expression) => `(${expression})::text`,
  parameter: (place, type) => (type === 'text' ? `$${place}::text` : `$${place}::text::${TYPES[type]}`),
  list: arrayText,
  listed: (place, type, alias) => `unnest($${place}::text::${TYPES[type]}[]) ${alias}(item)`,
  records(place, columns, alias) {
    const list = Object.entries(columns).map(([name, type]) => `${name} ${TYPES[type]}`);
    return `json_to_recordset($${place}::text::json) ${alias}(${list.join(', ')})`;
  },
  now: 'now()',
  after: (ms) => `now() + ${ms} * interval '1 millisecond'`,
  epochMs: (moment) => `floor(extract(epoch from ${moment}) * 1000)`,
  msUntil: (moment) => `ceil(extract(epoch from ${moment} - now()) * 1000)`,
  upsert: (key, updates) => `on conflict (${key.join(', ')}) do update set ${updates.join(', ')}`,
  returned: (alias) => `${alias}.`,
  forUpdate: (alias) => ` for update of ${alias}`,
  setupLock: [`select pg_advisory_xact_lock(${SETUP_LOCK}) is null as locked`],
  faultOf,
  withoutValues,
};
