import { copyEvents, insertEvents } from '../contestants/bulk.ts';
import { compete, ratioOf, timed, type Contestant } from '../suite/measure.ts';
import { atLeast, dataOf, linesOf, type CaseReport } from '../suite/report.ts';
import { createLog, documentOf, EVENTS, postgresLog, redisFront, ROOMY, type Document, type Stage } from '../suite/stage.ts';

const BATCH = 2_000;
const value = documentOf();

/** Appends events to a log, then flushes them into PostgreSQL: only the flushing is timed. The table has no key. */
export async function appends(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 40_000 : 200_000;
  const events = Array.from({ length: count }, () => JSON.stringify(value));
  const own = (name: string, work: () => Promise<void>): Contestant => ({ name, before: stage.freshTable, run: () => timed(count, stage.redisCpuUs, work) });
  let log: ReturnType<typeof createLog<Document>>;
  const contestants: Contestant[] = [
    own('COPY', () => copyEvents(stage.pool, events)),
    own(`inserts of ${BATCH} rows`, () => insertEvents(stage.pool, events, BATCH)),
    {
      name: 'millrace log',
      async before() {
        await stage.empty();
        await stage.freshTable();
        log = createLog<Document>({
          name: 'bench',
          front: redisFront({ client: stage.redis }),
          store: postgresLog({ pool: stage.pool, table: EVENTS, value: 'v' }),
          flush: { batchSize: BATCH, maxDelay: '1h' },
          backpressure: ROOMY,
        });
        await log.ready();
        log.pause();
        for (let at = 0; at < count; at += 1_000) await log.appendMany(Array.from({ length: 1_000 }, () => value));
      },
      run: () =>
        timed(count, stage.redisCpuUs, async () => {
          log.resume();
          await log.flush();
        }),
      async after() {
        const { rows } = await stage.pool.query<{ n: string }>(`select count(*) as n from ${EVENTS}`);
        if (Number(rows[0]?.n) !== count) throw new Error(`${rows[0]?.n} of ${count} events were stored`);
        await log.close();
      },
    },
  ];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  return {
    name: 'appends',
    title: `${count.toLocaleString('en')} appended events into a table without a key`,
    lines: linesOf(rounds),
    verdicts: [atLeast('rows/s against COPY', ratioOf(rounds, 'millrace log', 'COPY'), 0.5)],
    data: dataOf(rounds),
  };
}
