import { expect, test } from 'vitest';
import type { Policy } from '../../src/index.ts';
import type { LaneStore, Store } from '../../src/ports/store.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** How a cache begins, recovers and ends. */

test.each<Policy>(['write-through', 'cache-aside'])(
  'a cache with pending writes does not become one with policy %s',
  async (policy) => {
    await using bench = new EngineBench();
    const first = bench.open();
    await bench.clock.until(first.set('a', 1));
    await first.pause();
    await bench.clock.until(first.close({ timeout: 0 }));
    const second = bench.open({ policy });
    expect(await bench.clock.until(outcome(second.ready()))).toMatch(
      /^MILLRACE_OPTIONS .* 1 pending writes from a write-behind policy\. Drain it/,
    );
    // As the message says: drained, it may.
    await bench.clock.until(bench.open().flush());
    await bench.clock.until(second.set('a', 2));
    expect(bench.store.versions.get('a')).toEqual(['1', '2']);
  },
);

test.each<Policy>(['write-through', 'cache-aside'])(
  'a cache with letters does not become one with policy %s',
  async (policy) => {
    await using bench = new EngineBench();
    bench.store.hooks.refuse = () => '23514';
    const first = bench.open();
    await bench.clock.until(first.set('a', 1));
    await bench.clock.until(first.flush());
    await bench.clock.until(first.close());
    const second = bench.open({ policy });
    expect(await bench.clock.until(outcome(second.ready()))).toMatch(
      /^MILLRACE_OPTIONS It has 1 waiting and 0 dead letters from a write-behind policy.*millrace dead list/,
    );
  },
);

test('a lane that was made with another number of lanes meanwhile is refused', async () => {
  await using bench = new EngineBench();
  bench.answerOnce('adopt', { kind: 'lanes', lanes: 8 });
  expect(await bench.clock.until(outcome(bench.open({ policy: 'cache-aside' }).ready()))).toMatch(
    /^MILLRACE_LANES .* has 8 lanes in the front, not 1\. Set lanes: 8/,
  );
  bench.onFront.recover = () => Promise.resolve({ kind: 'lanes', lanes: 8 });
  expect(await bench.clock.until(outcome(bench.open({ name: 'other' }).ready()))).toMatch(
    /^MILLRACE_LANES .* has 8 lanes in the front, not 1/,
  );
});

test('a cache that is paused before its first operation takes no lanes, and leaves none behind', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await cache.pause();
  expect((await bench.clock.until(cache.stats())).pending.entries).toBe(0);
  expect(bench.store.fences.size).toBe(0);
  expect(await bench.clock.until(cache.close())).toEqual({ stored: 0, remaining: 0, dead: 0 });
  expect(bench.clock.tasks).toBe(0);
});

test('an operator who goes on with a store that lost nothing changes nothing', async () => {
  await using bench = new EngineBench();
  const through = bench.open({ name: 'through', policy: 'write-through' });
  await bench.clock.until(through.set('a', 1));
  await bench.clock.until(through.resume({ acceptStoreRollback: true }));
  const cache = bench.open({ name: 'behind' });
  await cache.pause();
  // Its lanes are not even known to the front.
  await bench.clock.until(cache.stats());
  await bench.clock.until(cache.resume({ acceptStoreRollback: true }));
  await bench.clock.until(cache.set('b', 1, { ack: 'stored' }));
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '1', b: '1' });
});

test('a cache that is closed while an operator goes on leaves nothing running', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  const gate = new Gate();
  let looks = 0;
  bench.onFront.header = async (go) => {
    const seen = await go();
    // The last step of the way on.
    if (++looks === 4) await gate.pass();
    return seen;
  };
  const resumed = outcome(cache.resume({ acceptStoreRollback: true }));
  await bench.clock.until(gate.arrived);
  const closed = cache.close({ timeout: 0 });
  await bench.clock.until(closed);
  gate.open();
  expect(await bench.clock.until(resumed)).toBe('written');
  expect(bench.clock.tasks).toBe(0);
});

test('an operator who goes on after lost commits is not overtaken by another worker who takes the lane', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.set('a', 1, { ack: 'stored' }));
  const before = new Map(bench.store.fences);
  await bench.clock.until(cache.set('a', 2, { ack: 'stored' }));
  // The store comes back as it was after the first.
  for (const [lane, fence] of before) bench.store.fences.set(lane, fence);
  bench.store.rows.set('a', '1');
  const losses: unknown[] = [];
  cache.on('loss', (loss) => losses.push(loss));
  await bench.clock.until(cache.set('b', 1));
  expect(await bench.clock.until(outcome(cache.flush()))).toMatch(
    /^MILLRACE_LANE_STOPPED .*the store lost generations/,
  );
  let moves = 0;
  bench.onFences.moveFence = (go) => (++moves === 1 ? Promise.resolve(false) : go());
  bench.answerOnce('recover', { kind: 'refused', epoch: 9 });
  await bench.clock.until(cache.resume({ acceptStoreRollback: true }));
  await bench.clock.until(cache.flush());
  expect(moves).toBe(2);
  expect(losses).toEqual([{ lane: 0, count: 2, cause: 'store-rolled-back' }]);
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '1', b: '1' });
});

test('a cache that closes while another worker has its lanes waits for that one, until its deadline', async () => {
  await using bench = new EngineBench({ shared: true, durable: true });
  const worker = bench.open();
  await bench.clock.until(worker.ready());
  const [first, second] = [bench.open(), bench.open()];
  await bench.clock.until(Promise.all([first.set('a', 1), second.ready()]));
  expect(await bench.clock.until(first.close())).toEqual({ stored: 0, remaining: 0, dead: 0 });
  expect(bench.store.rows.get('a')).toBe('1');
  await worker.pause();
  await bench.clock.until(second.set('b', 1));
  const before = bench.clock.monotonic();
  expect(await bench.clock.until(second.close({ timeout: 300 }))).toEqual({ stored: 0, remaining: 1, dead: 0 });
  expect(bench.clock.monotonic() - before).toBeLessThanOrEqual(300);
  await bench.clock.until(worker.resume());
  await bench.clock.until(worker.flush());
  expect(bench.store.rows.get('b')).toBe('1');
});

test('a fault in the background that nobody waits for is told, until the cache closes', async () => {
  await using bench = new EngineBench({ shared: true });
  const reader = bench.open({ flush: false });
  const errors: string[] = [];
  reader.on('error', ({ error }) => errors.push(error.code));
  const receipt = await bench.clock.until(reader.set('a', 1));
  bench.onFront.header = () => Promise.reject(new TypeError('a bug'));
  const stored = outcome(receipt.stored());
  await bench.clock.advance(100);
  expect(new Set(errors)).toEqual(new Set(['MILLRACE_INTERNAL']));
  await bench.clock.until(reader.close({ timeout: 0 }));
  expect(await stored).toMatch(/^MILLRACE_CLOSED/);
});

test.each([
  ['fences', { transactions: true, deadLetters: false }],
  ['dead letters', { transactions: false, deadLetters: true }],
] as const)('a store that declares %s and has none is refused', async (part, capabilities) => {
  await using bench = new EngineBench();
  const real = bench.store;
  const store: Store = {
    kind: 'lying',
    capabilities,
    attach: async (attachment) => {
      const attached = await real.attach(attachment);
      const { apply } = attached.lanes as LaneStore;
      return { ...attached, load: (keys) => attached.load(keys), lanes: { apply } };
    },
  };
  const cache = bench.open({ store });
  expect(await bench.clock.until(outcome(cache.ready()))).toMatch(
    new RegExp(`^MILLRACE_INTERNAL The lying store declares what it lacks: ${part}`),
  );
});
