import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { startRedis } from '../servers/index.ts';
import { AuditedTable, watched } from '../support/audited-table.ts';
import { eventually, Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { frontKinds, NEVER, Stage } from '../support/stage.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

describe.each(frontKinds)('closing a full cache on the %s front', (kind) => {
  test('drains those who wait for room, and takes nobody new', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await stage.open<number>({
      store: watched(table.store(), { beforeApply: () => gate.pass() }),
      flush: NEVER,
      backpressure: { maxEntries: 2 },
    });
    await cache.setMany([
      ['p', 1],
      ['q', 1],
    ]);
    const waiting = [cache.set('a', 1), cache.set('b', 1)];
    await gate.arrived;
    const closing = cache.close({ timeout: '10s' });
    expect(await outcome(cache.set('late', 1))).toMatch(/^MILLRACE_CLOSED/);
    gate.open();
    expect(await closing).toEqual({ stored: 4, remaining: 0, dead: 0 });
    await Promise.all(waiting);
    expect(await table.stored()).toEqual({ p: 1, q: 1, a: 1, b: 1 });
  });

  test('turns them away at its deadline, gives its lanes back, and another goes on at once', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const front = stage.place.front();
    const cache = await stage.open<number>({
      front,
      store: watched(table.store(), { beforeApply: () => gate.pass() }),
      flush: { maxDelay: '1h', lease: '1m' },
      backpressure: { maxEntries: 2 },
    });
    await cache.setMany([
      ['p', 1],
      ['q', 1],
    ]);
    const waiting = outcome(cache.set('a', 1));
    await gate.arrived;
    expect(await cache.close({ timeout: 100 })).toEqual({ stored: 0, remaining: 2, dead: 0 });
    expect(await waiting).toMatch(/^MILLRACE_CLOSED .*waited for room\. Nothing of it was kept/);
    // The flush that hangs still has its lanes' leases for a minute, had they not been given back.
    await stage.open<number>({ front, store: table.store(), flush: { maxDelay: 1 } });
    await eventually('the next cache stores what remained', async () => (await table.count()) === 2);
    gate.open();
    expect(await table.stored()).toEqual({ p: 1, q: 1 });
  });

  test('refuses a timeout that is none, and stays open', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), flush: NEVER });
    await cache.set('a', 1);
    for (const timeout of ['soon', -1, Number.NaN])
      expect(await outcome(cache.close({ timeout: timeout as never }))).toMatch(/^MILLRACE_OPTIONS .*not closed/);
    await cache.set('b', 2);
    const reports: unknown[] = [];
    cache.on('closed', (report) => reports.push(report));
    const first = cache.close({ timeout: '365d' });
    expect(cache.close({ timeout: 0 })).toBe(first);
    expect(await first).toEqual({ stored: 2, remaining: 0, dead: 0 });
    expect(reports).toEqual([{ stored: 2, remaining: 0, dead: 0 }]);
  });
});

test('closing while it starts ends at the deadline, and lets go when the start has ended', async () => {
  await using stage = await Stage.on('memory');
  const gate = new Gate();
  const store = table.store();
  let closed = 0;
  const cache = stage.create<number>({
    store: {
      ...store,
      async attach(attachment) {
        await gate.pass();
        const attached = await store.attach(attachment);
        const close = attached.close.bind(attached);
        attached.close = async () => {
          closed++;
          await close();
        };
        return attached;
      },
    },
  });
  const asked = outcome(cache.set('a', 1));
  await gate.arrived;
  const startedAt = performance.now();
  expect(await cache.close({ timeout: 50 })).toEqual({ stored: 0, remaining: 0, dead: 0 });
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  gate.open();
  expect(await asked).toMatch(/^MILLRACE_CLOSED/);
  await eventually('the store was let go of', () => closed === 1);
});

test('a front that is gone does not hold it up, and what remains is what was last known', async () => {
  await using redis = await startRedis();
  await using stage = await Stage.on('memory');
  const gate = new Gate();
  const cache = await stage.open<number>({
    front: redisFront({ client: createClient({ url: redis.url }) }),
    store: watched(table.store(), { beforeApply: () => gate.pass() }),
    flush: NEVER,
  });
  await cache.setMany([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  process.kill(redis.pid, 'SIGSTOP');
  const startedAt = performance.now();
  const report = await cache.close({ timeout: 200 });
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  expect(report).toEqual({ stored: 0, remaining: 3, dead: 0 });
  gate.open();
  process.kill(redis.pid, 'SIGCONT');
});

test('a front that dies with the process says what is going to be lost', async () => {
  await using stage = await Stage.on('memory');
  const cache = await stage.open<number>({ store: table.store(), flush: NEVER });
  const warnings: string[] = [];
  cache.on('warning', ({ message }) => warnings.push(message));
  await cache.setMany([
    ['a', 1],
    ['b', 2],
  ]);
  await cache.pause();
  expect(await cache.close()).toEqual({ stored: 0, remaining: 2, dead: 0 });
  expect(warnings).toEqual([
    expect.stringMatching(/^2 entries of cache "c" remain in a front that dies with this process/),
  ]);
});
