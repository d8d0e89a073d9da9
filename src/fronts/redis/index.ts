/**
 * A front on Redis or Valkey, for `redis` and `ioredis`.
 *
 * @module millrace/redis
 */
import { MillraceError } from '../../errors.ts';
import { type Examination, type Finding, fine, wrong } from '../../ports/finding.ts';
import type { Attachment, Front, LaneFront } from '../../ports/front.ts';
import { Acks } from './acks.ts';
import { checkLanes, checkServers } from './checks.ts';
import { examineServer } from './examine.ts';
import { replyCode, unavailable, withoutCommand } from './faults.ts';
import { redisFrontOf } from './lane-front.ts';
import { LaneSteps } from './lane-steps.ts';
import { RedisServers, topologyOf } from './servers.ts';

/** A client or a cluster of `redis` (5, 6), `ioredis` (5, 6) or `iovalkey`; connected or not. */
export interface RedisFrontClient {
  /** Makes a client with the same address and login. */
  duplicate(...args: never[]): unknown;
  /** Opens a connection; called on duplicates only. */
  connect(...args: never[]): unknown;
  /** Listens to events; called on duplicates only. */
  on(...args: never[]): unknown;
}

/** Options of {@link redisFront}. */
export interface RedisFrontOptions {
  /**
   * Tells where the server is and how to log in. Only a duplicate of it is used, with settings of its own, and closed
   * with the last cache; the client itself is neither connected nor closed.
   */
  readonly client: RedisFrontClient;
  /**
   * What all keys begin with, inside their hash tag: up to 64 printable ASCII characters without braces. Default 'mr:'.
   */
  readonly prefix?: string;
  /** How long a command may take, waiting for a lost connection included, in ms: 100 to 300,000, default 10,000. */
  readonly commandTimeoutMs?: number;
  /**
   * How many replicas must have a write before it is `replicated`: 1 to 16, default 1. In a cluster, replicas of each
   * primary.
   */
  readonly replicas?: number;
  /**
   * How long a confirmation of `fsynced` or `replicated` may take, in ms: 10 to nine tenths of `commandTimeoutMs`,
   * which is the default.
   */
  readonly ackTimeoutMs?: number;
}

/**
 * A front on Redis 7.0 or Valkey 7.2 and later, a single server or a cluster, shared by any number of processes.
 *
 * What was acknowledged as `buffered` survives the process, and a restart of the server as far as the server's own
 * persistence goes. `fsynced` survives a loss of its power, and needs an append-only file and WAITAOF (7.2), or
 * 'appendfsync always'. `replicated` survives the loss of the server, as far as `replicas` of its replicas confirmed it
 * in memory. Throws MILLRACE_OPTIONS for options that are not valid; opens nothing until a cache attaches.
 */
export function redisFront(options: RedisFrontOptions): Front {
  const {
    client,
    prefix = 'mr:',
    commandTimeoutMs = 10_000,
    replicas = 1,
    ackTimeoutMs = Math.floor(commandTimeoutMs * 0.9),
  } = options;
  if (!/^[!-z|~]{0,64}$/.test(prefix))
    throw new MillraceError(
      'MILLRACE_OPTIONS',
      'redisFront: `prefix` has up to 64 printable ASCII characters without spaces and braces',
    );
  if (!(commandTimeoutMs >= 100 && commandTimeoutMs <= 300_000))
    throw new MillraceError('MILLRACE_OPTIONS', 'redisFront: `commandTimeoutMs` is 100 to 300,000');
  if (!(Number.isInteger(replicas) && replicas >= 1 && replicas <= 16))
    throw new MillraceError('MILLRACE_OPTIONS', 'redisFront: `replicas` is 1 to 16');
  if (!(Number.isInteger(ackTimeoutMs) && ackTimeoutMs >= 10 && ackTimeoutMs <= commandTimeoutMs * 0.9)) {
    throw new MillraceError(
      'MILLRACE_OPTIONS',
      'redisFront: `ackTimeoutMs` is 10 to nine tenths of `commandTimeoutMs`',
    );
  }
  const topology = topologyOf(client);
  const shared = new SharedServers(() => new RedisServers(topology(), commandTimeoutMs));
  const acks = new Acks({ replicas, timeoutMs: ackTimeoutMs });
  return {
    kind: 'redis',
    capabilities: { acks: ['buffered', 'fsynced', 'replicated'], defaultAck: 'buffered', durable: true, shared: true },
    attach: (attachment) => attach(shared, acks, prefix, attachment),
    examine: (examination) => examine(shared, acks, prefix, examination),
  };
}

async function examine(
  shared: SharedServers,
  acks: Acks,
  prefix: string,
  examination: Examination,
): Promise<Finding[]> {
  const { servers, release } = await shared.take();
  try {
    const lanes = lanesOf(servers, prefix, examination.cache, examination.lanes);
    const all = servers.all();
    const found = await Promise.all(
      all.map((server) =>
        examineServer(
          server,
          acks,
          `${lanes.find((lane) => lane.server === server)?.prefix ?? lanes[0]?.prefix}sync`,
          examination,
        ),
      ),
    );
    const findings = found.flatMap((each, at) =>
      all.length === 1 ? each : each.map((finding) => ({ ...finding, found: `${all[at]?.address}: ${finding.found}` })),
    );
    return [...findings, await examineLanes(lanes, examination)];
  } catch (error) {
    throw error instanceof MillraceError ? error : unavailable('the Redis server refused to be examined', error);
  } finally {
    release();
  }
}

async function examineLanes(lanes: readonly LaneSteps[], examination: Examination): Promise<Finding> {
  try {
    await checkLanes(lanes, examination);
    return fine('redis.lanes', `${lanes.length}, as configured`);
  } catch (error) {
    if (!(error instanceof MillraceError))
      return wrong(
        'redis.lanes',
        `they cannot be read (${replyCode(error)})`,
        'the cache does not start',
        'see the findings above',
      );
    return wrong(
      'redis.lanes',
      error.message,
      'the cache refuses to start',
      'configure that number, or drain the cache and use a new name',
    );
  }
}

const lanesOf = (servers: RedisServers, prefix: string, cache: string, lanes: number): LaneSteps[] =>
  Array.from({ length: lanes }, (_, lane) => new LaneSteps(servers, `${prefix}${cache}:${lane}`));

async function attach(shared: SharedServers, acks: Acks, prefix: string, attachment: Attachment): Promise<LaneFront> {
  const { servers, release } = await shared.take();
  try {
    await checkServers(servers, acks, attachment);
    const lanes = lanesOf(servers, prefix, attachment.cache, attachment.lanes);
    await checkLanes(lanes, attachment);
    const stopListening = servers.onReconnect(attachment.onReconnect);
    return redisFrontOf({
      acks,
      attachment,
      lanes,
      release: () => {
        stopListening();
        release();
      },
    });
  } catch (error) {
    release();
    if (error instanceof MillraceError) throw error;
    if (/^NO(AUTH|PERM)$/.test(replyCode(error) ?? '')) {
      throw new MillraceError(
        'MILLRACE_FRONT_SETTINGS',
        `the Redis user may not do what Millrace needs (${replyCode(error)})`,
        { cache: attachment.cache, cause: withoutCommand(error) },
      );
    }
    throw unavailable('the Redis server refused to be checked', error);
  }
}

/** The connections of one front: opened for its first cache, closed with its last. */
class SharedServers {
  readonly #create: () => RedisServers;
  #current: { readonly servers: RedisServers; readonly opened: Promise<void>; users: number } | undefined;

  constructor(create: () => RedisServers) {
    this.#create = create;
  }

  async take(): Promise<{ servers: RedisServers; release: () => void }> {
    if (this.#current === undefined) {
      const servers = this.#create();
      this.#current = { servers, opened: servers.open(), users: 0 };
    }
    const taken = this.#current;
    taken.users++;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      if (--taken.users > 0) return;
      if (this.#current === taken) this.#current = undefined;
      taken.servers.close();
    };
    try {
      await taken.opened;
    } catch (error) {
      release();
      throw error;
    }
    return { servers: taken.servers, release };
  }
}
