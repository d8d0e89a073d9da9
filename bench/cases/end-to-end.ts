import { QueuedWrites } from '../contestants/queue.ts';
import { TextbookWriteBehind } from '../contestants/textbook.ts';
import { compete, load, ratioOf, timed, type Contestant, type Sample } from '../suite/measure.ts';
import { atLeast, dataOf, linesOf, type CaseReport } from '../suite/report.ts';
import { createCache, documentOf, postgresStore, redisFront, TABLE, type Document, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const TEXTBOOK_FLUSH_MS = 1_000;
const value = documentOf();

/** Distinct keys accepted and stored: the clock stops when the last row is in PostgreSQL. */
export async function endToEnd(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 30_000 : 200_000;
  const queued = count / 10;
  const json = JSON.stringify(value);
  const none = (): Promise<number> => Promise.resolve(0);
  let queue: QueuedWrites;
  let textbook: TextbookWriteBehind;
  let cache: ReturnType<typeof createCache<Document>>;
  const all = (n: number, write: (i: number) => Promise<unknown>, stored: () => Promise<void>): Promise<Sample> =>
    timed(n, stage.redisCpuUs, async () => {
      await load(IN_FLIGHT, n, none, write);
      await stored();
    });
  const contestants: Contestant[] = [
    {
      name: 'BullMQ with a bulk upsert',
      async before() {
        await stage.empty();
        await stage.freshTable();
        queue = new QueuedWrites(stage.redisUrl, stage.pool);
        await queue.ready();
      },
      run: () =>
        all(
          queued,
          (i) => queue.write([`k${i}`, json]),
          async () => {
            while (queue.stored < queued) await new Promise((resolve) => setTimeout(resolve, 2));
          },
        ),
      after: () => queue.close(),
    },
    {
      name: 'textbook write-behind (lost with the process)',
      async before() {
        await stage.empty();
        await stage.freshTable();
        textbook = new TextbookWriteBehind(stage.pool, stage.redis, TEXTBOOK_FLUSH_MS);
      },
      run: () => all(queued, (i) => textbook.write([`k${i}`, json]), () => textbook.flush()),
      after: () => textbook.close(),
    },
    {
      name: 'millrace',
      async before() {
        await stage.empty();
        await stage.freshTable();
        cache = createCache<Document>({ name: 'bench', front: redisFront({ client: stage.redis }), store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }), ttl: '1h' });
        await cache.ready();
      },
      run: () => all(count, (i) => cache.set(`k${i}`, value), () => cache.flush()),
      async after() {
        await cache.close();
      },
    },
  ];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  return {
    name: 'end-to-end',
    title: `end to end: distinct keys accepted and stored, ${IN_FLIGHT} in flight`,
    lines: linesOf(rounds),
    verdicts: [atLeast('rows/s against BullMQ', ratioOf(rounds, 'millrace', 'BullMQ with a bulk upsert'), 10)],
    data: dataOf(rounds),
  };
}
