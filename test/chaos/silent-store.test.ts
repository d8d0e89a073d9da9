import { Pool, type PoolClient } from 'pg';
import { expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { type CacheEvents, createCache, isMillraceError } from '../../src/index.ts';
import { postgresUrl } from '../servers/index.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { eventually } from '../support/gate.ts';
import { Load } from '../support/load.ts';
import { Proxy } from '../support/proxy.ts';

/** `statementTimeout`, and the 5 s that are added for a server that does not keep to it. */
const STATEMENT_TIMEOUT_MS = 200;
const SILENCE_MS = STATEMENT_TIMEOUT_MS + 5_000;
/** What a busy machine may add. */
const SLACK_MS = 5_000;

/** Commits, and keeps the answer to itself, as often as it is told to. */
class MutePool extends Pool {
  swallow = 0;
  readonly released: boolean[] = [];

  override connect(): Promise<PoolClient>;
  override connect(callback?: unknown): Promise<PoolClient> | void {
    if (callback !== undefined) throw new Error('only promises are counted');
    return super.connect().then((client) => this.#muted(client));
  }

  #muted(client: PoolClient): PoolClient {
    return new MuteClient(client, this) as unknown as PoolClient;
  }
}

/** The part of a client that Millrace uses. */
class MuteClient {
  readonly #client: PoolClient;
  readonly #pool: MutePool;

  constructor(client: PoolClient, pool: MutePool) {
    this.#client = client;
    this.#pool = pool;
  }

  async query(config: { text: string }): Promise<unknown> {
    const result: unknown = await this.#client.query(config);
    if (config.text === 'commit' && this.#pool.swallow > 0) {
      this.#pool.swallow--;
      return new Promise(() => undefined);
    }
    return result;
  }

  release(error?: Error): void {
    this.#pool.released.push(error !== undefined);
    this.#client.release(error);
  }

  on(event: 'error', listener: (error: Error) => void): void {
    this.#client.on(event, listener);
  }

  removeListener(event: 'error', listener: (error: Error) => void): void {
    this.#client.removeListener(event, listener);
  }
}

test('a server that accepts connections and answers nothing is given up in bounded time; nothing is lost', async () => {
  await using table = await AuditedTable.onPostgres();
  await using proxy = await Proxy.to(Number(new URL(postgresUrl()).port));
  const pool = new Pool({ connectionString: proxy.of(postgresUrl()), max: 4 });
  pool.on('error', () => undefined);
  const cache = createCache<number>({
    name: 'silent',
    front: memoryFront(),
    store: table.store({ pool, statementTimeout: STATEMENT_TIMEOUT_MS }),
    flush: { maxDelay: 5 },
    retry: { minDelay: 20, maxDelay: 200 },
  });
  const failures: CacheEvents['flush-failed'][] = [];
  cache.on('flush-failed', (event) => failures.push(event));
  await cache.ready();
  const load = new Load(cache, 20);
  await eventually('it works', async () => (await table.count()) === 20);

  const stalledAtMs = performance.now();
  proxy.stall();
  const before = load.total;
  // A read of what the front does not have ends too, with the reason.
  const read = cache.get('cold').then(
    () => 'answered',
    (error: unknown) => (isMillraceError(error) ? error.code : String(error)),
  );
  await eventually('the flush is given up', () => failures.length > 0, SILENCE_MS + SLACK_MS);
  expect(await read).toBe('MILLRACE_STORE_UNAVAILABLE');
  expect(performance.now() - stalledAtMs).toBeLessThan(SILENCE_MS + SLACK_MS);
  expect(failures[0]?.error).toMatchObject({ code: 'MILLRACE_STORE_UNAVAILABLE' });
  expect(load.total).toBeGreaterThan(before);
  proxy.resume();
  await load.stop();
  await cache.flush();
  expect(await load.faultsIn(table)).toEqual([]);
  expect(load.refusals).toEqual(new Set());
  expect(await cache.stats()).toMatchObject({ dead: 0, lost: 0, pending: { entries: 0 } });
  await cache.close();
  // Every connection that was silent is gone, or could not be ended.
  await pool.end();
});

test('a commit whose answer never comes is decided by the fence: stored once, no letter, no connection', async () => {
  await using table = await AuditedTable.onPostgres();
  const pool = new MutePool({ connectionString: postgresUrl(), max: 4 });
  const cache = createCache<number>({
    name: 'mute',
    front: memoryFront(),
    store: table.store({ pool, statementTimeout: STATEMENT_TIMEOUT_MS }),
    flush: { maxDelay: 5 },
    retry: { minDelay: 20, maxDelay: 200 },
  });
  await cache.ready();
  await cache.set('before', 1);
  await cache.flush();
  pool.swallow = 1;
  pool.released.length = 0;
  const beganAtMs = performance.now();
  const receipt = await cache.set('x', 1);
  await cache.set('y', 1);
  await receipt.stored();
  expect(performance.now() - beganAtMs).toBeGreaterThan(SILENCE_MS - 50);
  expect(performance.now() - beganAtMs).toBeLessThan(SILENCE_MS + SLACK_MS);
  expect(pool.released.filter((destroyed) => destroyed)).toHaveLength(1);
  await cache.set('x', 2);
  await cache.flush();
  expect(await table.versions('x')).toEqual([1, 2]);
  expect(await table.versions('y')).toEqual([1]);
  const { flushFailures, dead } = await cache.stats();
  expect({ flushFailures, dead }).toEqual({ flushFailures: 1, dead: 0 });
  await cache.close();
  await pool.end();
});
