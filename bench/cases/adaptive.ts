import { setTimeout as sleep } from 'node:timers/promises';
import { slowPool } from '../contestants/slow-pool.ts';
import { medianOf } from '../suite/measure.ts';
import { createCache, postgresStore, redisFront } from '../suite/millrace.ts';
import { atMost, type CaseReport, progress } from '../suite/report.ts';
import { type Document, documentOf, ROOMY, type Stage, TABLE } from '../suite/stage.ts';

/** How much longer a query takes, and for how long, in parts of the whole. */
const PHASES = [
  { latencyMs: 0, part: 1 / 6 },
  { latencyMs: 100, part: 4 / 6 },
  { latencyMs: 0, part: 1 / 6 },
];
const PER_SECOND = 12_000;
const TICK_MS = 10;
const MAX_DELAY_MS = 1_000;
const FLUSHES = { adaptive: {}, 'fixed at 500 rows': { batchSize: 500, maxBatchSize: 500 } } as const;
const value = documentOf();

interface Phase {
  readonly latencyMs: number;
  readonly lagMs: number;
  readonly statements: number;
  readonly rows: number;
  readonly batchSize: number;
  readonly concurrency: number;
}

/**
 * Writes of distinct keys at one rate, to a store whose every query takes 100 ms longer for a while: lag and
 * statements.
 */
export async function adaptive(stage: Stage): Promise<CaseReport> {
  const courseMs = stage.quick ? 12_000 : 20_000;
  const rounds: Record<keyof typeof FLUSHES, Phase>[][] = [];
  for (let round = 0; round < Math.max(1, Math.floor(stage.rounds / 3)); round++) {
    const kinds = Object.keys(FLUSHES) as (keyof typeof FLUSHES)[];
    const courses = new Map<string, Phase[]>();
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      progress(`round ${round + 1}: ${kind}`);
      courses.set(kind, await course(stage, FLUSHES[kind], courseMs));
    }
    rounds.push(
      PHASES.map(
        (_, at) =>
          Object.fromEntries(kinds.map((kind) => [kind, courses.get(kind)?.[at]])) as Record<
            keyof typeof FLUSHES,
            Phase
          >,
      ),
    );
  }
  const middle = (at: number, kind: keyof typeof FLUSHES, pick: (phase: Phase) => number): number =>
    medianOf(rounds.map((phases) => pick((phases[at] as Record<keyof typeof FLUSHES, Phase>)[kind])));
  const lines = PHASES.flatMap(({ latencyMs }, at) =>
    (Object.keys(FLUSHES) as (keyof typeof FLUSHES)[]).map((kind) => {
      const of = (pick: (phase: Phase) => number): string => Math.round(middle(at, kind, pick)).toLocaleString('en');
      return [
        `query latency +${String(latencyMs).padStart(3)} ms`,
        kind.padEnd(17),
        `lag at most ${of((p) => p.lagMs).padStart(6)} ms`,
        `${of((p) => p.rows).padStart(8)} rows in ${of((p) => p.statements).padStart(5)} statements`,
        `at the end batches of ${of((p) => p.batchSize)}, ${of((p) => p.concurrency)} flushes in flight`,
      ].join('  ');
    }),
  );
  return {
    name: 'adaptive',
    title: [
      `adaptive flushing beside fixed: ${PER_SECOND.toLocaleString('en')} writes/s`,
      `maxDelay ${MAX_DELAY_MS} ms`,
      `a course of ${courseMs / 1_000} s`,
    ].join(', '),
    lines,
    verdicts: [
      atMost('lag on the slow store, of maxDelay', middle(1, 'adaptive', (p) => p.lagMs) / MAX_DELAY_MS, 2),
      atMost(
        'lag on the slow store, against fixed',
        middle(1, 'adaptive', (p) => p.lagMs) / middle(1, 'fixed at 500 rows', (p) => p.lagMs),
        1,
      ),
      atMost(
        'statements for a row on the slow store, against fixed',
        middle(1, 'adaptive', (p) => p.statements / p.rows) /
          middle(1, 'fixed at 500 rows', (p) => p.statements / p.rows),
        0.5,
      ),
    ],
    data: rounds,
  };
}

async function course(
  stage: Stage,
  flush: { readonly batchSize?: number; readonly maxBatchSize?: number },
  courseMs: number,
): Promise<Phase[]> {
  await stage.empty();
  await stage.freshTable();
  let latencyMs = 0;
  const pool = slowPool(stage.pool, () => latencyMs);
  const cache = createCache<Document>({
    name: 'bench',
    front: redisFront({ client: stage.redis }),
    store: postgresStore({ pool, table: TABLE, key: 'k', value: 'v' }),
    flush: { maxDelay: MAX_DELAY_MS, ...flush },
    backpressure: ROOMY,
    ttl: '1h',
  });
  await cache.ready();
  let written = 0;
  let phase = { lagMs: 0, statements: 0, rows: 0 };
  cache.on('flush', ({ lagMs, rows, statements }) => {
    phase = { lagMs: Math.max(phase.lagMs, lagMs), statements: phase.statements + statements, rows: phase.rows + rows };
  });
  const phases: Phase[] = [];
  for (const { latencyMs: ms, part } of PHASES) {
    latencyMs = ms;
    // Only the second half is counted: the first shows what the change costs, not what comes of it.
    for (let half = 0; half < 2; half++) {
      phase = { lagMs: 0, statements: 0, rows: 0 };
      const startedAt = performance.now();
      const before = written;
      while (performance.now() - startedAt < (courseMs * part) / 2) {
        const due = before + ((performance.now() - startedAt) * PER_SECOND) / 1_000;
        const entries: [string, Document][] = [];
        while (written < due) entries.push([`k${written++}`, value]);
        await cache.setMany(entries);
        await sleep(TICK_MS);
      }
    }
    const { pace, lagMs } = await cache.stats();
    phases.push({
      latencyMs: ms,
      ...phase,
      lagMs: Math.max(phase.lagMs, lagMs),
      batchSize: pace?.batchSize ?? 0,
      concurrency: pace?.concurrency ?? 0,
    });
  }
  latencyMs = 0;
  await cache.close();
  return phases;
}
