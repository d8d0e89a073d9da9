import { isSyncLevel } from '../../core/acks.ts';
import { MillraceError } from '../../errors.ts';
import { type Examination, type Finding, fine, warning, wrong } from '../../ports/finding.ts';
import { type Acks, settingsOf } from './acks.ts';
import { type FoundServer, memory, persistence, replicas, role, version, writable } from './examine-settings.ts';
import { replyCode } from './faults.ts';
import type { RedisServer } from './server.ts';

/** Round trips of which the middle one counts. */
const TRIPS = 5;

const SLOW_MS = 5;

const SKEW_MS_MAX = 1_000;

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

async function read(server: RedisServer): Promise<{ found: FoundServer; refused: Finding[] }> {
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

async function cluster(server: RedisServer, { info }: FoundServer): Promise<Finding[]> {
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
