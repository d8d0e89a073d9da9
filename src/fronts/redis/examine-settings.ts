import { type Examination, type Finding, fine, warning, wrong } from '../../ports/finding.ts';
import { versionOf } from './acks.ts';

/**
 * What a server's `INFO` and settings say of what its front promises. What has to be asked or tried is examined in
 * `examine.ts`.
 */

const MEMORY_USED_MAX = 0.8;
const LAG_S_MAX = 10;

/** `INFO` and, where it may be read, `CONFIG GET`. */
export interface FoundServer {
  info(name: string): string;
  whole(name: string): number;
  /** Undefined where the server does not tell. */
  setting(name: string): string | undefined;
  readonly text: string;
}

export function version({ text, info }: FoundServer): Finding {
  const name = info('valkey_version') === '' ? 'Redis' : 'Valkey';
  const number = info('valkey_version') || info('redis_version');
  const found = `${name} ${number}, run ${info('run_id').slice(0, 8)}, up for ${info('uptime_in_seconds')} s`;
  if (versionOf(text) >= 7) return fine('redis.version', found);
  return wrong(
    'redis.version',
    found,
    'scripts outlive a restart of the server, so a restart would not be noticed',
    'use Redis 7.0 or Valkey 7.2 at least',
  );
}

export function role({ info }: FoundServer): Finding {
  if (info('role') !== 'slave') return fine('redis.role', 'primary');
  return wrong(
    'redis.role',
    `replica, its link to the primary is ${info('master_link_status')}`,
    'it takes no writes',
    'give redisFront a client that connects to the primary',
  );
}

export function memory({ info, whole }: FoundServer, { writeBehind, ttlMs, maxBytes }: Examination): Finding[] {
  const policy = info('maxmemory_policy');
  const max = whole('maxmemory');
  const used = whole('used_memory');
  const findings = [
    writeBehind && policy.startsWith('allkeys-')
      ? wrong(
          'redis.maxmemory-policy',
          policy,
          'entries that are not stored yet may be evicted, so the cache refuses to start',
          `CONFIG SET maxmemory-policy ${policy.replace('allkeys-', 'volatile-')}, or noeviction`,
        )
      : fine('redis.maxmemory-policy', policy),
  ];
  if (max === 0) return [...findings, fine('redis.maxmemory', `no limit, ${mebibytes(used)} used`)];
  const found = `${mebibytes(max)}, ${mebibytes(used)} used`;
  if (used > max * MEMORY_USED_MAX) {
    findings.push(
      warning(
        'redis.maxmemory',
        found,
        'when it is full, writes of new keys wait or are refused until something is flushed and expires',
        'raise maxmemory, shorten `ttl`, or see what else fills the server',
      ),
    );
  } else if (writeBehind && maxBytes > max) {
    findings.push(
      warning(
        'redis.maxmemory',
        found,
        `the server is full before the buffer is: backpressure.maxBytes is ${mebibytes(maxBytes)}`,
        'lower `backpressure.maxBytes`, or raise maxmemory',
      ),
    );
  } else if (ttlMs === undefined) {
    findings.push(
      warning(
        'redis.maxmemory',
        `${found}, and the cache has no \`ttl\``,
        'clean values stay for ever and cannot be evicted, so the memory fills up',
        'set `ttl`',
      ),
    );
  } else findings.push(fine('redis.maxmemory', found));
  return findings;
}

export function persistence({ info, setting }: FoundServer, { ack }: Examination): Finding[] {
  if (info('aof_enabled') !== '1') {
    const snapshots = setting('save');
    const hasNone = snapshots === undefined || snapshots === '';
    const found = `appendonly no, ${hasNone ? 'no snapshots' : `snapshots: ${snapshots}`}`;
    const means = hasNone
      ? 'a restart of the server loses all that is not stored yet'
      : 'a restart of the server loses what is not stored yet and was written after the last snapshot';
    return [
      warning(
        'redis.appendonly',
        found,
        `${means}; it is counted and reported`,
        'CONFIG SET appendonly yes, and in the configuration file; or a lower `flush.maxDelay`',
      ),
    ];
  }
  const appendfsync = setting('appendfsync');
  const found = appendfsync === undefined ? 'yes' : `yes, appendfsync ${appendfsync}`;
  if (appendfsync === 'no')
    return [
      warning(
        'redis.appendonly',
        found,
        'a power loss takes what the system had not written, some 30 s',
        'CONFIG SET appendfsync everysec',
      ),
    ];
  if (setting('no-appendfsync-on-rewrite') === 'yes' && ack !== 'stored') {
    return [
      warning(
        'redis.appendonly',
        `${found}, no-appendfsync-on-rewrite yes`,
        'nothing is synced while the file is rewritten',
        'CONFIG SET no-appendfsync-on-rewrite no',
      ),
    ];
  }
  return [fine('redis.appendonly', found)];
}

/** Conditions under which the server refuses every write. */
export function writable({ info, whole, setting }: FoundServer): Finding[] {
  const findings: Finding[] = [];
  if (info('aof_last_write_status') === 'err')
    findings.push(
      wrong(
        'redis.aof-write',
        'the last write of the append-only file failed',
        'the server takes no writes',
        'make room on its disk; see its log',
      ),
    );
  if (info('aof_last_bgrewrite_status') === 'err')
    findings.push(
      warning(
        'redis.aof-rewrite',
        'the last rewrite of the append-only file failed',
        'the file grows without bound',
        'make room on its disk and for its fork; then BGREWRITEAOF',
      ),
    );
  if (info('rdb_last_bgsave_status') === 'err') {
    const stops = setting('stop-writes-on-bgsave-error') !== 'no' && setting('save') !== '';
    const change = 'make room on its disk and for its fork; then BGSAVE';
    findings.push(
      stops
        ? wrong('redis.snapshot', 'the last snapshot failed', 'the server takes no writes', change)
        : warning('redis.snapshot', 'the last snapshot failed', 'a restart falls back on an older one', change),
    );
  }
  const needed = Number(setting('min-replicas-to-write') ?? 0);
  if (needed > whole('min_slaves_good_slaves') && info('min_slaves_good_slaves') !== '') {
    findings.push(
      wrong(
        'redis.min-replicas-to-write',
        `${needed}, and ${whole('min_slaves_good_slaves')} replicas are good`,
        'the server takes no writes',
        'bring the replicas back, or CONFIG SET min-replicas-to-write 0',
      ),
    );
  }
  return findings.length === 0 ? [fine('redis.writes', 'disk and replicas let it take writes')] : findings;
}

export function replicas({ text }: FoundServer): Finding[] {
  return [...text.matchAll(/^slave\d+:.*?state=(\w+).*?lag=(\d+)/gm)].map(([, state, lag], at) => {
    const found = `${state}, ${lag} s behind`;
    if (state === 'online' && Number(lag) <= LAG_S_MAX) return fine(`redis.replica-${at}`, found);
    return warning(
      `redis.replica-${at}`,
      found,
      'if it is promoted now, what it has not received is lost; that is counted and reported',
      'see the log of the replica',
    );
  });
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
