/**
 * A process of a cycle, to be killed, suspended and cut off. Its argument is a {@link MemberSpec} as JSON. It writes and
 * reads (`writer`), only flushes (`worker`), or drains what the others left and looks at all keys (`drainer`). It prints
 * `ready`, and ends in good order on SIGTERM; a drainer ends by itself.
 */
import { once } from 'node:events';
import pg from 'pg';
import { isMillraceError } from '../../src/index.ts';
import { Prng } from '../sim/prng.ts';
import { SETTLE_MS } from './history.ts';
import { Ledger, now, type Level } from './ledger.ts';
import { millrace } from './millrace.ts';
import type { Acknowledged, SubjectEvents, SubjectSpec } from './subject.ts';

export interface MemberSpec extends SubjectSpec {
  readonly name: string;
  readonly role: 'writer' | 'worker' | 'drainer';
  readonly flushes: boolean;
  readonly seed: number;
  readonly ledger: string;
  readonly levels: readonly Level[];
  /** Keys that only this member writes, and those that others write too. */
  readonly ownKeys: readonly string[];
  readonly sharedKeys: readonly string[];
}

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
const codeOf = (error: unknown): string => (isMillraceError(error) ? error.code : String(error));

const events: SubjectEvents = {
  loss: (lane, count, cause) => ledger.write({ what: 'loss', t: now(), lane, count, cause }),
  stopped: stuck,
  note,
};
const pool = new pg.Pool({ connectionString: spec.postgres, max: 4, connectionTimeoutMillis: 2_000 });
pool.on('error', () => undefined);
const subject = spec.subject === 'naive' ? (await import('./naive.ts')).naiveWriteBehind(spec, pool) : await millrace(spec, pool, spec.flushes, events);

// The end of its input means that the harness is gone, however that came about.
process.stdin.resume().once('end', () => process.exit(1));
(process.stdin as unknown as { unref(): void }).unref();

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
let writes = 0;
const busy = new Set<string>();

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

async function write(key: string, put: boolean, level: Level): Promise<boolean> {
  const id = `${spec.name}:${++writes}`;
  const refused = key.startsWith('refused');
  const doc = { id, pad: 'x'.repeat(random.between(0, 200)), ...(refused && { bad: true as const }) };
  ledger.write({ what: 'ask', t: now(), id, key, put, level });
  let acknowledged: Acknowledged;
  try {
    acknowledged = await (put ? subject.set(key, doc, level) : subject.delete(key, level));
  } catch (error) {
    ledger.write({ what: 'fail', t: now(), id, code: codeOf(error) });
    return false;
  }
  const { lane = -1, epoch = -1, seq = -1 } = acknowledged;
  ledger.write({ what: 'ack', t: now(), id, lane, epoch, seq });
  if (level !== 'stored' && random.chance(0.1)) {
    acknowledged.stored().then(
      () => ledger.write({ what: 'stored', t: now(), id }),
      (error: unknown) => ledger.write({ what: 'unstored', t: now(), id, code: codeOf(error) }),
    );
  }
  return true;
}

/** Mostly one that is quick: a write that waits for the store leaves little for faults to find under way. */
function pickLevel(): Level {
  const quick = spec.levels.filter((level) => level !== 'stored');
  return quick.length === 0 || random.chance(0.2) ? 'stored' : random.pick(quick);
}

async function read(key: string): Promise<void> {
  const from = now();
  const doc = await subject.get(key).catch((error: unknown) => error as Error);
  if (!(doc instanceof Error)) ledger.write({ what: 'got', from, t: now(), key, id: doc?.id ?? null });
}

/** Writes a key, reads it back, and reads another; never two writes of a key at a time. */
async function work(): Promise<void> {
  while (!stop.signal.aborted) {
    const key = random.pick(random.chance(0.75) ? spec.ownKeys : spec.sharedKeys);
    if (busy.has(key)) {
      await rest(1);
      continue;
    }
    busy.add(key);
    const done = await write(key, random.chance(0.85), pickLevel());
    await read(key);
    if (random.chance(0.3)) await read(random.pick(random.chance(0.5) ? spec.ownKeys : spec.sharedKeys));
    if (random.chance(0.01)) await write(`refused-${spec.name}-${writes}`, true, pickLevel());
    // What became of it is not known: it may take effect in a moment, and then come before the key's next write.
    if (!done) await rest(SETTLE_MS + 50);
    busy.delete(key);
    await rest(random.fraction() * REST_MS_MAX);
  }
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
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
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
  for (const key of [...spec.ownKeys, ...spec.sharedKeys]) await read(key);
  for (const letter of await subject.deadLetters()) ledger.write({ what: 'dead', t: now(), ...letter });
}
await subject.close();
ledger.close();
