/** Everything in a database of PostgreSQL on which a promise depends. */
import { isMillraceError } from '../../errors.ts';
import { type Examination, type Finding, fine, warning, wrong } from '../../ports/finding.ts';
import { translate } from '../sql/faults.ts';
import type { TableName } from '../sql/names.ts';
import type { PostgresDatabase } from './database.ts';
import { postgresDialect } from './dialect.ts';
import {
  connections,
  durability,
  type Examined,
  type PostgresExamination,
  timeouts,
  writable,
} from './examine-server.ts';
import { ownTables, surroundings } from './examine-table.ts';
import { quoteTable } from './identifiers.ts';
import examineSql from './sql/examine.sql';

const PINGS = 5;
const SLOW_MS = 20;
const SKEW_MS_MAX = 1_000;

/** The table that is examined, and how the store reads it. */
interface ExaminedTable {
  readonly table: TableName;
  /** Where the tables of Millrace are, if not beside the table. */
  readonly schema: string | undefined;
  open(onWarning: (message: string) => void): Promise<{ readonly schema: string; readonly sql: string }>;
}

/** Rejects with MILLRACE_STORE_UNAVAILABLE. */
export async function examineDatabase(
  database: PostgresDatabase,
  options: ExaminedTable,
  examination: PostgresExamination,
): Promise<Finding[]> {
  try {
    const { clock } = examination;
    const warnings: string[] = [];
    const table = await options
      .open((message) => void warnings.push(message))
      .catch((error: unknown) => {
        if (isMillraceError(error)) return error;
        throw error;
      });
    const name = quoteTable(options.table);
    const schema = isMillraceError(table) ? options.schema : (options.schema ?? table.schema);
    const sent = clock.now();
    const [row] = await database.run({ text: examineSql, values: [name, schema ?? ''] });
    const receivedMs = clock.now();
    const found = JSON.parse(row?.['found'] as string) as Examined;
    const skewMs = Math.round(found.nowMs - (sent + receivedMs) / 2);
    return [
      fine(
        'postgres.version',
        database.kind === 'pglite' ? `PGlite, PostgreSQL ${found.version}` : `PostgreSQL ${found.version}`,
      ),
      ...durability(database, found),
      ...writable(found),
      ...connections(database, found, examination),
      isMillraceError(table)
        ? wrong('postgres.table', table.message, 'the cache refuses to start', 'what the message says')
        : fine('postgres.table', `${table.sql}: key, columns and permissions are as configured`),
      // The settings among them are examined above.
      ...warnings
        .filter((message) => !/fsync|synchronous_commit/.test(message))
        .map((message) =>
          warning('postgres.table', message, 'rows may be refused or not found', 'change it, or use another table'),
        ),
      ...surroundings(found, name),
      ...timeouts(found),
      ...(examination.writeBehind && schema !== undefined ? await ownTables(database, schema, found, examination) : []),
      ...(await timing(database, skewMs, examination)),
    ];
  } catch (error) {
    throw translate(postgresDialect, error, 'examine', { cache: examination.cache });
  }
}

async function timing(database: PostgresDatabase, skewMs: number, { clock }: Examination): Promise<Finding[]> {
  const trips: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const sent = clock.monotonic();
    await database.script(['select 1 as one']);
    trips.push(clock.monotonic() - sent);
  }
  const tripMs = trips.toSorted((a, b) => a - b)[PINGS >> 1] as number;
  const trip = `${tripMs.toFixed(1)} ms for a round trip`;
  return [
    tripMs <= SLOW_MS
      ? fine('postgres.latency', trip)
      : warning(
          'postgres.latency',
          trip,
          'a flush takes at least three times as long, a miss once',
          'bring process and server nearer to each other; see the load of both',
        ),
    Math.abs(skewMs) <= SKEW_MS_MAX
      ? fine('postgres.clock', `${skewMs} ms from this process`)
      : warning(
          'postgres.clock',
          `${skewMs} ms from this process`,
          '`touch` columns hold the time of the server',
          'keep the clocks of both in step (NTP)',
        ),
  ];
}
