import { writeThrough as textbook } from '../contestants/textbook.ts';
import { compete, load, ratioOf, type Contestant } from '../suite/measure.ts';
import { atLeast, dataOf, linesOf, type CaseReport } from '../suite/report.ts';
import { createCache, documentOf, postgresStore, redisFront, TABLE, type Document, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 64;
const value = documentOf();

/** Write-through beside its textbook form, on the same pool. */
export async function writeThrough(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 6_000 : 30_000;
  let cache: ReturnType<typeof createCache<Document>>;
  const contestants: Contestant[] = [
    {
      name: 'textbook write-through',
      async before() {
        await stage.empty();
        await stage.freshTable();
      },
      run: () => load(IN_FLIGHT, count, stage.redisCpuUs, (i) => textbook(stage.pool, stage.redis, [`k${i}`, JSON.stringify(value)])),
    },
    {
      name: 'millrace write-through',
      async before() {
        await stage.empty();
        await stage.freshTable();
        cache = createCache<Document>({ name: 'bench', policy: 'write-through', front: redisFront({ client: stage.redis }), store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }), ttl: '1h' });
        await cache.ready();
      },
      run: () => load(IN_FLIGHT, count, stage.redisCpuUs, (i) => cache.set(`k${i}`, value)),
      async after() {
        await cache.close();
      },
    },
  ];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  return {
    name: 'write-through',
    title: `write-through, distinct keys, ${IN_FLIGHT} in flight`,
    lines: linesOf(rounds),
    verdicts: [atLeast('writes/s against the textbook', ratioOf(rounds, 'millrace write-through', 'textbook write-through'), 4)],
    data: dataOf(rounds),
  };
}
