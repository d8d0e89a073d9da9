import { Pool, type PoolClient } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attemptsMax } from '../../src/core/breaker.ts';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { type Cache, createCache, isMillraceError } from '../../src/index.ts';
import { redisUrl, type Server, startPostgres } from '../servers/index.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { eventually } from '../support/gate.ts';

const WORKERS = 6;
const KEYS_PER_WORKER = 40;
const LANES = 8;
const OUTAGE_MS = 6_000;
const MIN_DELAY_MS = 50;
const MAX_DELAY_MS = 1_000;
/** The shortest step of a ramp whose length is bounded by the longest delay. */
const STEP_MS_MIN = MAX_DELAY_MS / 5 / 2;

/** A pool that counts: Millrace checks a connection out for each attempt. */
class CountingPool extends Pool {
  /** When connections were asked for, and how many were out then, this one included. */
  readonly checkouts: { readonly atMs: number; readonly out: number }[] = [];
  readonly failuresAtMs: number[] = [];
  readonly successesAtMs: number[] = [];
  #out = 0;

  override connect(): Promise<PoolClient>;
  override connect(callback?: unknown): Promise<PoolClient> | void {
    if (callback !== undefined) throw new Error('only promises are counted');
    this.checkouts.push({ atMs: performance.now(), out: ++this.#out });
    return super.connect().then(
      (client) => {
        const release = client.release.bind(client);
        client.release = (error) => {
          this.#out--;
          (error === undefined ? this.successesAtMs : this.failuresAtMs).push(performance.now());
          client.release = release;
          release(error);
        };
        return client;
      },
      (error: unknown) => {
        this.#out--;
        this.failuresAtMs.push(performance.now());
        throw error;
      },
    );
  }
}

/**
 * What stands for a process: its own pool, Redis connection and breaker. Writes keys of its own, and reads what no
 * front holds.
 */
class Worker {
  readonly pool: CountingPool;
  readonly cache: Cache<number>;
  readonly states: string[] = [];
  readonly acked = new Map<string, number>();
  readonly refusals = new Set<string>();
  refusedReads = 0;
  readonly #name: number;
  readonly #client: ReturnType<typeof createClient>;
  #working: Promise<unknown> | undefined;
  #stop = false;

  constructor(name: number, table: AuditedTable, postgres: Server) {
    this.#name = name;
    this.pool = new CountingPool({ connectionString: postgres.url, max: 10 });
    this.pool.on('error', () => undefined);
    this.#client = createClient({ url: redisUrl() });
    this.cache = createCache<number>({
      name: 'outage',
      front: redisFront({ client: this.#client, prefix: `${table.schema}:` }),
      store: table.store({ pool: this.pool }),
      lanes: LANES,
      ttl: '10m',
      flush: { maxDelay: 20, lease: '500ms' },
      retry: { minDelay: MIN_DELAY_MS, maxDelay: MAX_DELAY_MS },
    });
    this.cache.on('breaker', ({ state }) => this.states.push(state));
  }

  begin(): void {
    this.#working = Promise.all([this.#write(), this.#read()]);
  }

  async #write(): Promise<void> {
    for (let n = 1; !this.#stop; n++) {
      const key = `w${this.#name}-${n % KEYS_PER_WORKER}`;
      await this.cache.set(key, n).then(
        () => this.acked.set(key, n),
        (error: unknown) => this.refusals.add(isMillraceError(error) ? error.code : String(error)),
      );
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async #read(): Promise<void> {
    for (let n = 0; !this.#stop; n++) {
      await this.cache.get(`cold${this.#name}-${n}`).catch(() => this.refusedReads++);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#working;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.cache.close({ timeout: 0 });
    await this.pool.end();
  }
}

let postgres: Server;
let table: AuditedTable;
beforeAll(async () => {
  postgres = await startPostgres();
  table = await AuditedTable.onPostgres(postgres.url);
});
afterAll(async () => {
  await table[Symbol.asyncDispose]();
  await postgres.stop();
});

test('an outage under load: attempts within budget, no stampede after it, nothing lost or stored twice', async () => {
  const workers = Array.from({ length: WORKERS }, (_, name) => new Worker(name, table, postgres));
  try {
    await Promise.all(workers.map(({ cache }) => cache.ready()));
    for (const worker of workers) worker.begin();
    await eventually('it works', async () => (await table.count()) === WORKERS * KEYS_PER_WORKER);

    const downAtMs = performance.now();
    await postgres.stop();
    const [leaver] = workers as [Worker];
    await eventually('a worker has seen it', () => leaver.states.includes('open'));
    // Its lanes can be taken by nobody before the store is back.
    await leaver.close();
    const seen = await Promise.all(
      workers.slice(1).map(async ({ acked }) => [...acked.values()].reduce((sum, n) => sum + n, 0)),
    );
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    const upAtMs = performance.now();

    // Writers did not notice; readers were told at once, again and again.
    workers.slice(1).forEach((worker, i) => {
      expect([...worker.acked.values()].reduce((sum, n) => sum + n, 0)).toBeGreaterThan((seen[i] as number) + 100);
      expect([...worker.refusals]).toEqual([]);
      expect(worker.refusedReads).toBeGreaterThan(50);
    });
    const attempts = workers.map(({ pool }) => {
      const firstMs = pool.failuresAtMs.find((atMs) => atMs >= downAtMs) ?? downAtMs;
      const begun = pool.checkouts.filter(({ atMs }) => atMs > firstMs && atMs < upAtMs).length;
      return { begun, max: attemptsMax(upAtMs - firstMs, MAX_DELAY_MS) };
    });
    expect(attempts.filter(({ begun, max }) => begun > max)).toEqual([]);
    // All but the one that left went on asking.
    expect(attempts.slice(1).filter(({ begun }) => begun < 5)).toEqual([]);

    await postgres.restart();
    const beforeRampMs = performance.now();
    await eventually(
      'all have found it back',
      () => workers.slice(1).every(({ states }) => states.includes('ramp')),
      20_000,
    );
    await Promise.all(workers.map((worker) => worker.stop()));
    await Promise.all(workers.slice(1).map(({ cache }) => cache.flush()));

    // In the ramp of each process: at most one call at once, then twice as many with each step.
    const ramps = workers.slice(1).map(({ pool }) => {
      const backAtMs = pool.successesAtMs.find((atMs) => atMs >= downAtMs + OUTAGE_MS / 2) as number;
      const after = pool.checkouts.filter(({ atMs }) => atMs >= backAtMs && atMs < backAtMs + 4 * STEP_MS_MIN);
      return {
        backAtMs,
        tooMany: after.filter(({ atMs, out }) => out > 2 ** Math.floor((atMs - backAtMs) / STEP_MS_MIN)),
      };
    });
    expect(ramps.map(({ tooMany }) => tooMany)).toEqual(ramps.map(() => []));
    // Each found out at a moment of its own.
    expect(new Set(ramps.map(({ backAtMs }) => Math.round(backAtMs))).size).toBeGreaterThan(1);
    expect(Math.max(...ramps.map(({ backAtMs }) => backAtMs)) - beforeRampMs).toBeLessThan(20_000);

    const stored = await table.stored();
    const wrong: string[] = [];
    for (const { acked } of workers)
      for (const [key, n] of acked)
        if (stored[key] !== n) wrong.push(`${key}: stored ${String(stored[key])}, acknowledged ${n}`);
    expect(wrong).toEqual([]);
    // Each version of a row is newer than the one before: none went back, none was stored twice.
    expect(
      await table.query(`
      select id, doc, before from (
        select id, doc::bigint as doc, lag(doc::bigint) over (partition by id order by at) as before
        from {{schema}}.versions
      ) as versions
      where doc <= before`),
    ).toEqual([]);
    for (const worker of workers.slice(1)) {
      expect(worker.states.slice(0, 2)).toEqual(['open', 'ramp']);
      expect((await worker.cache.stats()).pending.entries).toBe(0);
      expect((await worker.cache.stats()).lost).toBe(0);
    }
    const [begun, most] = [attempts.map((each) => each.begun), Math.max(...attempts.map(({ max }) => max))];
    console.info(
      `attempts of each process in ${Math.round((upAtMs - downAtMs) / 100) / 10} s: ${begun.join(', ')} ` +
        `(at most ${most}); reads refused: ${workers.map(({ refusedReads }) => refusedReads).join(', ')}`,
    );
  } finally {
    await Promise.all(workers.slice(1).map((worker) => worker.close()));
  }
});
