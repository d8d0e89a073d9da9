import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { lmdbFront } from '../../src/fronts/lmdb/index.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import type { Front } from '../../src/ports/front.ts';

/** Names a front to another process: the kind and a folder, or a URL and a prefix. */
export interface FrontSpec {
  readonly kind: 'memory' | 'lmdb' | 'redis' | 'ioredis';
  readonly at: string;
  readonly prefix?: string;
}

export function frontOf({ kind, at, prefix = '' }: FrontSpec): Front {
  switch (kind) {
    case 'memory':
      return memoryFront();
    case 'lmdb':
      return lmdbFront({ path: at });
    case 'redis':
      return redisFront({ client: createClient({ url: at }), prefix });
    case 'ioredis':
      return redisFront({ client: new Redis(at, { lazyConnect: true }), prefix });
  }
}
