import { millraceOver } from '../contestants/millrace.ts';
import { QueuedWrites } from '../contestants/queue.ts';
import { TextbookWriteBehind } from '../contestants/textbook.ts';
import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { load, ratioOf, type Sample, timed } from '../suite/measure.ts';
import { atLeast, type CaseReport, dataOf, linesOf } from '../suite/report.ts';
import { documentOf, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const TEXTBOOK_FLUSH_MS = 1_000;
const QUEUE = 'BullMQ with a bulk upsert';
const value = documentOf();
const json = JSON.stringify(value);

const countOf = ({ quick }: Stage): number => (quick ? 30_000 : 200_000);
/** The others are slower by an order of magnitude. */
const fewOf = (stage: Stage): number => countOf(stage) / 10;

export const storers: Contestants = {
  [QUEUE]: queued,
  'textbook write-behind (lost with the process)': textbook,
  millrace,
};

/** Until the last of `count` writes is stored. */
function all(
  stage: Stage,
  count: number,
  write: (key: string) => Promise<unknown>,
  stored: () => Promise<void>,
): Promise<Sample> {
  return timed(count, stage.redisCpuUs, async () => {
    await load(
      IN_FLIGHT,
      count,
      () => Promise.resolve(0),
      (i) => write(`k${i}`),
    );
    await stored();
  });
}

function queued(stage: Stage): Contestant {
  const count = fewOf(stage);
  let queue: QueuedWrites;
  return {
    async before() {
      await stage.empty();
      await stage.freshTable();
      queue = new QueuedWrites(stage.redisUrl, stage.pool);
      await queue.ready();
    },
    run: () =>
      all(
        stage,
        count,
        (key) => queue.write([key, json]),
        async () => {
          while (queue.stored < count) await new Promise((resolve) => setTimeout(resolve, 2));
        },
      ),
    after: () => queue.close(),
  };
}

function textbook(stage: Stage): Contestant {
  let writes: TextbookWriteBehind;
  return {
    async before() {
      await stage.empty();
      await stage.freshTable();
      writes = new TextbookWriteBehind(stage.pool, stage.redis, TEXTBOOK_FLUSH_MS);
    },
    run: () =>
      all(
        stage,
        fewOf(stage),
        (key) => writes.write([key, json]),
        () => writes.flush(),
      ),
    after: () => writes.close(),
  };
}

function millrace(stage: Stage): Contestant {
  return millraceOver(stage, 'write-behind', (cache) =>
    all(
      stage,
      countOf(stage),
      (key) => cache.set(key, value),
      () => cache.flush(),
    ),
  );
}

/** Distinct keys accepted and stored: the clock stops when the last row is in PostgreSQL. */
export async function endToEnd(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { storers });
  return {
    name: 'end-to-end',
    title: `end to end: distinct keys accepted and stored, ${IN_FLIGHT} in flight`,
    lines: linesOf(rounds),
    verdicts: [atLeast('rows/s against BullMQ', ratioOf(rounds, 'millrace', QUEUE), 10)],
    data: dataOf(rounds),
  };
}
