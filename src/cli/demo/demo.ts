import { randomBytes } from 'node:crypto';
import { type Cache, type CacheOptions, createCache } from '../../index.ts';
import { type FrontPlace, lmdbPlace, redisPlace } from './front-place.ts';
import { type DemoOptions, POLICIES } from './options.ts';
import { cacheOptions, type Observer, type PolicyResult, runPolicy } from './policy.ts';
import { pglitePlace, postgresPlace, type StorePlace, TABLE } from './store-place.ts';
import { type StatementTap, type Verification, verifyAll } from './verification.ts';
import type { Session } from './workload.ts';

export interface DemoObserver extends Observer {
  settingUp(what: string): void;
  ready(places: Places): void;
  interrupted(): void;
  verifying(done: number, all: number): void;
  verified(results: readonly PolicyResult[], verification: Verification): void;
  cleanedUp(what: readonly string[]): void;
}

export interface Places {
  readonly front: FrontPlace;
  readonly store: StorePlace;
}

export interface DemoResult {
  readonly front: Pick<FrontPlace, 'kind' | 'version' | 'title' | 'note'>;
  readonly store: Pick<StorePlace, 'kind' | 'version' | 'title' | 'note'>;
  readonly policies: readonly PolicyResult[];
  readonly verification: Verification;
  readonly interrupted: boolean;
}

/**
 * Does the same work with each policy, one after the other, and verifies that every acknowledged record is in both
 * places. Leaves nothing behind unless asked to. An aborted signal ends the writing; what was acknowledged is still
 * flushed and verified.
 */
export async function runDemo(options: DemoOptions, observer: DemoObserver, signal: AbortSignal): Promise<DemoResult> {
  const run = randomBytes(4).toString('hex');
  const tap: StatementTap = { listener: undefined };
  const opened: Opened[] = [];
  try {
    const places = await openPlaces(options, run, tap, observer, opened);
    observer.ready(places);
    return await comparePolicies(options, places, { run, tap, observer, signal });
  } finally {
    const cleaned: string[] = [];
    for (const place of opened) {
      // What went wrong before this matters more than what is left behind.
      cleaned.push(await place.close(options.keep).catch(() => `${place.title} could not be cleaned up`));
    }
    if (cleaned.length > 0) observer.cleanedUp(cleaned);
  }
}

type Opened = FrontPlace | StorePlace;

async function openPlaces(
  options: DemoOptions,
  run: string,
  tap: StatementTap,
  observer: DemoObserver,
  opened: Opened[],
): Promise<Places> {
  const trips = {
    latencyMs: options.storeLatencyMs,
    onStatement: (sql: string, values: unknown) => tap.listener?.(sql, values),
  };
  const front = await (options.redis === undefined ? lmdbPlace() : redisPlace(options.redis, run));
  opened.push(front);
  observer.settingUp(
    options.postgres === undefined ? 'setting up PGlite, which takes a few seconds' : 'connecting to PostgreSQL',
  );
  const store = await (options.postgres === undefined
    ? pglitePlace(trips, options.keep)
    : postgresPlace(options.postgres, run, trips));
  opened.push(store);
  return { front, store };
}

interface Run {
  readonly run: string;
  readonly tap: StatementTap;
  readonly observer: DemoObserver;
  readonly signal: AbortSignal;
}

async function comparePolicies(
  options: DemoOptions,
  { front, store }: Places,
  { run, tap, observer, signal }: Run,
): Promise<DemoResult> {
  const caches: Cache<Session>[] = [];
  const works: { result: PolicyResult; cache: Cache<Session> }[] = [];
  const onAbort = () => observer.interrupted();
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (const policy of POLICIES) {
      if (signal.aborted) break;
      const places = { front: front.front, store: store.store as CacheOptions<Session>['store'] };
      const cache = createCache<Session>(cacheOptions(policy, `demo-${run}-${policy}`, places, options));
      caches.push(cache);
      const countStored = () => count(store, `user_id LIKE '${policy}:%'`);
      works.push({ result: await runPolicy({ policy, cache, options, observer, signal, countStored }), cache });
    }
    const verification = await verifyAll({ works, store, tap, options, observer });
    const policies = works.map(({ result }) => result);
    observer.verified(policies, verification);
    const { kind, version, title, note } = front;
    return {
      front: { kind, version, title, note },
      store: { kind: store.kind, version: store.version, title: store.title, note: store.note },
      policies,
      verification,
      interrupted: signal.aborted,
    };
  } finally {
    signal.removeEventListener('abort', onAbort);
    await Promise.allSettled(caches.map((cache) => cache.close({ timeout: '5s' })));
  }
}

async function count(store: StorePlace, condition: string): Promise<number> {
  const rows = await store.query(`SELECT count(*)::int AS count FROM ${TABLE} WHERE ${condition}`);
  return Number(rows[0]?.['count']);
}
