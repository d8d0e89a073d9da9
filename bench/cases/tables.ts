import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { load, medianOf } from '../suite/measure.ts';
import type { CaseReport } from '../suite/report.ts';
import { createCache, documentOf, postgresStore, redisFront, ROOMY, TABLE, type Document, type Stage } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const SIZES = [100, 1_024, 10_240, 102_400];
const LANES = [1, 2, 4, 8, 16];
const WORKERS = [1, 2, 3, 4];

interface Rates {
  /** Accepted writes per second beside plain SET of the same value in the same round. */
  readonly accepted: number;
  readonly plain: number;
  /** Rows per second that were drained. */
  readonly drained: number;
}

/** Accepts `count` writes of distinct keys with the flushing paused, then drains them. */
async function rates(stage: Stage, value: Document, lanes: number, count: number): Promise<Rates> {
  await stage.empty();
  const plain = await load(IN_FLIGHT, count, stage.redisCpuUs, (i) => stage.redis.set(`k${i}`, JSON.stringify(value), { expiration: { type: 'EX', value: 3_600 } }));
  await stage.empty();
  await stage.freshTable();
  const cache = createCache<Document>({ name: 'bench', lanes, front: redisFront({ client: stage.redis }), store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }), flush: { maxDelay: '1h' }, backpressure: ROOMY });
  await cache.ready();
  cache.pause();
  const accepted = await load(IN_FLIGHT, count, stage.redisCpuUs, (i) => cache.set(`k${i}`, value));
  const startedAt = performance.now();
  cache.resume();
  await cache.flush();
  const drained = (count * 1_000) / (performance.now() - startedAt);
  await cache.close();
  return { accepted: accepted.perSecond, plain: plain.perSecond, drained };
}

async function table(stage: Stage, what: string, of: readonly number[], measure: (of: number) => Promise<Rates>): Promise<{ readonly lines: string[]; readonly data: Record<string, readonly Rates[]> }> {
  const data: Record<string, Rates[]> = Object.fromEntries(of.map((n) => [`${n} ${what}`, []]));
  for (let round = 0; round < Math.max(1, Math.floor(stage.rounds / 2)); round++) {
    for (const n of of) {
      stage.progress(`round ${round + 1}: ${n.toLocaleString('en')} ${what}`);
      data[`${n} ${what}`]?.push(await measure(n));
    }
  }
  const count = (n: number): string => Math.round(n).toLocaleString('en').padStart(8);
  const lines = of.map((n) => {
    const rounds = data[`${n} ${what}`] as Rates[];
    const [accepted, plain, drained] = [medianOf(rounds.map((r) => r.accepted)), medianOf(rounds.map((r) => r.plain)), medianOf(rounds.map((r) => r.drained))];
    return `${n.toLocaleString('en').padStart(8)} ${what.padEnd(9)} accepted ${count(accepted)}/s  SET EX ${count(plain)}/s  ratio ${(accepted / plain).toFixed(2)}  drained ${count(drained)} rows/s`;
  });
  return { lines, data };
}

export async function sizes(stage: Stage): Promise<CaseReport> {
  const bytes = stage.quick ? 20_000_000 : 100_000_000;
  const { lines, data } = await table(stage, 'bytes', SIZES, (size) => rates(stage, documentOf(size), 4, Math.max(500, Math.min(50_000, Math.floor(bytes / size)))));
  return { name: 'sizes', title: `values by size, ${IN_FLIGHT} in flight`, lines, verdicts: [], data };
}

export async function lanes(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 30_000 : 100_000;
  const { lines, data } = await table(stage, 'lanes', LANES, (n) => rates(stage, documentOf(), n, count));
  return { name: 'lanes', title: `lanes, ${IN_FLIGHT} in flight`, lines, verdicts: [], data };
}

/** Worker processes that drain what one process has written. */
export async function workers(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 40_000 : 200_000;
  const rows: string[] = [];
  const data: Record<string, number> = {};
  for (const n of WORKERS) {
    stage.progress(`${n} worker processes`);
    await stage.empty();
    await stage.freshTable();
    const cache = createCache<Document>({ name: 'bench', lanes: 8, front: redisFront({ client: stage.redis }), store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }), flush: false, backpressure: ROOMY });
    await cache.ready();
    for (let at = 0; at < count; at += 1_000) await cache.setMany(Array.from({ length: 1_000 }, (_, i) => [`k${at + i}`, documentOf()] as const));
    const children = await Promise.all(Array.from({ length: n }, () => startWorker(stage)));
    const startedAt = performance.now();
    for (const child of children) child.send('go');
    await cache.flush();
    const perSecond = (count * 1_000) / (performance.now() - startedAt);
    await Promise.all(children.map(async (child) => {
      child.send('stop');
      await once(child, 'exit');
    }));
    await cache.close({ timeout: 1 });
    data[`${n} workers`] = perSecond;
    rows.push(`${n} worker processes  drained ${Math.round(perSecond).toLocaleString('en').padStart(8)} rows/s`);
  }
  return { name: 'workers', title: `worker processes draining ${count.toLocaleString('en')} keys of 8 lanes`, lines: rows, verdicts: [], data };
}

async function startWorker(stage: Stage): Promise<ChildProcess> {
  const child = fork(new URL('../suite/worker.ts', import.meta.url), [stage.redisUrl, stage.postgresUrl], { execArgv: process.execArgv });
  await once(child, 'message');
  return child;
}
