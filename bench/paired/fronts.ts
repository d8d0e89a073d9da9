import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Millrace } from '../suite/builds.ts';
import type { Stage } from '../suite/stage.ts';

/** A front that nobody has used, and what is left of it. */
export interface OpenFront {
  readonly kind: 'redis' | 'lmdb' | 'memory';
  readonly front: ReturnType<Millrace['memoryFront']>;
  /** Removes what it kept on disk; after the caches on it are closed. */
  readonly remove: () => Promise<void>;
}

export type FrontName = 'redis' | 'ioredis' | 'lmdb' | 'memory';

const nothing = (): Promise<void> => Promise.resolve();

/** How each is opened, with a build and the clients of the process. */
export const FRONTS: Readonly<Record<FrontName, (millrace: Millrace, stage: Stage) => Promise<OpenFront>>> = {
  redis: ({ redisFront }, stage) => overRedis(stage, redisFront({ client: stage.redis })),
  ioredis: ({ redisFront }, stage) => overRedis(stage, redisFront({ client: stage.ioredis })),
  async lmdb({ lmdbFront }) {
    const path = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
    return {
      kind: 'lmdb',
      front: lmdbFront({ path: join(path, 'front') }),
      remove: () => rm(path, { recursive: true, force: true }),
    };
  },
  async memory({ memoryFront }) {
    return { kind: 'memory', front: memoryFront(), remove: nothing };
  },
};

async function overRedis(stage: Stage, front: OpenFront['front']): Promise<OpenFront> {
  await stage.empty();
  return { kind: 'redis', front, remove: nothing };
}
