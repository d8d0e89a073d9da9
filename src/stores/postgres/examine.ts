import { isMillraceError } from '../../errors.ts';
import { type Examination, type Finding, fine, warning, wrong } from '../../ports/finding.ts';
import type { Database } from './database.ts';
import { translate } from './faults.ts';
import { literal, quote, quoteTable, type TableName } from './identifiers.ts';
import { readOwnTables } from './own-tables.ts';
import examineSql from './sql/examine.sql';

const PINGS = 5;
const SLOW_MS = 20;
const SKEW_MS_MAX = 1_000;

interface Found {
  readonly version: string;
  readonly number: number;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly synchronousStandbys: string;
  readonly inRecovery: boolean;
  readonly readOnly: string;
  readonly autovacuum: string;
  readonly statementTimeout: string;
  readonly lockTimeout: string;
  readonly transactionTimeout: string;
  readonly connections: number;
  readonly reserved: number;
  readonly connected: number;
  readonly roleLimit: number;
  readonly nowMs: number;
  readonly triggers: readonly { readonly name: string; readonly timing: string; readonly row: boolean }[];
  readonly rules: number;
  readonly unlogged: boolean | null;
  readonly deferred: readonly string[];
  readonly fenceUnlogged: boolean | null;
}

/** The table that is examined, and how the store reads it. */
interface ExaminedTable {
  readonly table: TableName;
  /** Where the tables of Millrace are, if not beside the table. */
  readonly schema: string | undefined;
  open(onWarning: (message: string) => void): Promise<{ readonly schema: string; readonly sql: string }>;
}

/** Everything in the database on which a promise depends. Rejects with MILLRACE_STORE_UNAVAILABLE. */
export async function examineDatabase(
  database: Database,
  options: ExaminedTable,
  poolMax: number | undefined,
  examination: Examination,
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
    const found = JSON.parse(row?.['found'] as string) as Found;
    const skewMs = Math.round(found.nowMs - (sent + receivedMs) / 2);
    return [
      fine(
        'postgres.version',
        database.kind === 'pglite' ? `PGlite, PostgreSQL ${found.version}` : `PostgreSQL ${found.version}`,
      ),
      ...durability(database, found),
      ...writable(found),
      ...connections(database, found, poolMax, examination),
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
    throw translate(error, 'examine', { cache: examination.cache });
  }
}

function durability(
  database: Database,
  { fsync, fullPageWrites, synchronousCommit, synchronousStandbys, unlogged, fenceUnlogged }: Found,
): Finding[] {
  if (database.kind === 'pglite') {
    return [
      warning(
        'postgres.fsync',
        'PGlite never calls fsync',
        'what is stored survives the process, and not a power loss',
        'use a PostgreSQL server for data that matters',
      ),
    ];
  }
  const alter = (setting: string, value = 'on') => `ALTER SYSTEM SET ${setting} = ${value}; SELECT pg_reload_conf()`;
  const findings = [
    fsync === 'on'
      ? fine('postgres.fsync', 'on')
      : wrong(
          'postgres.fsync',
          fsync,
          'a power loss takes what is stored, or leaves a broken database',
          alter('fsync'),
        ),
    fullPageWrites === 'on'
      ? fine('postgres.full_page_writes', 'on')
      : warning(
          'postgres.full_page_writes',
          fullPageWrites,
          'a power loss can leave torn pages, unless the file system rules them out',
          alter('full_page_writes'),
        ),
  ];
  const commit =
    synchronousStandbys === '' ? synchronousCommit : `${synchronousCommit}, with standbys ${synchronousStandbys}`;
  if (synchronousCommit === 'off')
    findings.push(
      wrong(
        'postgres.synchronous_commit',
        commit,
        'what was acknowledged as stored may be gone after a crash of the server; lanes then stop',
        `${alter('synchronous_commit')}; or of the role: ALTER ROLE … SET synchronous_commit = on`,
      ),
    );
  else if (synchronousCommit === 'local' && synchronousStandbys !== '')
    findings.push(
      warning(
        'postgres.synchronous_commit',
        commit,
        'a failover to a standby can lose what was stored; lanes then stop',
        alter('synchronous_commit'),
      ),
    );
  else findings.push(fine('postgres.synchronous_commit', commit));
  if (unlogged === true || fenceUnlogged === true)
    findings.push(
      wrong(
        'postgres.unlogged',
        unlogged === true ? 'the table is unlogged' : 'millrace_fence is unlogged',
        'a crash of the server empties it',
        'ALTER TABLE … SET LOGGED',
      ),
    );
  return findings;
}

function writable({ inRecovery, readOnly, autovacuum }: Found): Finding[] {
  const findings: Finding[] = [];
  if (inRecovery)
    findings.push(
      wrong(
        'postgres.role',
        'the server is in recovery: a standby',
        'it takes no writes',
        'give the pool a host that is the primary (target_session_attrs=read-write)',
      ),
    );
  else findings.push(fine('postgres.role', 'primary'));
  if (readOnly === 'on')
    findings.push(
      wrong(
        'postgres.read-only',
        'default_transaction_read_only is on',
        'every flush is refused',
        'ALTER ROLE … SET default_transaction_read_only = off',
      ),
    );
  if (autovacuum === 'off')
    findings.push(
      warning(
        'postgres.autovacuum',
        'off',
        'each flush updates the fence, and nothing removes the old versions of its rows',
        'ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf()',
      ),
    );
  return findings;
}

function connections(
  database: Database,
  found: Found,
  poolMax: number | undefined,
  { concurrency }: Examination,
): Finding[] {
  if (database.kind === 'pglite') return [];
  const free = found.connections - found.reserved - found.connected;
  const limit =
    found.roleLimit >= 0
      ? Math.min(found.roleLimit, found.connections - found.reserved)
      : found.connections - found.reserved;
  const text = `the pool has ${poolMax ?? 'an unknown number of'}; the server ${found.connections}, ${Math.max(0, free)} free${found.roleLimit >= 0 ? `, ${found.roleLimit} for this role` : ''}`;
  if (poolMax !== undefined && poolMax > limit)
    return [
      warning(
        'postgres.connections',
        text,
        'the pool asks for more than this login gets, and what it does not get fails',
        `lower the pool's max to ${limit} at most, shared by all processes`,
      ),
    ];
  if (poolMax !== undefined && poolMax <= concurrency)
    return [
      warning(
        'postgres.connections',
        text,
        `flushes take ${concurrency} connections at a time, and loads wait for them`,
        `raise the pool's max above ${concurrency}, or lower flush.concurrency`,
      ),
    ];
  if (free < Math.max(1, concurrency))
    return [
      warning(
        'postgres.connections',
        text,
        'flushes and loads may find no connection',
        'raise max_connections, or see who holds them: SELECT usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2',
      ),
    ];
  return [fine('postgres.connections', text)];
}

/** What acts on the rows besides the statements of Millrace. */
function surroundings({ triggers, rules, deferred }: Found, table: string): Finding[] {
  const findings: Finding[] = [];
  const before = triggers.filter(({ timing, row }) => row && timing === 'before').map(({ name }) => quote(name));
  const others = triggers.filter(({ timing, row }) => !(row && timing === 'before')).map(({ name }) => quote(name));
  if (before.length > 0) {
    findings.push(
      warning(
        'postgres.triggers',
        `before each row: ${before.join(', ')}`,
        'a trigger that changes or drops a row makes the store differ from what was acknowledged and is cached',
        `see that they let rows pass as they are, or move them to AFTER: \\d ${table}`,
      ),
    );
  }
  if (others.length > 0)
    findings.push(
      fine('postgres.triggers', `${others.join(', ')}: run once for a row or statement of a flush, not for each write`),
    );
  if (rules > 0)
    findings.push(
      warning(
        'postgres.rules',
        `${rules} on the table`,
        'a rule can redirect or drop what is written',
        `DROP RULE … ON ${table}`,
      ),
    );
  if (deferred.length > 0)
    findings.push(
      fine('postgres.constraints', `deferrable: ${deferred.map(quote).join(', ')}; flushes check them at once`),
    );
  return findings;
}

/** Of the login, for loads and for write-through; flushes set their own. */
function timeouts({ statementTimeout, lockTimeout, transactionTimeout }: Found): Finding[] {
  const limit = (value: string): string => (value === '0' ? 'none' : value);
  const findings = [
    fine('postgres.statement_timeout', `${limit(statementTimeout)} for loads, lock_timeout ${limit(lockTimeout)}`),
  ];
  if (transactionTimeout !== '0')
    findings.push(
      warning(
        'postgres.transaction_timeout',
        transactionTimeout,
        'a flush of many rows that takes longer is rolled back and tried again, for ever',
        'ALTER ROLE … SET transaction_timeout = 0',
      ),
    );
  return findings;
}

async function ownTables(
  database: Database,
  schema: string,
  { fenceUnlogged }: Found,
  { cache, lanes }: Examination,
): Promise<Finding[]> {
  const own = await readOwnTables(database, schema);
  const name = `${quote(schema)}.millrace_fence`;
  if (own.refusal !== undefined)
    return [
      wrong(
        'postgres.own-tables',
        `those in ${quote(schema)} cannot be used or made`,
        'the cache refuses to start',
        own.refusal.message,
      ),
    ];
  if (own.scripts.length > 0)
    return [fine('postgres.own-tables', `they are made or upgraded in ${quote(schema)} when the cache starts`)];
  const findings = [
    fine('postgres.own-tables', `${name} and millrace_dead_letter${fenceUnlogged === true ? ', unlogged' : ''}`),
  ];
  const rows = await database.script(
    `select distinct lanes::text as lanes from ${name} where cache = ${literal(cache)}`,
  );
  const other = rows.map((row) => row['lanes']).find((pinned) => pinned !== `${lanes}`);
  if (other === undefined)
    findings.push(fine('postgres.lanes', rows.length === 0 ? 'not used yet' : `${lanes}, as configured`));
  else
    findings.push(
      wrong(
        'postgres.lanes',
        `${other} in ${name}, ${lanes} configured`,
        'the cache refuses to start',
        `set \`lanes: ${other}\`, or drain the cache and use a new name`,
      ),
    );
  return findings;
}

async function timing(database: Database, skewMs: number, { clock }: Examination): Promise<Finding[]> {
  const trips: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const sent = clock.monotonic();
    await database.script('select 1 as one');
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
