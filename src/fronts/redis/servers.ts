import { MillraceError } from '../../errors.ts';
import { OPEN_PATIENCE_MS, type Topology } from './connection.ts';
import { NotSent, unavailable } from './faults.ts';
import { type IoRedisClient, type IoRedisCluster, IoRedisClusterTopology, IoRedisSingle } from './ioredis.ts';
import {
  type NodeRedisClient,
  type NodeRedisCluster,
  NodeRedisClusterTopology,
  NodeRedisSingle,
} from './node-redis.ts';
import { RedisServer } from './server.ts';

/** The driver is told by what its client can do: importing one would make every user install it. */
export function topologyOf(client: unknown): () => Topology {
  const can = (name: string) => typeof (client as Record<string, unknown> | null | undefined)?.[name] === 'function';
  if (can('duplicate') && can('connect') && can('on')) {
    if (can('call') && can('nodes')) return () => new IoRedisClusterTopology(client as IoRedisCluster);
    if (can('call')) return () => new IoRedisSingle(client as IoRedisClient);
    if (can('sendCommand') && can('nodeClient')) return () => new NodeRedisClusterTopology(client as NodeRedisCluster);
    if (can('sendCommand') && can('destroy')) return () => new NodeRedisSingle(client as NodeRedisClient);
  }
  throw new MillraceError(
    'MILLRACE_OPTIONS',
    'redisFront: `client` must be a client or a cluster of redis 5 or 6, ioredis or iovalkey',
  );
}

/** Connections of one front's own, shared by its caches. */
export class RedisServers {
  readonly commandTimeoutMs: number;
  readonly #topology: Topology;
  readonly #tickMs: number;
  readonly #servers = new Map<string, RedisServer>();
  readonly #listeners = new Set<() => void>();
  readonly #watchdog: NodeJS.Timeout;
  #open = false;
  #closed = false;

  constructor(topology: Topology, commandTimeoutMs: number) {
    this.#topology = topology;
    this.commandTimeoutMs = commandTimeoutMs;
    this.#tickMs = Math.min(1_000, commandTimeoutMs / 4);
    this.#watchdog = setInterval(() => this.#servers.forEach((server) => server.watch()), this.#tickMs).unref();
  }

  async open(): Promise<void> {
    try {
      await this.#withDeadline(this.#topology.open(), 'the Redis server could not be reached');
    } catch (cause) {
      this.close();
      throw cause instanceof MillraceError
        ? cause
        : unavailable(`the Redis server could not be reached within ${OPEN_PATIENCE_MS} ms`, cause);
    }
    this.#open = true;
  }

  /** Whoever has the key. Rejects by throwing {@link NotSent} when nobody is known to have it. */
  serverOf(key: string): RedisServer {
    const address = this.#topology.addressOf(key);
    if (address === undefined) throw new NotSent('no server is known to have the key');
    return this.#server(address);
  }

  all(): RedisServer[] {
    return this.#topology.addresses().map((address) => this.#server(address));
  }

  #server(address: string): RedisServer {
    const known = this.#servers.get(address);
    if (known !== undefined && !known.ended) return known;
    const replaced = known !== undefined;
    const server = new RedisServer(
      this.#topology,
      address,
      Math.ceil(this.commandTimeoutMs / this.#tickMs),
      (first) => {
        if (this.#open && (!first || replaced)) for (const listener of this.#listeners) listener();
      },
    );
    this.#servers.set(address, server);
    return server;
  }

  async refresh(key: string): Promise<void> {
    try {
      await this.#withDeadline(this.#topology.refresh(key), 'the Redis cluster did not tell who has the lane');
    } catch (cause) {
      throw cause instanceof MillraceError
        ? cause
        : unavailable('the Redis cluster did not tell who has the lane; nothing was sent', cause);
    }
  }

  /** Tells when a connection was lost and is back. Returns how to stop. */
  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #withDeadline(work: Promise<void>, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(unavailable(`${what} within ${this.commandTimeoutMs} ms`)),
        this.commandTimeoutMs,
      );
      work.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watchdog);
    this.#listeners.clear();
    for (const server of this.#servers.values()) server.close();
    this.#topology.close();
  }
}
