import type pg from 'pg';
import { createCache } from '../../src/index.ts';
import type { Front } from '../../src/ports/front.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import type { Doc, Subject, SubjectEvents, SubjectSpec } from './subject.ts';

/** Loads only what it needs: members start often. */
async function frontOf({ kind, at }: SubjectSpec['front']): Promise<Front> {
  if (kind === 'lmdb') return (await import('../../src/fronts/lmdb/index.ts')).lmdbFront({ path: at });
  const { redisFront } = await import('../../src/fronts/redis/index.ts');
  const client = kind === 'redis' ? (await import('redis')).createClient({ url: at }) : new (await import('ioredis')).Redis(at, { lazyConnect: true });
  client.on('error', () => undefined);
  return redisFront({ client, commandTimeoutMs: 1_000 });
}

/** A cache of this checkout. `flushes`: whether this process flushes, or leaves it to others. */
export async function millrace(spec: SubjectSpec, pool: pg.Pool, flushes: boolean, events: SubjectEvents): Promise<Subject> {
  const { policy } = spec;
  const cache = createCache<Doc>({
    name: 'torture',
    policy,
    front: await frontOf(spec.front),
    store: postgresStore({ pool, table: spec.table, key: 'id', value: 'doc', lockTimeout: '1s', statementTimeout: '2s', idleTimeout: '2s' }),
    ttl: spec.ttlMs,
    ...(policy === 'write-behind' && { flush: flushes && { maxDelay: spec.maxDelayMs, batchSize: spec.batchSize, lease: spec.leaseMs } }),
    retry: { attempts: 2, minDelay: '5ms', maxDelay: '200ms' },
  });
  cache.on('loss', ({ lane, count, cause }) => events.loss(lane, count, cause));
  cache.on('stopped', ({ error }) => events.stopped(error.message));
  cache.on('recovered', ({ lane, epoch, outcome, dropped }) => events.note(`recovered lane ${lane} as ${outcome} in epoch ${epoch}, ${dropped} dropped`));
  cache.on('flush', ({ lanes, rows, dead, durationMs }) => events.note(`flushed lanes ${lanes.join(' ')}: ${rows} rows, ${dead} dead, in ${Math.round(durationMs)} ms`));
  cache.on('flush-failed', ({ lanes, error, attempt }) => events.note(`flush ${attempt} of lanes ${lanes.join(' ')} failed: ${error.code} ${error.message}`));
  cache.on('error', ({ error }) => events.note(`${error.code} ${error.message}${error.code === 'MILLRACE_INTERNAL' ? ` ${String((error.cause as Error | undefined)?.stack ?? error.stack)}` : ''}`));
  return {
    ready: () => cache.ready(),
    set: (key, doc, ack) => cache.set(key, doc, { ack }),
    delete: (key, ack) => cache.delete(key, { ack }),
    get: (key) => cache.get(key),
    flush: (signal) => cache.flush({ signal }),
    pending: async () => (await cache.stats()).pending.entries,
    async deadLetters() {
      if (policy === 'write-through') return [];
      const letters = await cache.deadLetters.list({ limit: 10_000 });
      return letters.map(({ key, value }) => ({ key, id: value?.id ?? '' }));
    },
    async close() {
      await cache.close({ timeout: '10s' });
      await pool.end();
    },
  };
}
