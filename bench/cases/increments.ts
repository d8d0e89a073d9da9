import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { load, ratioOf, type Sample } from '../suite/measure.ts';
import { createCounters, postgresCounters, redisFront } from '../suite/millrace.ts';
import { atLeast, type CaseReport, dataOf, linesOf } from '../suite/report.ts';
import { COUNTS, ROOMY, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const KEYS = 1_000;
const keys = Array.from({ length: KEYS }, (_, i) => `page:${i}`);

type Counters = ReturnType<typeof createCounters>;

export const incrementers: Contestants = {
  'INCRBY, node-redis': (stage) => ({
    before: stage.empty,
    run: () => incremented(stage, (key) => stage.redis.incrBy(key, 1)),
  }),
  'millrace add': (stage) => millrace(stage, (counters, key) => counters.add(key)),
  'millrace increment': (stage) => millrace(stage, (counters, key) => counters.increment(key)),
};

function incremented(stage: Stage, one: (key: string) => Promise<unknown>): Promise<Sample> {
  return load(IN_FLIGHT, stage.quick ? 60_000 : 200_000, stage.redisCpuUs, (i) => one(keys[i % KEYS] as string));
}

function millrace(stage: Stage, one: (counters: Counters, key: string) => Promise<unknown>): Contestant {
  let counters: Counters;
  return {
    async before() {
      await stage.empty();
      await stage.freshTable();
      counters = createCounters({
        name: 'bench',
        front: redisFront({ client: stage.redis }),
        store: postgresCounters({ pool: stage.pool, table: COUNTS, key: 'k', count: 'n' }),
        flush: { maxDelay: '1h', batchSize: 10_000 },
        backpressure: ROOMY,
      });
      await counters.getMany(keys);
    },
    run: () => incremented(stage, (key) => one(counters, key)),
    async after() {
      await counters.close({ timeout: 1 });
    },
  };
}

/** Increments beside plain INCRBY of the same client, over the same keys; nothing is flushed. */
export async function increments(stage: Stage): Promise<CaseReport> {
  const rounds = await compete(stage, import.meta.url, { incrementers });
  return {
    name: 'increments',
    title: `increments of ${KEYS.toLocaleString('en')} keys, ${IN_FLIGHT} in flight`,
    lines: linesOf(rounds),
    verdicts: [
      atLeast('add, against INCRBY', ratioOf(rounds, 'millrace add', 'INCRBY, node-redis'), 1),
      atLeast(
        'increment, which gives the total, against INCRBY',
        ratioOf(rounds, 'millrace increment', 'INCRBY, node-redis'),
        1,
      ),
    ],
    data: dataOf(rounds),
  };
}
