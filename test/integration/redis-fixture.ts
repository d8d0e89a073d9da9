import { EventEmitter, once } from 'node:events';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { createClient } from 'redis';
import { systemClock, systemRandom } from '../../src/clock-and-random.ts';
import type { Fence } from '../../src/core/lane.ts';
import type { WriteBatch } from '../../src/core/lane-write.ts';
import { type RedisFrontClient, type RedisFrontOptions, redisFront } from '../../src/fronts/redis/index.ts';
import type { Attachment, LaneFront } from '../../src/ports/front.ts';
import { eventually } from '../support/gate.ts';

export const drivers = ['node-redis', 'ioredis', 'ioredis 5'] as const;

/** The user's client of each driver; the front only ever duplicates it. */
export const clients: Readonly<Record<(typeof drivers)[number], (url: string) => RedisFrontClient>> = {
  'node-redis': (url) => createClient({ url }),
  ioredis: (url) => new Redis(url, { lazyConnect: true }),
  'ioredis 5': (url) => new Redis5(url, { lazyConnect: true }),
};

export interface Attached extends AsyncDisposable {
  readonly lanes: LaneFront;
  readonly warnings: string[];
  readonly reconnected: () => Promise<void>;
}

/** Another client's view, for what the front would not do itself. */
export async function command(url: string, ...args: string[]): Promise<unknown> {
  const client = createClient({ url });
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

/** Resolves when so many replicas receive what the primary writes. */
export async function connected(primaryUrl: string, replicas: number): Promise<void> {
  await eventually(
    `${replicas} replicas are connected`,
    async () =>
      (String(await command(primaryUrl, 'INFO', 'replication')).match(/^slave\d+:.*state=online/gm) ?? []).length >=
      replicas,
  );
}

let caches = 0;
export const uniqueCache = (): string => `redis-${process.pid}-${caches++}`;

export function attachment(over: Partial<Attachment> = {}): Attachment {
  return {
    cache: uniqueCache(),
    lanes: 2,
    acks: ['buffered'],
    clock: systemClock,
    random: systemRandom,
    writeBehind: true,
    onReconnect: () => undefined,
    onWarning: () => undefined,
    ...over,
  };
}

export async function attach(
  client: RedisFrontClient,
  over: Partial<Attachment> = {},
  commandTimeoutMs = 3_000,
  options: Partial<RedisFrontOptions> = {},
): Promise<Attached> {
  const warnings: string[] = [];
  const back = new EventEmitter();
  // Listens from the start: the connection may be back before a test asks.
  const reconnected = once(back, 'reconnect', { signal: AbortSignal.timeout(10_000) });
  reconnected.catch(() => undefined);
  const lanes = await redisFront({ client, commandTimeoutMs, ...options }).attach(
    attachment({
      onReconnect: () => void back.emit('reconnect'),
      onWarning: (message) => warnings.push(message),
      ...over,
    }),
  );
  return {
    lanes,
    warnings,
    async reconnected() {
      await reconnected;
    },
    [Symbol.asyncDispose]: () => lanes.close(),
  };
}

export const fence = (over: Partial<Fence> = {}): Fence => ({ epoch: 1, generation: 0, seq: 0, digest: '', ...over });

export const recovery = (over: Partial<Fence> = {}) => ({ fence: fence(over), owner: 'me', leaseMs: 60_000 });

export function batch(rows: Readonly<Record<string, string>>, over: Partial<WriteBatch> = {}): WriteBatch {
  const keys = Object.keys(rows);
  const slots = Object.values(rows);
  return {
    accepted: keys.length,
    keys,
    slots,
    ttls: undefined,
    maxEntries: 100_000,
    maxBytes: 2 ** 28,
    ...over,
  };
}
