import type { Contestant } from '../suite/compete.ts';
import type { Sample } from '../suite/measure.ts';
import { createCache, postgresStore, redisFront } from '../suite/millrace.ts';
import { type Document, type Stage, TABLE } from '../suite/stage.ts';

type BenchCache = ReturnType<typeof createCache<Document>>;

/** A cache of this policy over the bench's Redis and an empty table, which `run` is given. */
export function millraceOver(
  stage: Stage,
  policy: 'write-behind' | 'write-through',
  run: (cache: BenchCache) => Promise<Sample>,
): Contestant {
  let cache: BenchCache;
  return {
    async before() {
      await stage.empty();
      await stage.freshTable();
      cache = createCache<Document>({
        name: 'bench',
        policy,
        front: redisFront({ client: stage.redis }),
        store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }),
        ttl: '1h',
      });
      await cache.ready();
    },
    run: () => run(cache),
    async after() {
      await cache.close();
    },
  };
}
