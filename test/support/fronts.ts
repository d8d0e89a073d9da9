import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { lmdbFront } from '../../src/fronts/lmdb/index.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import type { Front } from '../../src/ports/front.ts';
import { redisUrl } from '../servers/index.ts';

/** A place for fronts: each call of `front` is another process's view of it. */
export interface FrontPlace extends AsyncDisposable {
  front(): Front;
}

let prefixes = 0;

/** A name that no other test uses on the shared Redis. */
export const uniquePrefix = (): string => `t${process.pid}-${prefixes++}:`;

export const frontPlaces: Readonly<Record<'memory' | 'lmdb' | 'redis' | 'ioredis', () => Promise<FrontPlace>>> = {
  async memory() {
    const front = memoryFront();
    return { front: () => front, [Symbol.asyncDispose]: async () => {} };
  },
  async lmdb() {
    const path = mkdtempSync(join(tmpdir(), 'millrace-lmdb-'));
    return {
      front: () => lmdbFront({ path }),
      [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }),
    };
  },
  async redis() {
    const prefix = uniquePrefix();
    const client = createClient({ url: redisUrl() });
    return { front: () => redisFront({ client, prefix }), [Symbol.asyncDispose]: async () => {} };
  },
  async ioredis() {
    const prefix = uniquePrefix();
    const client = new Redis(redisUrl(), { lazyConnect: true });
    return { front: () => redisFront({ client, prefix }), [Symbol.asyncDispose]: async () => client.disconnect() };
  },
};
