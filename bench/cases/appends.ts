import { copyEvents, insertEvents } from '../contestants/bulk.ts';
import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { ratioOf, timed } from '../suite/measure.ts';
import { createLog, postgresLog, redisFront } from '../suite/millrace.ts';
import { atLeast, type CaseReport, dataOf, linesOf } from '../suite/report.ts';
import { type Document, documentOf, EVENTS, ROOMY, type Stage } from '../suite/stage.ts';

const BATCH = 2_000;
const value = documentOf();

const countOf = ({ quick }: Stage): number => (quick ? 40_000 : 200_000);

export const appenders: Contestants = {
  COPY: (stage) => own(stage, (events) => copyEvents(stage.pool, events)),
  [`inserts of ${BATCH} rows`]: (stage) => own(stage, (events) => insertEvents(stage.pool, events, BATCH)),
  'millrace log': millrace,
};

function own(stage: Stage, write: (events: readonly string[]) => Promise<void>): Contestant {
  const events = Array.from({ length: countOf(stage) }, () => JSON.stringify(value));
  return { before: stage.freshTable, run: () => timed(events.length, stage.redisCpuUs, () => write(events)) };
}

function millrace(stage: Stage): Contestant {
  const count = countOf(stage);
  let log: ReturnType<typeof createLog<Document>>;
  return {
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
  };
}

/** Appends events to a log, then flushes them into PostgreSQL: only the flushing is timed. The table has no key. */
export async function appends(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { appenders });
  return {
    name: 'appends',
    title: `${countOf(stage).toLocaleString('en')} appended events into a table without a key`,
    lines: linesOf(rounds),
    verdicts: [atLeast('rows/s against COPY', ratioOf(rounds, 'millrace log', 'COPY'), 0.5)],
    data: dataOf(rounds),
  };
}
