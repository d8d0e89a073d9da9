import { isSyncLevel } from '../../core/acks.ts';
import { MillraceError } from '../../errors.ts';
import { type Examination, type Finding, fine, warning, wrong } from '../../ports/finding.ts';
import { type Acks, settingsOf, versionOf } from './acks.ts';
import { replyCode } from './faults.ts';
import type { RedisServer } from './server.ts';

/** Round trips of which the middle one counts. */
const TRIPS = 5;
const SLOW_MS = 5;
const SKEW_MS_MAX = 1_000;
const MEMORY_USED_MAX = 0.8;
const LAG_S_MAX = 10;

/** `INFO` and, where it may be read, `CONFIG GET`. */
interface Server {
  info(name: string): string;
  whole(name: string): number;
  /** Undefined where the server does not tell. */
  setting(name: string): string | undefined;
  readonly text: string;
}

const SETTINGS = [
  'appendfsync',
  'no-appendfsync-on-rewrite',
  'min-replicas-to-write',
  'stop-writes-on-bgsave-error',
  'save',
];

/** Everything on one server on which a promise depends. `name` tells servers of a cluster apart. */
export async function examineServer(
  server: RedisServer,
  acks: Acks,
  markKey: string,
  examination: Examination,
): Promise<Finding[]> {
  const { found, refused } = await read(server);
  return [
    ...refused,
    version(found),
    role(found),
    ...memory(found, examination),
    ...(examination.writeBehind ? persistence(found, examination) : []),
    ...writable(found),
    ...replicas(found),
    ...(await level(server, acks, examination)),
    ...(await cluster(server, found)),
    await permissions(server, markKey),
    ...(await timing(server, examination)),
  ];
}

async function read(server: RedisServer): Promise<{ found: Server; refused: Finding[] }> {
  const text = String(await server.send(['INFO']));
  const info = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1] ?? '';
  let settings: ReadonlyMap<string, string> = new Map();
  const refused: Finding[] = [];
  try {
    settings = settingsOf(await server.send(['CONFIG', 'GET', ...SETTINGS]));
  } catch (error) {
    if (replyCode(error) === undefined) throw error;
    refused.push(
      warning(
        'redis.config',
        'the server does not let CONFIG GET be read',
        `${SETTINGS.join(', ')} are not examined`,
        'allow CONFIG GET, or look at them where the server is managed',
      ),
    );
  }
  return {
    found: { text, info, whole: (name) => Number(info(name) || 0), setting: (name) => settings.get(name) },
    refused,
  };
}

function version({ text, info }: Server): Finding {
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

function role({ info }: Server): Finding {
  if (info('role') !== 'slave') return fine('redis.role', 'primary');
  return wrong(
    'redis.role',
    `replica, its link to the primary is ${info('master_link_status')}`,
    'it takes no writes',
    'give redisFront a client that connects to the primary',
  );
}

function memory({ info, whole }: Server, { writeBehind, ttlMs, maxBytes }: Examination): Finding[] {
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

function persistence({ info, setting }: Server, { ack }: Examination): Finding[] {
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
function writable({ info, whole, setting }: Server): Finding[] {
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

function replicas({ text }: Server): Finding[] {
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

async function level(server: RedisServer, acks: Acks, { ack, writeBehind }: Examination): Promise<Finding[]> {
  if (!writeBehind) return [];
  if (!isSyncLevel(ack)) return [fine('redis.level', `'${ack}' can be given`)];
  const why = await acks.refusal(server, ack);
  if (why === undefined) return [fine('redis.level', `'${ack}' can be given`)];
  return [
    wrong(
      'redis.level',
      `'${ack}' cannot be given: ${why}`,
      'the cache refuses to start',
      'change that, or the option `ack`',
    ),
  ];
}

async function cluster(server: RedisServer, { info }: Server): Promise<Finding[]> {
  if (info('cluster_enabled') !== '1') return [];
  const state = /^cluster_state:(\w+)/m.exec(String(await server.send(['CLUSTER', 'INFO']).catch(() => '')))?.[1];
  if (state === 'ok') return [fine('redis.cluster', 'state ok')];
  return [
    wrong(
      'redis.cluster',
      `state ${state ?? 'unknown'}`,
      'lanes whose slots nobody serves take no writes',
      'redis-cli --cluster check; redis-cli --cluster fix',
    ),
  ];
}

/** A script that writes a key of the cache's own, and reads it back: what every step needs. */
async function permissions(server: RedisServer, markKey: string): Promise<Finding> {
  try {
    await server.prepare();
    await server.call('mark', [markKey]);
    await server.send(['GET', markKey]);
    await server.call('header', [markKey.replace(/sync$/, 'header')]);
    return fine('redis.permissions', 'its scripts may be loaded and run');
  } catch (error) {
    const code = error instanceof MillraceError ? error.code : replyCode(error);
    if (code === undefined) throw error;
    if (code === 'MOVED' || code === 'ASK')
      return fine('redis.permissions', 'its scripts may be loaded; the lane is on another server');
    const change =
      code === 'NOPERM'
        ? 'allow the user the commands that SECURITY.md lists, on keys that begin with the prefix in braces'
        : 'see what the server says to the command';
    return wrong('redis.permissions', `a script was refused (${code})`, 'nothing can be written', change);
  }
}

async function timing(server: RedisServer, { clock, writeBehind }: Examination): Promise<Finding[]> {
  const trips: number[] = [];
  for (let i = 0; i < TRIPS; i++) {
    const sent = clock.monotonic();
    // Not PING, which a server that takes no writes refuses too.
    await server.send(['TIME']);
    trips.push(clock.monotonic() - sent);
  }
  const tripMs = trips.toSorted((a, b) => a - b)[TRIPS >> 1] as number;
  const trip = `${tripMs.toFixed(1)} ms for a round trip`;
  const findings = [
    tripMs <= SLOW_MS
      ? fine('redis.latency', trip)
      : warning(
          'redis.latency',
          trip,
          'every write and every hit takes at least as long',
          'bring process and server nearer to each other; see SLOWLOG GET and the load of both',
        ),
  ];
  const sent = clock.now();
  const [seconds, micros] = (await server.send(['TIME'])) as readonly [string, string];
  const skewMs = Math.round(Number(seconds) * 1_000 + Number(micros) / 1_000 - (sent + clock.now()) / 2);
  if (!writeBehind || Math.abs(skewMs) <= SKEW_MS_MAX)
    findings.push(fine('redis.clock', `${skewMs} ms from this process`));
  else
    findings.push(
      warning(
        'redis.clock',
        `${skewMs} ms from this process`,
        'ages and `lagMs` are wrong by as much; what is stored is not',
        'keep the clocks of both in step (NTP)',
      ),
    );
  return findings;
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
