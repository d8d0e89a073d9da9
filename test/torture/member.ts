/**
 * A process of a cycle, to be killed, suspended and cut off. Its argument is a {@link MemberSpec} as JSON. It writes
 * and reads (`writer`), only flushes (`worker`), or drains what the others left and looks at all keys (`drainer`). It
 * prints `ready`, and ends in good order on SIGTERM; a drainer ends by itself.
 */
import { once } from 'node:events';
import pg from 'pg';
import { Prng } from '../sim/prng.ts';
import { SETTLE_MS } from './judge/history.ts';
import { Ledger, now } from './ledger.ts';
import type { MemberSpec } from './member-spec.ts';
import { millrace } from './millrace.ts';
import type { SubjectEvents } from './subject.ts';
import { countsWriter } from './writers/counts.ts';
import { docsWriter } from './writers/docs.ts';
import { eventsWriter } from './writers/events.ts';
import { scoresWriter } from './writers/scores.ts';
import { Scribe } from './writers/scribe.ts';
import type { WriterParts } from './writers/writer.ts';

const IN_FLIGHT = 12;
/** Longest rest between two operations of one of them, ms. */
const REST_MS_MAX = 6;
const START_LIMIT_MS = 30_000;
const DRAIN_LIMIT_MS = 30_000;

const spec = JSON.parse(process.argv[2]!) as MemberSpec;
const random = new Prng(spec.seed);
const ledger = new Ledger(spec.ledger);
const note = (text: string): void => ledger.write({ what: 'note', t: now(), text });
const stuck = (why: string): void => ledger.write({ what: 'stuck', t: now(), why });
const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const events: SubjectEvents = {
  loss: (cache, lane, count, cause) => ledger.write({ what: 'loss', t: now(), cache, lane, count, cause }),
  stopped: stuck,
  note,
};
const pool = new pg.Pool({ connectionString: spec.postgres, max: 6, connectionTimeoutMillis: 2_000 });
pool.on('error', () => undefined);
const subject =
  spec.subject === 'naive'
    ? (await import('./naive.ts')).naiveWriteBehind(spec, pool)
    : await millrace(spec, pool, spec.flushes, events);

// The end of its input means that the harness is gone, however that came about.
process.stdin.resume().once('end', () => process.exit(1));
(process.stdin as unknown as { unref(): void }).unref();

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const scribe = new Scribe(ledger, spec.name);

/** Servers may be down at the moment. */
async function start(): Promise<void> {
  const until = now() + START_LIMIT_MS;
  for (;;) {
    try {
      return await subject.ready();
    } catch (error) {
      note(`not ready: ${String(error)}`);
      if (now() > until) throw error;
      await rest(50);
    }
  }
}

async function work(): Promise<void> {
  const parts: WriterParts = { spec, subject, scribe, random, rest: () => rest(SETTLE_MS + 50) };
  const [docs, counts, events, scores] = [
    docsWriter(parts),
    countsWriter(parts),
    eventsWriter(parts),
    scoresWriter(parts),
  ];
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const which = random.fraction();
      await (which < 0.45 ? docs : which < 0.7 ? counts : which < 0.85 ? events : scores)();
      await rest(random.fraction() * REST_MS_MAX);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
}

async function drain(): Promise<void> {
  try {
    await subject.flush(AbortSignal.timeout(DRAIN_LIMIT_MS));
  } catch (error) {
    stuck(`did not drain: ${String(error)}`);
  }
}

await start();
process.stdout.write('ready\n');
if (spec.role === 'writer') {
  await work();
  await drain();
} else if (spec.role === 'worker') {
  // A pending promise alone does not keep a process alive.
  const alive = setInterval(() => undefined, 60_000);
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
  clearInterval(alive);
} else {
  await drain();
  const pending = await subject.pending();
  if (pending > 0) stuck(`${pending} entries are pending after the drain`);
  for (const key of [...spec.ownKeys, ...spec.sharedKeys]) await scribe.read(key, () => subject.get(key));
  const { rows } = await pool.query<{ key: string }>(`select key from ${spec.schema}.counts`);
  for (const { key } of rows) await scribe.readTotal('counts', key, () => subject.total(key));
  await scribe.board(() => subject.board());
  for (const letter of await subject.deadLetters()) ledger.write({ what: 'dead', t: now(), ...letter });
}
await subject.close();
ledger.close();
