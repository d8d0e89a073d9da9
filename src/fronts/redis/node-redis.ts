import { Patience, type Topology, type Wire, type WireEvents } from './connection.ts';
import { hashSlot } from './hash-slot.ts';

/** What is used of a node-redis client, versions 5 and 6. */
export interface NodeRedisClient {
  readonly isReady: boolean;
  readonly options?: Options;
  sendCommand(args: readonly string[]): Promise<unknown>;
  duplicate(overrides: Options): NodeRedisClient;
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (argument: unknown) => void): unknown;
}

interface ShardNode {
  readonly address: string;
}

/** What is used of a node-redis cluster. */
export interface NodeRedisCluster {
  readonly slots: readonly ({ readonly master: ShardNode } | undefined)[];
  readonly masters: readonly ShardNode[];
  // oxlint-disable-next-line no-underscore-dangle -- the only way to what the user set for the nodes
  readonly _options?: { readonly defaults?: Options };
  nodeClient(node: ShardNode): Promise<NodeRedisClient> | NodeRedisClient;
  sendCommand(firstKey: string, isReadonly: boolean, args: readonly string[]): Promise<unknown>;
  duplicate(overrides: Record<string, unknown>): NodeRedisCluster;
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (argument: unknown) => void): unknown;
}

type Options = Readonly<Record<string, unknown>> & { readonly socket?: Readonly<Record<string, unknown>> };

/**
 * Overrides the user's options where a promise depends on them. The default command timeout of 5 s costs a timer for
 * each command and with it four fifths of the throughput. Nothing waits in the driver: see {@link Wire}.
 */
function options(given: Options | undefined, patience: Patience): Options {
  return {
    commandOptions: { timeout: undefined },
    disableOfflineQueue: true,
    keyPrefix: undefined,
    clientSideCache: undefined,
    emitInvalidate: false,
    readonly: false,
    // A connection that is replaced unseen would hide a restart of the server.
    maintNotifications: 'disabled',
    socket: {
      ...given?.socket,
      reconnectStrategy: (retries: number) => patience.delayMs(retries + 1) ?? false,
    },
  };
}

export class NodeRedisSingle implements Topology {
  readonly #client: NodeRedisClient;

  constructor(given: NodeRedisClient) {
    const patience = new Patience();
    this.#client = given.duplicate(options(given.options, patience));
    // Without a listener a lost connection would take the process down; it is reported through the commands it fails.
    this.#client.on('error', () => undefined);
    this.#client.on('ready', () => patience.reached());
  }

  async open(): Promise<void> {
    await this.#client.connect();
  }

  addressOf(): string {
    return '';
  }

  addresses(): readonly string[] {
    return [''];
  }

  wire(_address: string, events: WireEvents): Wire {
    const wire = wireOf(this.#client, events);
    if (this.#client.isReady) events.up();
    return wire;
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    destroy(this.#client);
  }
}

/** Tells of what happens from now on; whether the client is ready already is for the caller to tell. */
function wireOf(client: NodeRedisClient, events: WireEvents): Wire {
  client.on('ready', () => events.up());
  client.on('error', (cause) => {
    if (!client.isReady) events.down(cause);
  });
  client.on('terminated', (cause) => events.ended(cause));
  client.on('end', (cause) => events.ended(cause));
  return {
    send: (args) => client.sendCommand(args),
    async duplicate(events) {
      const patience = new Patience();
      const second = client.duplicate(options(client.options, patience));
      second.on('error', () => undefined);
      second.on('ready', () => patience.reached());
      const wire = wireOf(second, events);
      await second.connect();
      return wire;
    },
    close: () => destroy(client),
  };
}

export class NodeRedisClusterTopology implements Topology {
  readonly #cluster: NodeRedisCluster;
  readonly #patience = new Patience();

  constructor(given: NodeRedisCluster) {
    // oxlint-disable-next-line no-underscore-dangle
    const defaults = given._options?.defaults;
    this.#cluster = given.duplicate({
      commandOptions: { timeout: undefined },
      defaults: { ...defaults, ...options(defaults, this.#patience) },
      useReplicas: false,
      keyPrefix: undefined,
      clientSideCache: undefined,
    });
    this.#cluster.on('error', () => undefined);
  }

  async open(): Promise<void> {
    await this.#cluster.connect();
    this.#patience.reached();
  }

  addressOf(key: string): string | undefined {
    return this.#cluster.slots[hashSlot(key)]?.master.address;
  }

  addresses(): readonly string[] {
    return this.#cluster.masters.map(({ address }) => address);
  }

  wire(address: string, events: WireEvents): Wire {
    const node = this.#cluster.masters.find((master) => master.address === address);
    let wire: Wire | undefined;
    const connected =
      node === undefined ? Promise.reject(new Error('not a master')) : Promise.resolve(this.#cluster.nodeClient(node));
    const opened = connected.then((client) => {
      wire = wireOf(client, events);
      if (client.isReady) events.up();
      return wire;
    });
    opened.catch((cause: unknown) => events.ended(cause));
    return {
      send: (args) => (wire as Wire).send(args),
      duplicate: async (events) => (await opened).duplicate(events),
      // The cluster closes its clients.
      close: () => undefined,
    };
  }

  async refresh(key: string): Promise<void> {
    // Follows a redirection, and has the driver learn from it.
    await this.#cluster.sendCommand(key, false, ['EXISTS', key]);
  }

  close(): void {
    destroy(this.#cluster);
  }
}

/** Version 5 throws when the client is closed already, as it is after it could not connect. */
function destroy(client: { destroy(): void }): void {
  try {
    client.destroy();
  } catch (error) {
    if (!/closed/i.test(String(error))) throw error;
  }
}
