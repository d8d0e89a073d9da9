import type pg from 'pg';
import {
  type Cache,
  type Counters,
  createCache,
  createCounters,
  createLeaderboard,
  createLog,
  type Leaderboard,
  type Log,
} from '../../src/index.ts';
import type { Front } from '../../src/ports/front.ts';
import { postgresCounters, postgresLeaderboard, postgresLog, postgresStore } from '../../src/stores/postgres/index.ts';
import { CACHES, type CacheName } from './ledger.ts';
import type { Doc, Event, Subject, SubjectEvents, SubjectSpec } from './subject.ts';

/** Loads only what it needs: members start often. */
async function frontOf(front: SubjectSpec['front']): Promise<Front> {
  if (front.kind === 'lmdb') return (await import('../../src/fronts/lmdb/index.ts')).lmdbFront({ path: front.at });
  const { kind, at, commandTimeoutMs } = front;
  const { redisFront } = await import('../../src/fronts/redis/index.ts');
  const client =
    kind === 'redis'
      ? (await import('redis')).createClient({ url: at })
      : new (await import('ioredis')).Redis(at, { lazyConnect: true });
  client.on('error', () => undefined);
  return redisFront({ client, commandTimeoutMs });
}

/** Caches of this checkout on one front. `flushes`: whether this process flushes, or leaves it to others. */
export async function millrace(
  spec: SubjectSpec,
  pool: pg.Pool,
  flushes: boolean,
  events: SubjectEvents,
): Promise<Subject> {
  const { policy, schema } = spec;
  const front = await frontOf(spec.front);
  const limits = { pool, lockTimeout: '1s', statementTimeout: '2s', idleTimeout: '2s' } as const;
  const retry = { attempts: 2, minDelay: '5ms', maxDelay: '200ms' } as const;
  const flush = flushes && { maxDelay: spec.maxDelayMs, batchSize: spec.batchSize, lease: spec.leaseMs };
  const docs = createCache<Doc>({
    name: 'docs',
    policy,
    front,
    store: postgresStore({ ...limits, table: `${schema}.docs`, key: 'id', value: 'doc' }),
    ttl: spec.ttlMs,
    ...(policy === 'write-behind' && { flush }),
    retry,
  });
  const counts = createCounters({
    name: 'counts',
    front,
    store: postgresCounters({ ...limits, table: `${schema}.counts`, key: 'key', count: 'count' }),
    bigint: true,
    ttl: spec.ttlMs,
    flush,
    retry,
    lanes: SHAPE_LANES,
  });
  const log = createLog<Event>({
    name: 'events',
    front,
    store: postgresLog({ ...limits, table: `${schema}.events`, value: 'event', order: 'o' }),
    key: ({ key }) => key,
    flush,
    retry,
    lanes: SHAPE_LANES,
  });
  const board = createLeaderboard({
    name: 'scores',
    front,
    store: postgresLeaderboard({ ...limits, table: `${schema}.scores`, member: 'member', score: 'score' }),
    flush,
    retry,
  });
  const caches = { docs, counts, events: log, scores: board };
  for (const name of CACHES) report(name, caches[name], events);
  const all = Object.values(caches);
  return {
    ready: async () => void (await Promise.all(all.map((cache) => cache.ready()))),
    set: (key, doc, ack) => docs.set(key, doc, { ack }),
    delete: (key, ack) => docs.delete(key, { ack }),
    get: (key) => docs.get(key),
    add: (key, by, ack) => counts.add(key, by, { ack }),
    increment: (key, by, ack) => counts.increment(key, by, { ack }),
    total: (key) => counts.get(key),
    append: (event, ack) => log.append(event, { ack }),
    score: (member, by, ack) => board.add(member, by, { ack }),
    scoreOf: async (member) => (await board.score(member)) ?? 0,
    board: () => board.top(ROWS_MAX),
    flush: async (signal) => void (await Promise.all(all.map((cache) => cache.flush({ signal })))),
    async pending() {
      const stats = await Promise.all(all.map((cache) => cache.stats()));
      return stats.reduce((sum, { pending }) => sum + pending.entries, 0);
    },
    async deadLetters() {
      const limit = ROWS_MAX;
      const [ofDocs, ofCounts, ofEvents, ofScores] = await Promise.all([
        policy === 'write-through' ? [] : docs.deadLetters.list({ limit }),
        counts.deadLetters.list({ limit }),
        log.deadLetters.list({ limit }),
        board.deadLetters.list({ limit }),
      ]);
      return [
        ...ofDocs.map(({ key, value }) => ({ cache: 'docs' as const, key, id: value?.id ?? '' })),
        ...ofCounts.map(({ key }) => ({ cache: 'counts' as const, key, id: '' })),
        ...ofEvents.map(({ key, value }) => ({ cache: 'events' as const, key, id: value?.id ?? '' })),
        ...ofScores.map(({ key }) => ({ cache: 'scores' as const, key, id: '' })),
      ];
    },
    async close() {
      await Promise.all(all.map((cache) => cache.close({ timeout: '10s' })));
      await pool.end();
    },
  };
}

/** Fewer than a cache of documents has: members start often, and each lane is taken over each time. */
const SHAPE_LANES = 2;
/** More rows than a cycle makes. */
const ROWS_MAX = 10_000;

function report(
  name: CacheName,
  cache: Cache<Doc> | Counters<bigint> | Log<Event> | Leaderboard,
  events: SubjectEvents,
): void {
  const note = (text: string): void => events.note(`${name}: ${text}`);
  cache.on('loss', ({ lane, count, cause }) => events.loss(name, lane, count, cause));
  cache.on('stopped', ({ error }) => events.stopped(`${name}: ${error.message}`));
  cache.on('recovered', ({ lane, epoch, outcome, dropped }) =>
    note(`recovered lane ${lane} as ${outcome} in epoch ${epoch}, ${dropped} dropped`),
  );
  cache.on('flush', ({ lanes, rows, dead, durationMs }) =>
    note(`flushed lanes ${lanes.join(' ')}: ${rows} rows, ${dead} dead, in ${Math.round(durationMs)} ms`),
  );
  cache.on('flush-failed', ({ lanes, error, attempt }) =>
    note(`flush ${attempt} of lanes ${lanes.join(' ')} failed: ${error.code} ${error.message}`),
  );
  cache.on('error', ({ error }) =>
    note(`${error.code} ${error.message}${error.code === 'MILLRACE_INTERNAL' ? ` ${stackOf(error)}` : ''}`),
  );
}

const stackOf = ({ stack, cause }: Error): string => String((cause as Error | undefined)?.stack ?? stack);
