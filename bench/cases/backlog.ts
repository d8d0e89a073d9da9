import { load } from '../suite/measure.ts';
import { createCache, postgresStore, redisFront } from '../suite/millrace.ts';
import { atMost, type CaseReport, progress } from '../suite/report.ts';
import { ScriptScale } from '../suite/script-cost.ts';
import { type Document, documentOf, ROOMY, type Stage, TABLE } from '../suite/stage.ts';

const SMALL = 10_000;
const PROBE = 20_000;
/** A round of a full run takes twenty seconds. */
const ROUNDS = 3;
const LONG_VALUES = { pending: 1_000, bytes: 102_400 };

interface Depth {
  readonly writeUs: number;
  readonly drainUs: number;
  /** Longest script call, ms of the server's processor. */
  readonly longestMs: number;
}

/** Cost of a write and of a drained row with little and with much pending, and the longest script call on the way. */
export async function backlog(stage: Stage): Promise<CaseReport> {
  const large = stage.quick ? 200_000 : 1_000_000;
  const rounds: { readonly few: Depth; readonly many: Depth }[] = [];
  for (let round = 0; round < (stage.quick ? 1 : ROUNDS); round++) {
    progress(`round ${round + 1}: ${SMALL.toLocaleString('en')} pending`);
    const few = await at(stage, SMALL);
    progress(`round ${round + 1}: ${large.toLocaleString('en')} pending`);
    rounds.push({ few, many: await at(stage, large) });
  }
  progress('long values');
  const long = await at(stage, LONG_VALUES.pending, LONG_VALUES.bytes);
  const middle = (pick: (round: (typeof rounds)[number]) => number): number =>
    rounds.map(pick).sort((a, b) => a - b)[Math.floor(rounds.length / 2)] as number;
  const line = (name: string, of: (round: (typeof rounds)[number]) => Depth): string =>
    [
      `${name.padStart(9)} pending`,
      `write ${middle((r) => of(r).writeUs).toFixed(2)} µs`,
      `drained row ${middle((r) => of(r).drainUs).toFixed(2)} µs`,
      `longest script call ${middle((r) => of(r).longestMs).toFixed(2)} ms`,
    ].join('  ');
  const longest = Math.max(
    middle(({ many }) => many.longestMs),
    long.longestMs,
  );
  return {
    name: 'backlog',
    title: `${large.toLocaleString('en')} pending entries beside ${SMALL.toLocaleString('en')}`,
    lines: [
      line(SMALL.toLocaleString('en'), ({ few }) => few),
      line(large.toLocaleString('en'), ({ many }) => many),
      [
        `${LONG_VALUES.pending.toLocaleString('en').padStart(9)} pending`,
        `of ${LONG_VALUES.bytes.toLocaleString('en')} bytes`,
        `longest script call ${long.longestMs.toFixed(2)} ms`,
      ].join('  '),
    ],
    verdicts: [
      atMost(
        'cost of a write',
        middle(({ few, many }) => many.writeUs / few.writeUs),
        1.25,
      ),
      atMost(
        'cost of a drained row',
        middle(({ few, many }) => many.drainUs / few.drainUs),
        1.25,
      ),
      atMost('longest script call', longest, 5, ' ms of the processor'),
    ],
    data: { rounds, long },
  };
}

async function at(stage: Stage, pending: number, bytes?: number): Promise<Depth> {
  await stage.empty();
  await stage.freshTable();
  const scale = new ScriptScale(stage.redis);
  const value = documentOf(bytes);
  const cache = createCache<Document>({
    name: 'bench',
    front: redisFront({ client: scale.client }),
    store: postgresStore({ pool: stage.pool, table: TABLE, key: 'k', value: 'v' }),
    flush: { maxDelay: '1h' },
    backpressure: ROOMY,
    ttl: '1h',
  });
  await cache.ready();
  cache.pause();
  for (let i = 0; i < pending; i += 1_000)
    await cache.setMany(Array.from({ length: 1_000 }, (_, n) => [`k${i + n}`, value] as const));
  scale.isOff = true;
  // Over keys that are pending already, so that the depth stays what it is.
  const written = await load(512, Math.min(PROBE, 2 * pending), stage.redisCpuUs, (i) =>
    cache.set(`k${i % pending}`, value),
  );
  scale.isOff = false;
  const startedAt = performance.now();
  cache.resume();
  await cache.flush();
  const drainUs = ((performance.now() - startedAt) * 1_000) / pending;
  // The last of the cleaning up is done when the cache is closed.
  await cache.close();
  return { writeUs: 1e6 / written.perSecond, drainUs, longestMs: scale.longestUs / 1_000 };
}
