/** What the doctor says of a server and a login of PostgreSQL. */
import { type Examination, type Finding, fine, warning, wrong } from '../../ports/finding.ts';
import type { PostgresDatabase } from './database.ts';

/** What `examine.sql` tells. */
export interface Examined {
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

/** An examination of what a pool leads to. */
export interface PostgresExamination extends Examination {
  /** Most connections that the pool opens; undefined where it does not say. */
  readonly poolMax: number | undefined;
}

export function durability(
  database: PostgresDatabase,
  { fsync, fullPageWrites, synchronousCommit, synchronousStandbys, unlogged, fenceUnlogged }: Examined,
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

export function writable({ inRecovery, readOnly, autovacuum }: Examined): Finding[] {
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

export function connections(
  database: PostgresDatabase,
  found: Examined,
  { concurrency, poolMax }: PostgresExamination,
): Finding[] {
  if (database.kind === 'pglite') return [];
  const free = found.connections - found.reserved - found.connected;
  const limit =
    found.roleLimit >= 0
      ? Math.min(found.roleLimit, found.connections - found.reserved)
      : found.connections - found.reserved;
  const ofRole = found.roleLimit >= 0 ? `, ${found.roleLimit} for this role` : '';
  const ofServer = `the server ${found.connections}, ${Math.max(0, free)} free${ofRole}`;
  const text = `the pool has ${poolMax ?? 'an unknown number of'}; ${ofServer}`;
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
        'raise max_connections, or see who holds them: ' +
          'SELECT usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2',
      ),
    ];
  return [fine('postgres.connections', text)];
}

/** Of the login, for loads and for write-through; flushes set their own. */
export function timeouts({ statementTimeout, lockTimeout, transactionTimeout }: Examined): Finding[] {
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
