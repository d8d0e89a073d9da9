import { isSyncLevel } from '../../core/acks.ts';
import { misshapen } from '../../core/shape.ts';
import { MillraceError } from '../../errors.ts';
import type { Attachment } from '../../ports/front.ts';
import { type Acks, versionOf } from './acks.ts';
import { headerOf, type LaneSteps } from './lane-steps.ts';
import type { RedisServer } from './server.ts';
import type { RedisServers } from './servers.ts';

/** Refuses a server that cannot keep what the cache promises. */
export async function checkServers(servers: RedisServers, acks: Acks, attachment: Attachment): Promise<void> {
  await Promise.all(servers.all().map((server) => checkServer(server, acks, attachment)));
}

async function checkServer(
  server: RedisServer,
  acks: Acks,
  { cache, acks: levels, writeBehind }: Attachment,
): Promise<void> {
  const info = String(await server.send(['INFO']));
  if (versionOf(info) < 7) {
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    throw new MillraceError(
      'MILLRACE_FRONT_SETTINGS',
      `the Redis server has version ${version}: Millrace needs Redis 7.0 or Valkey 7.2 at least`,
      { cache },
    );
  }
  if (/^role:slave\r?$/m.test(info)) {
    throw new MillraceError(
      'MILLRACE_FRONT_SETTINGS',
      'the Redis server is a replica, which takes no writes: give a client that connects to its primary',
      { cache },
    );
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? '';
  if (writeBehind && policy.startsWith('allkeys-')) {
    throw new MillraceError(
      'MILLRACE_FRONT_SETTINGS',
      `the Redis server may evict values that are not stored yet (maxmemory-policy ${policy}): ` +
        `set maxmemory-policy to noeviction or ${policy.replace('allkeys-', 'volatile-')}`,
      { cache },
    );
  }
  await server.prepare();
  for (const level of levels) {
    if (!isSyncLevel(level)) continue;
    const why = await acks.refusal(server, level);
    if (why !== undefined)
      throw new MillraceError('MILLRACE_ACK', `the Redis server cannot give '${level}': ${why}`, { cache });
  }
}

/** Refuses a cache that is there with another number of lanes, or with something else in them. */
export async function checkLanes(
  lanes: readonly LaneSteps[],
  { cache, shape = '' }: Pick<Attachment, 'cache' | 'shape'>,
): Promise<void> {
  const headers = await Promise.all(lanes.map((lane) => lane.run('header', () => [])));
  headers.forEach((reply, lane) => {
    const header = headerOf(reply);
    if (header === undefined) return;
    const fault = misshapen(header.shape, shape);
    if (fault !== '')
      throw new MillraceError('MILLRACE_OPTIONS', `the cache exists in Redis already, and ${fault}: use another name`, {
        cache,
        lane,
      });
    if (header.lanes === lanes.length) return;
    throw new MillraceError(
      'MILLRACE_LANES',
      `the cache exists in Redis with ${header.lanes} lanes, and ${lanes.length} are configured`,
      { cache, lane },
    );
  });
}
