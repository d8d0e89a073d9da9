import { bulkUpsert, copy, singleUpserts, type Row } from '../contestants/bulk.ts';
import { compete, ratioOf, timed, type Contestant } from '../suite/measure.ts';
import { atLeast, dataOf, linesOf, type CaseReport } from '../suite/report.ts';
import { createCache, documentOf, postgresStore, redisFront, ROOMY, TABLE, type Document, type Stage } from '../suite/stage.ts';

const BATCH = 500;
/** The textbook flush is two orders of magnitude slower: a part of the rows tells its rate. */
const SINGLE_PART = 20;
const value = documentOf();

/** Fills a cache with `count` distinct pending keys, then drains them into PostgreSQL: only the draining is timed. */
export async function drain(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 40_000 : 200_000;
  const json = JSON.stringify(value);
  const rows = Array.from({ length: count }, (_, i): Row => [`k${i}`, json]);
  const some = rows.slice(0, count / SINGLE_PART);
  const own = (name: string, of: readonly Row[], work: () => Promise<void>): Contestant => ({ name, before: stage.freshTable, run: () => timed(of.length, stage.redisCpuUs, work) });
  let cache: ReturnType<typeof createCache<Document>>;
  const contestants: Contestant[] = [
    own('COPY', rows, () => copy(stage.pool, rows)),
    own(`bulk upsert of ${BATCH} rows`, rows, () => bulkUpsert(stage.pool, rows, BATCH)),
    own('textbook flush, upsert by upsert', some, () => singleUpserts(stage.pool, some)),
    {
      name: 'millrace',
      async before() {
        await stage.empty();
        await stage.freshTable();
        cache = createCache<Document>({
          name: 'bench',
          front: redisFront({ client: stage.redis }),
          store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }),
          flush: { batchSize: BATCH, maxDelay: '1h' },
          backpressure: ROOMY,
        });
        await cache.ready();
        cache.pause();
        for (let at = 0; at < count; at += 1_000) await cache.setMany(rows.slice(at, at + 1_000).map(([key]) => [key, value]));
      },
      run: () =>
        timed(count, stage.redisCpuUs, async () => {
          cache.resume();
          await cache.flush();
        }),
      async after() {
        const { rows: stored } = await stage.pool.query<{ n: string }>(`select count(*) as n from ${TABLE}`);
        if (Number(stored[0]?.n) !== count) throw new Error(`${stored[0]?.n} of ${count} rows were stored`);
        await cache.close();
      },
    },
  ];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  return {
    name: 'drain',
    title: `drain of ${count.toLocaleString('en')} distinct pending keys into PostgreSQL`,
    lines: linesOf(rounds),
    verdicts: [
      atLeast('rows/s against COPY', ratioOf(rounds, 'millrace', 'COPY'), 0.5),
      atLeast('rows/s against the textbook flush', ratioOf(rounds, 'millrace', 'textbook flush, upsert by upsert'), 20),
    ],
    data: dataOf(rounds),
  };
}
