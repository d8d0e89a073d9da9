import { Patience, type Topology, type Wire, type WireEvents } from './connection.ts';
import { hashSlot } from './hash-slot.ts';

/** What is used of an ioredis (or iovalkey) client, versions 5 and 6. */
export interface IoRedisClient {
  readonly status: string;
  readonly options: { readonly host?: string; readonly port?: number };
  call(command: string, args: readonly string[]): Promise<unknown>;
  pipeline(): IoRedisPipeline;
  duplicate(overrides: Record<string, unknown>): IoRedisClient;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (argument: unknown) => void): unknown;
}

interface IoRedisPipeline {
  call(command: string, args: readonly string[]): unknown;
  exec(): Promise<readonly (readonly [error: Error | null, reply: unknown])[] | null>;
}

/** What is used of an ioredis cluster. */
export interface IoRedisCluster {
  readonly isCluster: true;
  readonly status: string;
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: 'master'): readonly IoRedisClient[];
  call(command: string, args: readonly string[]): Promise<unknown>;
  duplicate(nodes: readonly never[], overrides: Record<string, unknown>): IoRedisCluster;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (argument: unknown) => void): unknown;
}

/** ioredis repeats what was not answered on the next connection, and a write would count twice. */
const NEVER_TWICE = {
  autoResendUnfulfilledCommands: false,
  reconnectOnError: null,
  maxRetriesPerRequest: null,
  commandTimeout: undefined,
  lazyConnect: true,
  keyPrefix: '',
  stringNumbers: false,
  replyMapping: 'legacy',
  readOnly: false,
  // See `Reads`.
  enableAutoPipelining: false,
};

const single = (patience: Patience) => ({
  ...NEVER_TWICE,
  enableOfflineQueue: false,
  retryStrategy: (times: number) => patience.delayMs(times) ?? null,
});

export class IoRedisSingle implements Topology {
  readonly #client: IoRedisClient;

  constructor(given: IoRedisClient) {
    const patience = new Patience();
    this.#client = given.duplicate(single(patience));
    this.#client.on('ready', () => patience.reached());
    // Without a listener ioredis prints each error; it is reported through the commands it fails.
    this.#client.on('error', () => undefined);
  }

  open(): Promise<void> {
    return connect(this.#client);
  }

  addressOf(): string {
    return '';
  }

  addresses(): readonly string[] {
    return [''];
  }

  wire(_address: string, events: WireEvents): Wire {
    return wireOf(this.#client, events);
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#client.disconnect();
  }
}

/** The promise of ioredis' `connect` speaks of the first attempt only. */
function connect(client: IoRedisClient | IoRedisCluster): Promise<void> {
  return new Promise((resolve, reject) => {
    let cause: unknown;
    client.on('error', (error) => (cause = error));
    client.on('ready', () => resolve());
    client.on('end', () => reject((cause as Error | undefined) ?? new Error('the connection was closed')));
    client.connect().catch((error: unknown) => (cause ??= error));
  });
}

function wireOf(client: IoRedisClient, events: WireEvents): Wire {
  if (client.status === 'ready') events.up();
  client.on('ready', () => events.up());
  client.on('close', (cause) => events.down(cause));
  client.on('end', (cause) => events.ended(cause));
  const reads = new Reads(client);
  return {
    send: (args) => (READS.has(args[0]) ? reads.send(args) : client.call(args[0] as string, args.slice(1))),
    async duplicate(events) {
      const patience = new Patience();
      const second = client.duplicate(single(patience));
      second.on('ready', () => patience.reached());
      const wire = wireOf(second, events);
      await connect(second);
      return wire;
    },
    close: () => client.disconnect(),
  };
}

const READS: ReadonlySet<string | undefined> = new Set(['GET', 'MGET']);

interface PipelinedGet {
  readonly args: readonly string[];
  resolve(reply: unknown): void;
  reject(error: unknown): void;
}

/**
 * Sends the reads of one turn in one pipeline, which more than doubles their rate. Other commands go at once: steps
 * keep their order. Not by the auto pipelining of ioredis: a connection that is lost under one of its pipelines without
 * commands being sent again leaves it waiting for ever, and with it every read that comes after.
 */
class Reads {
  readonly #client: IoRedisClient;
  #waiting: PipelinedGet[] = [];

  constructor(client: IoRedisClient) {
    this.#client = client;
  }

  send(args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ args, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#transmit());
    });
  }

  #transmit(): void {
    const reads = this.#waiting;
    this.#waiting = [];
    const pipeline = this.#client.pipeline();
    for (const { args } of reads) pipeline.call(args[0] as string, args.slice(1));
    pipeline.exec().then(
      (results) => reads.forEach((read, i) => settle(read, results?.[i])),
      (error: unknown) => reads.forEach(({ reject }) => reject(error)),
    );
  }
}

function settle(
  { resolve, reject }: PipelinedGet,
  [error, reply]: readonly [Error | null, unknown] = [new Error('the pipeline was given up'), undefined],
): void {
  if (error === null) resolve(reply);
  else reject(error);
}

export class IoRedisClusterTopology implements Topology {
  readonly #cluster: IoRedisCluster;
  readonly #patience = new Patience();

  constructor(given: IoRedisCluster) {
    this.#cluster = given.duplicate([], {
      redisOptions: NEVER_TWICE,
      clusterRetryStrategy: (times: number) => this.#patience.delayMs(times) ?? null,
      // After a lost connection the cluster would send the command again.
      retryDelayOnFailover: 0,
      scaleReads: 'master',
      keyPrefix: '',
      lazyConnect: true,
      enableAutoPipelining: false,
    });
    this.#cluster.on('ready', () => this.#patience.reached());
    this.#cluster.on('error', () => undefined);
  }

  open(): Promise<void> {
    return connect(this.#cluster);
  }

  addressOf(key: string): string | undefined {
    const address = this.#cluster.slots[hashSlot(key)]?.[0];
    return address !== undefined && this.#node(address) !== undefined ? address : undefined;
  }

  addresses(): readonly string[] {
    return this.#cluster.nodes('master').map(addressOf);
  }

  #node(address: string): IoRedisClient | undefined {
    return this.#cluster.nodes('master').find((node) => addressOf(node) === address);
  }

  wire(address: string, events: WireEvents): Wire {
    const node = this.#node(address);
    if (node === undefined) {
      queueMicrotask(() => events.ended(new Error('not a master')));
      return {
        send: () => Promise.reject(new Error('not a master')),
        duplicate: () => Promise.reject(new Error('not a master')),
        close: () => undefined,
      };
    }
    const wire = wireOf(node, events);
    if (node.status === 'wait') node.connect().catch(() => undefined);
    return { ...wire, close: () => undefined };
  }

  async refresh(key: string): Promise<void> {
    await this.#cluster.call('EXISTS', [key]);
  }

  close(): void {
    this.#cluster.disconnect();
  }
}

const addressOf = ({ options }: IoRedisClient): string => `${options.host ?? ''}:${options.port ?? ''}`;
