import { slowPool } from '../contestants/slow-pool.ts';
import { load, medianOf } from '../suite/measure.ts';
import { createCache, postgresStore, redisFront } from '../suite/millrace.ts';
import { atLeast, type CaseReport, progress } from '../suite/report.ts';
import { type Document, documentOf, ROOMY, type Stage, TABLE } from '../suite/stage.ts';

const LATENCIES_MS = [0, 1, 5, 50];
const value = documentOf();

/**
 * What write-behind gains over write-through for one writer, by the store's latency: each write waits for the front
 * only.
 */
export async function latency(stage: Stage): Promise<CaseReport> {
  const lines: string[] = [];
  const data: Record<string, unknown> = {};
  let last = 0;
  for (const ms of LATENCIES_MS) {
    const p50 = { 'write-behind': [] as number[], 'write-through': [] as number[] };
    for (let round = 0; round <= stage.rounds; round++) {
      for (const policy of round % 2 === 0
        ? (['write-behind', 'write-through'] as const)
        : (['write-through', 'write-behind'] as const)) {
        progress(`store latency ${ms} ms, round ${round} of ${stage.rounds}: ${policy}`);
        await stage.empty();
        await stage.freshTable();
        const pool = slowPool(stage.pool, () => ms);
        const cache = createCache<Document>({
          name: 'bench',
          policy,
          front: redisFront({ client: stage.redis }),
          store: postgresStore({ pool, table: TABLE, key: 'k', value: 'v' }),
          backpressure: ROOMY,
        });
        await cache.ready();
        const sample = await load(1, policy === 'write-behind' ? 2_000 : ms >= 50 ? 10 : 100, stage.redisCpuUs, (i) =>
          cache.set(`k${i}`, value),
        );
        if (round > 0) p50[policy].push(sample.p50Us);
        await cache.close();
      }
    }
    const [behind, through] = [medianOf(p50['write-behind']), medianOf(p50['write-through'])];
    last = through / behind;
    lines.push(
      [
        `store latency ${String(ms).padStart(2)} ms: write-behind p50 ${behind.toFixed(0)} µs`,
        `write-through ${through.toFixed(0)} µs`,
        `${last.toFixed(1)}x`,
      ].join(', '),
    );
    data[`${ms} ms`] = p50;
  }
  return {
    name: 'latency',
    title: 'one writer: write-behind beside write-through, by the latency of a query',
    lines,
    verdicts: [atLeast('speed-up at 50 ms', last, 250)],
    data,
  };
}
