import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type Contestant, type Contestants, compete } from '../suite/compete.ts';
import { load, medianOf } from '../suite/measure.ts';
import { createCache, postgresStore, redisFront } from '../suite/millrace.ts';
import { type CaseReport, progress } from '../suite/report.ts';
import { type Document, documentOf, ROOMY, type Stage, TABLE } from '../suite/stage.ts';

const IN_FLIGHT = 512;
const SIZES = [100, 1_024, 10_240, 102_400];
const LANES = [1, 2, 4, 8, 16];
const WORKERS = [1, 2, 3, 4];
const LANES_BY_DEFAULT = 4;

/** Of one contestant in one round, in operations per second. */
interface Rates {
  readonly accepted: number;
  /** Rows; none where nothing is drained. */
  readonly drained: number;
}

const plainOf = (what: string): string => `SET EX, ${what}`;
const ownOf = (what: string): string => `millrace, ${what}`;

export const writersBySize: Contestants<Rates> = Object.fromEntries(
  SIZES.flatMap((size) => {
    const countOf = ({ quick }: Stage): number =>
      Math.max(
        quick ? 200 : 500,
        Math.min(quick ? 20_000 : 50_000, Math.floor((quick ? 10_000_000 : 100_000_000) / size)),
      );
    return [
      [plainOf(`${size} bytes`), (stage: Stage) => plain(stage, documentOf(size), countOf(stage))],
      [ownOf(`${size} bytes`), (stage: Stage) => millrace(stage, documentOf(size), LANES_BY_DEFAULT, countOf(stage))],
    ];
  }),
);

const byLanes = ({ quick }: Stage): number => (quick ? 20_000 : 100_000);
export const writersByLanes: Contestants<Rates> = {
  [plainOf('no lanes')]: (stage) => plain(stage, documentOf(), byLanes(stage)),
  ...Object.fromEntries(
    LANES.map((n) => [ownOf(`${n} lanes`), (stage: Stage) => millrace(stage, documentOf(), n, byLanes(stage))]),
  ),
};

function plain(stage: Stage, value: Document, count: number): Contestant<Rates> {
  return {
    before: stage.empty,
    async run() {
      const { perSecond } = await load(IN_FLIGHT, count, stage.redisCpuUs, (i) =>
        stage.redis.set(`k${i}`, JSON.stringify(value), { expiration: { type: 'EX', value: 3_600 } }),
      );
      return { accepted: perSecond, drained: 0 };
    },
  };
}

/** Accepts writes of distinct keys with the flushing paused, then drains them. */
function millrace(stage: Stage, value: Document, lanes: number, count: number): Contestant<Rates> {
  let cache: ReturnType<typeof createCache<Document>>;
  return {
    async before() {
      await stage.empty();
      await stage.freshTable();
      cache = createCache<Document>({
        name: 'bench',
        lanes,
        front: redisFront({ client: stage.redis }),
        store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }),
        flush: { maxDelay: '1h' },
        backpressure: ROOMY,
      });
      await cache.ready();
      cache.pause();
    },
    async run() {
      const { perSecond } = await load(IN_FLIGHT, count, stage.redisCpuUs, (i) => cache.set(`k${i}`, value));
      const startedAt = performance.now();
      cache.resume();
      await cache.flush();
      return { accepted: perSecond, drained: (count * 1_000) / (performance.now() - startedAt) };
    },
    async after() {
      await cache.close();
    },
  };
}

interface Row {
  readonly accepted: number;
  /** Accepted by plain SET of the same value in the same round. */
  readonly plain: number;
  readonly drained: number;
}

async function table(
  stage: Stage,
  exported: Readonly<Record<string, Contestants<Rates>>>,
  rows: readonly { readonly what: string; readonly beside: string }[],
): Promise<{ readonly lines: string[]; readonly data: Record<string, readonly Row[]> }> {
  const rounds = await compete(
    { ...stage, rounds: Math.max(1, Math.floor(stage.rounds / 2)) },
    import.meta.url,
    exported,
  );
  const ratesOf = (name: string): readonly Rates[] => rounds.get(name) as readonly Rates[];
  const data = Object.fromEntries(
    rows.map(({ what, beside }) => [
      what,
      ratesOf(ownOf(what)).map(
        ({ accepted, drained }, i): Row => ({
          accepted,
          plain: (ratesOf(plainOf(beside))[i] as Rates).accepted,
          drained,
        }),
      ),
    ]),
  );
  const count = (n: number): string => Math.round(n).toLocaleString('en').padStart(8);
  const lines = Object.entries(data).map(([what, of]) => {
    const [accepted, beside, drained] = [
      medianOf(of.map((r) => r.accepted)),
      medianOf(of.map((r) => r.plain)),
      medianOf(of.map((r) => r.drained)),
    ];
    return [
      what.padStart(12),
      `accepted ${count(accepted)}/s`,
      `SET EX ${count(beside)}/s`,
      `ratio ${(accepted / beside).toFixed(2)}`,
      `drained ${count(drained)} rows/s`,
    ].join('  ');
  });
  return { lines, data };
}

export async function sizes(stage: Stage): Promise<CaseReport> {
  const rows = SIZES.map((size) => ({ what: `${size} bytes`, beside: `${size} bytes` }));
  return {
    name: 'sizes',
    title: `values by size, ${IN_FLIGHT} in flight`,
    verdicts: [],
    ...(await table(stage, { writersBySize }, rows)),
  };
}

export async function lanes(stage: Stage): Promise<CaseReport> {
  const rows = LANES.map((n) => ({ what: `${n} lanes`, beside: 'no lanes' }));
  return {
    name: 'lanes',
    title: `lanes, ${IN_FLIGHT} in flight`,
    verdicts: [],
    ...(await table(stage, { writersByLanes }, rows)),
  };
}

/** Worker processes that drain what one process has written. */
export async function workers(stage: Stage): Promise<CaseReport> {
  const count = stage.quick ? 40_000 : 200_000;
  const rows: string[] = [];
  const data: Record<string, number> = {};
  for (const n of WORKERS) {
    progress(`${n} worker processes`);
    await stage.empty();
    await stage.freshTable();
    const cache = createCache<Document>({
      name: 'bench',
      lanes: 8,
      front: redisFront({ client: stage.redis }),
      store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }),
      flush: false,
      backpressure: ROOMY,
    });
    await cache.ready();
    for (let at = 0; at < count; at += 1_000)
      await cache.setMany(Array.from({ length: 1_000 }, (_, i) => [`k${at + i}`, documentOf()] as const));
    const children = await Promise.all(Array.from({ length: n }, () => startWorker(stage)));
    const startedAt = performance.now();
    for (const child of children) child.send('go');
    await cache.flush();
    const perSecond = (count * 1_000) / (performance.now() - startedAt);
    await Promise.all(
      children.map(async (child) => {
        child.send('stop');
        await once(child, 'exit');
      }),
    );
    await cache.close({ timeout: 1 });
    data[`${n} workers`] = perSecond;
    rows.push(`${n} worker processes  drained ${Math.round(perSecond).toLocaleString('en').padStart(8)} rows/s`);
  }
  return {
    name: 'workers',
    title: `worker processes draining ${count.toLocaleString('en')} keys of 8 lanes`,
    lines: rows,
    verdicts: [],
    data,
  };
}

async function startWorker(stage: Stage): Promise<ChildProcess> {
  const child = fork(new URL('../suite/worker.ts', import.meta.url), [stage.redisUrl, stage.postgresUrl], {
    execArgv: process.execArgv,
  });
  await once(child, 'message');
  return child;
}
