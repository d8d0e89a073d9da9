import { expect, test } from 'vitest';
import { ACKNOWLEDGE_KEYS_MAX } from '../../src/engine/base/settings.ts';
import { type CustomStore, MillraceError } from '../../src/index.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

const unreachable = () => new MillraceError('MILLRACE_FRONT_UNAVAILABLE', 'no answer');

/** A store of one's own that keeps what it is given. */
function custom(): { store: CustomStore<number>; rows: Map<string, number>; faults: number } {
  const kept = { rows: new Map<string, number>(), faults: 0 };
  const store: CustomStore<number> = {
    loadMany: async (keys) =>
      keys.flatMap((key) => (kept.rows.has(key) ? [[key, kept.rows.get(key) as number] as const] : [])),
    async apply(batch) {
      if (kept.faults-- > 0) throw new Error('down');
      for (const mutation of batch) if (mutation.kind === 'put') kept.rows.set(mutation.key, mutation.value);
    },
  };
  return Object.assign(kept, { store });
}

test('a custom store is flushed without fence and letters, also where an acknowledgement stopped midway', async () => {
  await using bench = new EngineBench();
  const kept = custom();
  const cache = bench.open({ store: kept.store, ttl: '1h' });
  const count = ACKNOWLEDGE_KEYS_MAX + 1;
  await bench.clock.until(cache.setMany(Array.from({ length: count }, (_, n) => [`k${n}`, n] as const)));
  let steps = 0;
  bench.onFront.acknowledge = (go) => (++steps === 2 ? Promise.reject(unreachable()) : go());
  await bench.clock.until(cache.flush());
  await bench.clock.advance(1_000);
  expect(kept.rows.size).toBe(count);
  expect(steps).toBe(3);
  expect(await bench.clock.until(cache.stats())).toMatchObject({ pending: { entries: 0 } });
  expect(await bench.clock.until(outcome(cache.resume({ acceptStoreRollback: true })))).toMatch(
    /^MILLRACE_UNSUPPORTED/,
  );
});

test('a worker that takes a lane before a custom store goes on with the generation that was under way', async () => {
  await using bench = new EngineBench();
  const kept = custom();
  kept.faults = 1_000;
  const first = bench.open({ store: kept.store });
  await bench.clock.until(first.set('a', 1));
  await bench.clock.advance(1);
  void first.flush().catch(() => undefined);
  await bench.clock.advance(50);
  await bench.clock.until(first.close({ timeout: 0 }));
  kept.faults = 0;
  const second = bench.open({ store: kept.store });
  await bench.clock.until(second.flush());
  expect(Object.fromEntries(kept.rows)).toEqual({ a: 1 });
  await bench.clock.until(second.close());
  const third = bench.open({ store: kept.store });
  await bench.clock.until(third.set('a', 2, { ack: 'stored' }));
  expect(Object.fromEntries(kept.rows)).toEqual({ a: 2 });
});
