import { compete, load, ratioOf, type Contestant } from '../suite/measure.ts';
import { atLeast, dataOf, linesOf, type CaseReport } from '../suite/report.ts';
import { COUNTS, createCounters, postgresCounters, redisFront, ROOMY, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const KEYS = 1_000;
const keys = Array.from({ length: KEYS }, (_, i) => `page:${i}`);

/** Increments beside plain INCRBY of the same client, over the same keys; nothing is flushed. */
export async function increments(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 60_000 : 200_000;
  let counters: ReturnType<typeof createCounters>;
  const open = async (): Promise<void> => {
    await stage.empty();
    await stage.freshTable();
    counters = createCounters({ name: 'bench', front: redisFront({ client: stage.redis }), store: postgresCounters({ pool: stage.pool, table: COUNTS, key: 'k', count: 'n' }), flush: { maxDelay: '1h', batchSize: 10_000 }, backpressure: ROOMY });
    await counters.getMany(keys);
  };
  const own = (name: string, one: (key: string) => Promise<unknown>): Contestant => ({
    name,
    before: open,
    run: () => load(IN_FLIGHT, count, stage.redisCpuUs, (i) => one(keys[i % KEYS] as string)),
    async after() {
      await counters.close({ timeout: 1 });
    },
  });
  const contestants: Contestant[] = [
    { name: 'INCRBY, node-redis', before: stage.empty, run: () => load(IN_FLIGHT, count, stage.redisCpuUs, (i) => stage.redis.incrBy(keys[i % KEYS] as string, 1)) },
    own('millrace add', (key) => counters.add(key)),
    own('millrace increment', (key) => counters.increment(key)),
  ];
  const rounds = await compete(contestants, stage.rounds, stage.progress);
  return {
    name: 'increments',
    title: `increments of ${KEYS.toLocaleString('en')} keys, ${IN_FLIGHT} in flight`,
    lines: linesOf(rounds),
    verdicts: [
      atLeast('add, against INCRBY', ratioOf(rounds, 'millrace add', 'INCRBY, node-redis'), 1),
      atLeast('increment, which gives the total, against INCRBY', ratioOf(rounds, 'millrace increment', 'INCRBY, node-redis'), 1),
    ],
    data: dataOf(rounds),
  };
}
