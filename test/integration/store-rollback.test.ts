import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { type Cache, type CacheEvents, createCache } from '../../src/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { eventually } from '../support/gate.ts';
import { NEVER, Stage, sharedKinds } from '../support/stage.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

interface Told {
  readonly losses: CacheEvents['loss'][];
  readonly stops: CacheEvents['stopped'][];
}

function listen(cache: Cache<number>): Told {
  const losses: CacheEvents['loss'][] = [];
  const stops: CacheEvents['stopped'][] = [];
  cache.on('loss', (event) => losses.push(event));
  cache.on('stopped', (event) => stops.push(event));
  return { losses, stops };
}

/** A backup of table and fence, as of the moment of the call. Returns how to restore it. */
async function backup(): Promise<() => Promise<void>> {
  for (const name of ['docs', 'millrace_fence']) {
    await table.query(`drop table if exists {{schema}}.saved_${name}`);
    await table.query(`create table {{schema}}.saved_${name} as table {{schema}}.${name}`);
  }
  return async () => {
    for (const name of ['docs', 'millrace_fence']) {
      await table.query(`delete from {{schema}}.${name}`);
      await table.query(`insert into {{schema}}.${name} select * from {{schema}}.saved_${name}`);
    }
  };
}

describe.each(sharedKinds)('on the %s front', (kind) => {
  test('a store that was restored to an earlier state stops the lane until an operator goes on', async () => {
    await using stage = await Stage.on(kind, `rollback-${kind}`);
    const options = { store: table.store(), lanes: 1, flush: NEVER, retry: { minDelay: 1, maxDelay: 20 } };
    const cache = await stage.open<number>(options);
    const told = listen(cache);
    await cache.set('a', 1);
    await cache.flush();
    const restore = await backup();
    await cache.set('b', 2);
    await cache.flush();
    await cache.set('c', 3);
    await cache.flush();
    await cache.set('d', 4);
    const other = await stage.open<number>(options);
    expect(await other.getMany(['a', 'b', 'c', 'd'])).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
        ['c', 3],
        ['d', 4],
      ]),
    );
    await restore();
    // The backup's epoch is below the front's, too.
    await table.query("update {{schema}}.millrace_fence set epoch = 0 where cache like 'rollback%'");

    await expect(cache.flush()).rejects.toMatchObject({
      code: 'MILLRACE_LANE_STOPPED',
      message: expect.stringMatching(/generations 2 to 3/),
    });
    await expect(cache.set('e', 5)).rejects.toMatchObject({ code: 'MILLRACE_LANE_STOPPED' });
    expect(told.stops.length).toBeGreaterThan(0);
    expect(told.losses).toEqual([]);
    // Trying again, and an ordinary resume, change nothing.
    await cache.resume();
    await expect(cache.set('e', 5)).rejects.toMatchObject({ code: 'MILLRACE_LANE_STOPPED' });
    expect(await table.stored()).toEqual({ a: 1 });
    // What the store has lost can be read until then.
    expect(await other.get('c')).toBe(3);

    await cache.resume({ acceptStoreRollback: true });
    // Two mutations and two cuts.
    expect(told.losses).toEqual([{ lane: 0, count: 4, cause: 'store-rolled-back' }]);
    expect((await cache.stats()).lost).toBe(4);
    for (const each of [other, cache])
      expect(await each.getMany(['a', 'b', 'c', 'd'])).toEqual(
        new Map([
          ['a', 1],
          ['d', 4],
        ]),
      );
    await cache.set('e', 5);
    await cache.flush();
    expect(await table.stored()).toEqual({ a: 1, d: 4, e: 5 });
    // Nothing is lost a second time.
    await cache.resume({ acceptStoreRollback: true });
    expect(told.losses.length).toBe(1);
    await cache.set('f', 6);
    await cache.flush();
    expect(await table.count()).toBe(4);
  });

  test('a generation that was in flight is stored after the rollback is accepted', async () => {
    await using stage = await Stage.on(kind, `inflight-${kind}`);
    let refuse = false;
    const store = new MemoryStore({
      beforeApply() {
        if (refuse) throw new Error('away');
      },
    });
    const cache = await stage.open<number>({ store, lanes: 1, flush: NEVER, retry: { minDelay: 1, maxDelay: 20 } });
    await cache.set('a', 1);
    await cache.flush();
    const saved = new Map(store.fences);
    await cache.set('b', 2);
    await cache.flush();
    refuse = true;
    await cache.set('c', 3);
    const flushed = cache.flush().catch(() => undefined);
    await eventually(
      'a generation is in flight',
      async () =>
        ((await cache.inspect('c')).state as string) === 'in-flight' || (await cache.stats()).flushFailures > 0,
    );
    for (const [lane, fence] of saved) store.fences.set(lane, fence);
    store.rows.delete('b');
    refuse = false;
    await flushed;
    await eventually('the lane stopped', async () => (await cache.stats()).lanes[0]?.stopped !== '');
    await cache.resume({ acceptStoreRollback: true });
    await cache.flush();
    expect([...store.rows.keys()]).toEqual(['a', 'c']);
  });

  test('a lane whose fence row was deleted goes on above the epoch that the front knows', async () => {
    await using stage = await Stage.on(kind, `lost-row-${kind}`);
    const options = { store: table.store(), lanes: 1, flush: NEVER };
    const first = await stage.open<number>(options);
    for (let i = 0; i < 5; i++) {
      await first.set('a', i);
      await first.flush();
    }
    // Epochs far above anything that could be caught up with by trying.
    await table.query("update {{schema}}.millrace_fence set epoch = 1000000 where cache like 'lost-row%'");
    await first.close();
    const second = await stage.open<number>(options);
    await second.set('a', 5);
    await second.flush();
    await second.set('b', 6);
    await table.query("delete from {{schema}}.millrace_fence where cache like 'lost-row%'");
    const told = listen(second);
    await expect(second.flush()).rejects.toMatchObject({
      code: 'MILLRACE_LANE_STOPPED',
      message: expect.stringMatching(/generations 1 to 6/),
    });
    await second.resume({ acceptStoreRollback: true });
    await second.flush();
    expect(await table.stored()).toEqual({ a: 5, b: 6 });
    expect(told.losses).toMatchObject([{ lane: 0, cause: 'store-rolled-back' }]);
    const [row] = await table.query("select epoch::int from {{schema}}.millrace_fence where cache like 'lost-row%'");
    expect(row?.['epoch']).toBeGreaterThan(1_000_000);
  });
});

test('there is nothing to accept on a store without transactions', async () => {
  await using cache = createCache<number>({
    name: 'custom',
    front: memoryFront(),
    store: { loadMany: async () => [], apply: async () => undefined },
  });
  await expect(cache.resume({ acceptStoreRollback: true })).rejects.toMatchObject({ code: 'MILLRACE_UNSUPPORTED' });
});
