import { bulkUpsert, copy, type Row, singleUpserts } from '../contestants/bulk.ts';
import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { ratioOf, timed } from '../suite/measure.ts';
import { createCache, postgresStore, redisFront } from '../suite/millrace.ts';
import { atLeast, type CaseReport, dataOf, linesOf } from '../suite/report.ts';
import { type Document, documentOf, ROOMY, type Stage, TABLE } from '../suite/stage.ts';

const BATCH = 500;
/** The textbook flush is two orders of magnitude slower: a part of the rows tells its rate. */
const SINGLE_PART = 20;
const TEXTBOOK = 'textbook flush, upsert by upsert';
const value = documentOf();

const countOf = ({ quick }: Stage): number => (quick ? 40_000 : 200_000);

export const drainers: Contestants = {
  COPY: (stage) => own(stage, countOf(stage), (rows) => copy(stage.pool, rows)),
  [`bulk upsert of ${BATCH} rows`]: (stage) =>
    own(stage, countOf(stage), (rows) => bulkUpsert(stage.pool, rows, BATCH)),
  [TEXTBOOK]: (stage) => own(stage, countOf(stage) / SINGLE_PART, (rows) => singleUpserts(stage.pool, rows)),
  millrace,
};

function own(stage: Stage, count: number, write: (rows: readonly Row[]) => Promise<void>): Contestant {
  const json = JSON.stringify(value);
  const rows = Array.from({ length: count }, (_, i): Row => [`k${i}`, json]);
  return { before: stage.freshTable, run: () => timed(count, stage.redisCpuUs, () => write(rows)) };
}

function millrace(stage: Stage): Contestant {
  const count = countOf(stage);
  let cache: ReturnType<typeof createCache<Document>>;
  return {
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
      for (let at = 0; at < count; at += 1_000)
        await cache.setMany(Array.from({ length: 1_000 }, (_, i) => [`k${at + i}`, value] as const));
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
  };
}

/** Fills a cache with distinct pending keys, then drains them into PostgreSQL: only the draining is timed. */
export async function drain(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { drainers });
  return {
    name: 'drain',
    title: `drain of ${countOf(stage).toLocaleString('en')} distinct pending keys into PostgreSQL`,
    lines: linesOf(rounds),
    verdicts: [
      atLeast('rows/s against COPY', ratioOf(rounds, 'millrace', 'COPY'), 0.5),
      atLeast('rows/s against the textbook flush', ratioOf(rounds, 'millrace', TEXTBOOK), 20),
    ],
    data: dataOf(rounds),
  };
}
