import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/errors.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import type { Cache, CacheOptions } from '../../src/index.ts';
import type { Front } from '../../src/ports/front.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { AuditedTable, type StoreHooks, watched } from '../support/audited-table.ts';
import { FreezableClock } from '../support/freezable-clock.ts';
import { eventually, Gate } from '../support/gate.ts';
import { frontKinds, NEVER, Stage, sharedKinds } from '../support/stage.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

const times = <T>(n: number, task: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: n }, task));
const insert = (id: string, doc: unknown) =>
  table.query(
    'insert into {{schema}}.docs (id, doc) values ($1, $2) on conflict (id) do update set doc = excluded.doc',
    [id, JSON.stringify(doc)],
  );

/** The store of the table, with the keys of each load that it was asked for. */
function countedStore(hooks: StoreHooks = {}) {
  const loads: (readonly string[])[] = [];
  const store = watched(table.store(), {
    ...hooks,
    beforeLoad(keys) {
      loads.push(keys);
      return hooks.beforeLoad?.(keys);
    },
  });
  return { store, loads };
}

describe.each(frontKinds)('reading through the %s front', (kind) => {
  test('1,000 concurrent misses of one key cause one load', async () => {
    await insert('k', { n: 1 });
    await using stage = await Stage.on(kind);
    const { store, loads } = countedStore();
    const cache = await stage.open({ store });
    const values = await times(1_000, () => cache.get('k'));
    expect(new Set(values.map((value) => JSON.stringify(value)))).toEqual(new Set(['{"n":1}']));
    expect(loads).toEqual([['k']]);
    // By then the front has it.
    await eventually('the slot is filled', async () => (await cache.inspect('k')).front === 'value');
    loads.length = 0;
    expect(await cache.get('k')).toEqual({ n: 1 });
    expect(loads).toEqual([]);
  });

  test('while a load runs, everybody waits for it, also when it finds nothing', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const { store, loads } = countedStore({ beforeLoad: () => gate.pass() });
    const cache = await stage.open({ store });
    const found = times(1_000, () => cache.get('nowhere'));
    await gate.arrived;
    // The steps of a front are answered in order: by then all have seen the token.
    for (let i = 0; i < 3; i++) await cache.stats();
    gate.open();
    expect(new Set(await found)).toEqual(new Set([undefined]));
    expect(loads).toEqual([['nowhere']]);
  });

  test('hits that are asked for together are each the value of their own key', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open({ store: countedStore().store });
    const keys = Array.from({ length: 1_000 }, (_, i) => `k${i}`);
    await cache.setMany(keys.map((key, i) => [key, { n: i }] as const));
    expect(await Promise.all([...keys, ...keys].map((key) => cache.get(key)))).toEqual(
      [...keys, ...keys].map((_, i) => ({ n: i % 1_000 })),
    );
  });

  test('misses of one turn share a statement', async () => {
    await using stage = await Stage.on(kind);
    const { store, loads } = countedStore();
    const cache = await stage.open({ store });
    await insert('b', 2);
    expect(Object.fromEntries(await cache.getMany(['a', 'b', 'c']))).toEqual({ b: 2 });
    expect(loads).toEqual([['a', 'b', 'c']]);
  });

  test('a load that fails rejects those who waited for it, and the next read loads anew', async () => {
    await insert('k', 1);
    await using stage = await Stage.on(kind);
    let failures = 1;
    const { store, loads } = countedStore({
      beforeLoad() {
        if (failures-- > 0) throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the store is down');
      },
    });
    const cache = await stage.open({ store });
    const results = await Promise.allSettled([cache.get('k'), cache.get('k')]);
    expect(results.map((result) => (result as PromiseRejectedResult).reason as unknown)).toEqual([
      expect.objectContaining({ code: 'MILLRACE_STORE_UNAVAILABLE' }),
      expect.objectContaining({ code: 'MILLRACE_STORE_UNAVAILABLE' }),
    ]);
    expect(await cache.get('k')).toBe(1);
    expect(loads).toHaveLength(2);
  });

  test('getOrLoad calls its loader once for all who ask, and writes what it returns', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), flush: NEVER });
    let calls = 0;
    const load = async (): Promise<number> => ++calls;
    expect(new Set(await times(100, () => cache.getOrLoad('k', load)))).toEqual(new Set([1]));
    expect(await cache.getOrLoad('k', load)).toBe(1);
    expect(await cache.getOrLoad('nothing', () => undefined)).toBeUndefined();
    expect(calls).toBe(1);
    await cache.flush();
    expect(await table.stored()).toEqual({ k: 1 });
  });
});

test.each(sharedKinds)('1,000 concurrent misses of one key in two processes on %s cause one load', async (kind) => {
  await insert('k', { n: 1 });
  await using stage = await Stage.on(kind);
  const gate = new Gate();
  const first = countedStore({ beforeLoad: () => gate.pass() });
  const second = countedStore();
  const one = await stage.open({ store: first.store });
  const two = await stage.open({ store: second.store });
  const early = times(500, () => one.get('k'));
  await gate.arrived;
  const late = times(500, () => two.get('k'));
  // Those in the other process have seen the token when one of them would have loaded by itself.
  expect((await two.inspect('k')).front).toBe('filling');
  second.loads.length = 0;
  gate.open();
  const values = [...(await early), ...(await late)];
  expect(new Set(values.map((value) => JSON.stringify(value)))).toEqual(new Set(['{"n":1}']));
  expect(first.loads).toEqual([['k']]);
  expect(second.loads).toEqual([]);
});

test('a reader too late for its own load waits for no other of its statement, nor goes round in circles', async () => {
  const forA = new Gate();
  const forB = new Gate();
  const memory = memoryFront();
  let reads = 0;
  const front: Front = {
    ...memory,
    async attach(attachment) {
      const attached = await memory.attach(attachment);
      const read = attached.read.bind(attached);
      return Object.assign(attached, {
        async read(lane: number, key: string) {
          // A circle that never leaves the queue of microtasks would let no time limit fire.
          if (++reads > 1_000) throw new Error('read again and again');
          return read(lane, key);
        },
      });
    },
  };
  await using stage = await Stage.on('memory');
  const one = await stage.open({
    policy: 'cache-aside',
    front,
    store: new MemoryStore({ beforeLoad: () => forA.pass() }),
  });
  const two = await stage.open({
    policy: 'cache-aside',
    front,
    store: new MemoryStore({ beforeLoad: (keys) => (keys.includes('b') ? forB.pass() : undefined) }),
  });
  // Both find the slot of `a` empty; the token of the first gets there first.
  const first = one.get('a');
  const late = two.get('a');
  const other = two.get('b');
  await Promise.all([forA.arrived, forB.arrived]);
  forA.open();
  expect(await first).toBeUndefined();
  expect(await late).toBeUndefined();
  expect(await two.get('a')).toBeUndefined();
  forB.open();
  expect(await other).toBeUndefined();
});

describe('refresh ahead', () => {
  async function open(store: MemoryStore) {
    const clock = new VirtualClock();
    const front = memoryFront();
    const stage = await Stage.on('memory');
    const cache = stage.create<string>({
      front,
      store,
      clock,
      ttl: 1_000,
      refreshAhead: 0.8,
      flush: { maxDelay: '1h' },
    });
    await clock.until(cache.ready());
    return { cache, clock, front };
  }
  const get = (clock: VirtualClock, cache: Cache<string>) => clock.until(cache.get('k'));

  test('reloads a value before it expires, once, in the background, and gives it a new life', async () => {
    const loads: string[] = [];
    const gate = new Gate();
    const store = new MemoryStore({
      async beforeLoad() {
        loads.push(store.rows.get('k') ?? '');
        if (loads.length === 2) await gate.pass();
      },
    });
    store.rows.set('k', '"old"');
    const { cache, clock } = await open(store);
    expect(await get(clock, cache)).toBe('old');
    store.rows.set('k', '"new"');
    await clock.advance(799);
    expect(await get(clock, cache)).toBe('old');
    expect(loads).toHaveLength(1);
    await clock.advance(2);
    // Nobody waits for the reload: the gate is shut.
    expect(await clock.until(times(100, () => cache.get('k')))).toEqual(Array.from({ length: 100 }, () => 'old'));
    await gate.arrived;
    expect(loads).toHaveLength(2);
    gate.open();
    await clock.advance(1);
    expect(await get(clock, cache)).toBe('new');
    expect(loads).toHaveLength(2);
    // Without the new life it would have been gone at 1,000 ms.
    await clock.advance(790);
    expect(await get(clock, cache)).toBe('new');
    expect(loads).toHaveLength(2);
    await clock.until(cache.close());
  });

  test('a write during the refresh wins', async () => {
    const gate = new Gate();
    let loads = 0;
    const store = new MemoryStore({ afterLoad: () => (++loads === 2 ? gate.pass() : undefined) });
    store.rows.set('k', '"old"');
    const { cache, clock } = await open(store);
    await get(clock, cache);
    await clock.advance(900);
    await get(clock, cache);
    await gate.arrived;
    await clock.until(cache.set('k', 'written'));
    gate.open();
    await clock.advance(1);
    expect(await get(clock, cache)).toBe('written');
    await clock.until(cache.flush());
    expect(store.versions.get('k')).toEqual(['"written"']);
    expect(await get(clock, cache)).toBe('written');
    await clock.until(cache.close());
  });

  test.each(frontKinds)('on %s and PostgreSQL: what changed in the store is seen without a miss', async (kind) => {
    await insert('k', 1);
    await using stage = await Stage.on(kind);
    const { store, loads } = countedStore();
    const cache = await stage.open<number>({ store, ttl: '1h', refreshAhead: 0.000_01 });
    expect(await cache.get('k')).toBe(1);
    await eventually('the slot is filled', async () => (await cache.inspect('k')).front === 'value');
    await insert('k', 2);
    await eventually('the reload is seen', async () => (await cache.get('k')) === 2);
    expect((await cache.stats()).misses).toBe(1);
    expect(loads.length).toBeGreaterThan(1);
  });
});

describe.each(frontKinds)('read your writes on %s', (kind) => {
  async function expectValue(cache: Cache<number>, key: string, value: number): Promise<void> {
    expect(await cache.get(key)).toBe(value);
    expect((await cache.getMany([key])).get(key)).toBe(value);
    expect(await cache.has(key)).toBe(true);
    expect(await cache.getOrLoad(key, () => -1)).toBe(value);
  }
  const options = { flush: NEVER, ttl: 1 } as const satisfies Partial<CacheOptions<number>>;

  test('a pending value is found after its expiry, a pending delete hides what the store still has', async () => {
    await insert('deleted', 1);
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({ store: table.store(), ...options });
    expect(await cache.get('deleted')).toBe(1);
    await cache.set('k', 1);
    await cache.set('own', 1, { ttl: 1 });
    await cache.set('k', 2);
    await cache.delete('deleted');
    const until = performance.now() + 30;
    await eventually('the expiry is long past', () => performance.now() > until);
    await expectValue(cache, 'k', 2);
    await expectValue(cache, 'own', 1);
    expect(await cache.get('deleted')).toBeUndefined();
    expect(await cache.has('deleted')).toBe(false);
    expect((await cache.getMany(['deleted', 'k'])).has('deleted')).toBe(false);
    expect(await table.stored()).toEqual({ deleted: 1 });
    await cache.flush();
    expect(await table.stored()).toEqual({ k: 2, own: 1 });
    expect(await cache.get('deleted')).toBeUndefined();
    // Clean now, it does expire, and is read from the store.
    await eventually('the slot is empty', async () => (await cache.inspect('k')).front === 'empty');
    await expectValue(cache, 'k', 2);
  });

  test('a pending value is found while the store is down', async () => {
    await using stage = await Stage.on(kind);
    let down = false;
    const fail = (): void => {
      if (down) throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'the store is down');
    };
    const cache = await stage.open<number>({
      store: watched(table.store(), { beforeLoad: fail, beforeApply: fail }),
      ...options,
      flush: { maxDelay: 1 },
      retry: { minDelay: 1, maxDelay: 5 },
    });
    let failures = 0;
    cache.on('flush-failed', () => failures++);
    down = true;
    await cache.set('k', 1);
    await eventually('flushes fail', () => failures > 2);
    await expectValue(cache, 'k', 1);
    // While the first is in flight and fails.
    await cache.set('k', 2);
    await expectValue(cache, 'k', 2);
    await cache.delete('k');
    expect(await cache.get('k')).toBeUndefined();
    await cache.set('k', 3);
    await expectValue(cache, 'k', 3);
    down = false;
    await cache.flush();
    expect(await table.stored()).toEqual({ k: 3 });
  });

  test('a pending value is found by the next process, which never heard of it', async () => {
    await insert('deleted', 1);
    await using stage = await Stage.on(kind);
    const clock = new FreezableClock();
    const gone = await stage.open<number>({ store: table.store(), ...options, clock });
    await gone.set('k', 1);
    await gone.set('k', 2);
    await gone.delete('deleted');
    // As if it were dead: it neither closes nor gives its lanes back.
    clock.freeze();
    const next = await stage.open<number>({ store: table.store(), ...options });
    await expectValue(next, 'k', 2);
    expect(await next.get('deleted')).toBeUndefined();
    expect(await table.stored()).toEqual({ deleted: 1 });
    await eventually('the heir has taken the lanes over, when their lease ran out', async () => {
      await next.flush();
      return JSON.stringify(await table.stored()) === '{"k":2}';
    });
    await expectValue(next, 'k', 2);
    clock.thaw();
  });
});
