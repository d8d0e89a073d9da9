import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CacheOptions, MillraceError } from '../../index.ts';
import { driver } from '../driver.ts';
import { plural } from '../format.ts';
import { addressOf, answerOf, CONNECT_TIMEOUT_MS, reasonOf } from './servers.ts';

/** The cache in front, ready for use. */
export interface FrontPlace {
  /** What it is, for the header: `LMDB in a temporary folder`. */
  readonly title: string;
  readonly kind: string;
  readonly version: string | undefined;
  /** What a reader of the numbers should know about it. */
  readonly note: string | undefined;
  readonly front: CacheOptions<unknown>['front'];
  /** Removes what the demo left in it, and says so; with `keep` it says where that is. */
  close(keep: boolean): Promise<string>;
}

export async function lmdbPlace(): Promise<FrontPlace> {
  const { lmdbFront } = await driver('lmdb', () => import('../../fronts/lmdb/index.ts'));
  const path = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
  return {
    title: 'LMDB in a temporary folder',
    kind: 'lmdb',
    version: undefined,
    note: 'LMDB acknowledges a write when it is synced to disk',
    front: lmdbFront({ path }),
    async close(keep) {
      if (keep) return `the front is kept in ${path}`;
      await rm(path, { recursive: true, force: true });
      return 'the temporary folder of the front is removed';
    },
  };
}

/** `run` is part of the name of every cache of this run, and so of every key. */
export async function redisPlace(url: string, run: string): Promise<FrontPlace> {
  const [{ createClient }, { redisFront }] = await Promise.all([
    driver('redis', () => import('redis')),
    import('../../fronts/redis/index.ts'),
  ]);
  let connected = false;
  const client = createClient({
    url,
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      // A server that never answered is reported at once; one that did is waited for.
      reconnectStrategy: (retries) => (connected ? Math.min(50 * 2 ** retries, 1_000) : false),
    },
  });
  client.on('error', () => undefined);
  try {
    await answerOf(client.connect());
    connected = true;
    const info = await answerOf(client.info());
    const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
    const valkey = field('valkey_version');
    return {
      title: valkey === undefined ? `Redis ${field('redis_version')}` : `Valkey ${valkey}`,
      kind: valkey === undefined ? 'redis' : 'valkey',
      version: valkey ?? field('redis_version'),
      note:
        field('aof_enabled') === '1'
          ? undefined
          : 'this server has no append-only file: what it acknowledged does not survive a restart of it',
      front: redisFront({ client }),
      async close(keep) {
        const removed = keep ? 0 : await removeKeys(client, run);
        await client.close();
        return keep
          ? `the keys in the front are kept: they contain ${run}`
          : `${plural(removed, 'key')} removed from the front`;
      },
    };
  } catch (cause) {
    client.destroy();
    throw new MillraceError('MILLRACE_FRONT_UNAVAILABLE', `the Redis server at ${addressOf(url)} ${reasonOf(cause)}`, {
      cause,
    });
  }
}

interface ScanningClient {
  scanIterator(options: { MATCH: string; COUNT: number }): AsyncIterable<string[]>;
  unlink(keys: string[]): Promise<number>;
}

async function removeKeys(client: ScanningClient, run: string): Promise<number> {
  let removed = 0;
  for await (const keys of client.scanIterator({ MATCH: `*${run}*`, COUNT: 1_000 })) {
    if (keys.length > 0) removed += await client.unlink(keys);
  }
  return removed;
}
