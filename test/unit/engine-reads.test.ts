import { expect, test } from 'vitest';
import { Gate } from '../support/gate.ts';
import { EngineBench } from './engine-bench.ts';

/** Readers that meet each other's loads. */

test('a value that is about to expire is read, and loaded anew once', async () => {
  await using bench = new EngineBench();
  bench.store.rows.set('a', '1');
  const cache = bench.open({ ttl: 1_000, refreshAhead: 0.5 });
  expect(await bench.clock.until(cache.get('a'))).toBe(1);
  bench.store.rows.set('a', '2');
  await bench.clock.advance(400);
  expect(await bench.clock.until(cache.get('a'))).toBe(1);
  await bench.clock.advance(200);
  // Whoever asks while it is being refreshed gets what is there.
  expect(await bench.clock.until(Promise.all([cache.get('a'), cache.get('a')]))).toEqual([1, 1]);
  await bench.clock.advance(1);
  expect(await bench.clock.until(cache.get('a'))).toBe(2);
  expect(await bench.clock.until(cache.stats())).toMatchObject({ loads: 2 });
});

test('a reader who sees the token of a load of this process waits for it, before and after asking itself', async () => {
  await using bench = new EngineBench();
  bench.store.rows.set('a', '1');
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  const [filling, loading] = [new Gate(), new Gate()];
  bench.onFront.beginFill = async (go) => {
    const result = await go();
    await filling.pass();
    return result;
  };
  bench.store.hooks.beforeLoad = () => loading.pass();
  const first = cache.get('a');
  await bench.clock.until(filling.arrived);
  const second = cache.get('a');
  await bench.clock.advance(1);
  filling.open();
  await bench.clock.until(loading.arrived);
  const third = cache.get('a');
  await bench.clock.advance(1);
  loading.open();
  expect(await bench.clock.until(Promise.all([first, second, third]))).toEqual([1, 1, 1]);
  expect(await bench.clock.until(cache.stats())).toMatchObject({ loads: 1 });
});

test('a reader who waits for a load whose slot was taken looks again', async () => {
  await using bench = new EngineBench();
  bench.store.rows.set('a', '1');
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  const filling = new Gate();
  bench.onFront.beginFill = async (go) => {
    delete bench.onFront.beginFill;
    const result = await go();
    await filling.pass();
    return result.kind === 'slots' ? { kind: 'slots', slots: ['2'] } : result;
  };
  const first = cache.get('a');
  await bench.clock.until(filling.arrived);
  const second = cache.get('a');
  await bench.clock.advance(1);
  await bench.clock.until(cache.set('a', 2));
  filling.open();
  expect(await bench.clock.until(Promise.all([first, second]))).toEqual([2, 2]);
});

test('what is loaded comes to the front in steps of a bounded size', async () => {
  await using bench = new EngineBench();
  const long = JSON.stringify('x'.repeat(400_000));
  const keys = Array.from({ length: 600 }, (_, i) => `k${i}`);
  for (const key of keys) bench.store.rows.set(key, key < 'k15' ? long : '1');
  const cache = bench.open<unknown>();
  const begun: number[] = [];
  const filled: (readonly [keys: number, bytes: number])[] = [];
  bench.onFront.beginFill = (go, _lane, { length }) => (begun.push(length), go());
  bench.onFront.endFill = (go, _lane, { length }, _token, loaded) => (
    filled.push([length, loaded.join('').length]), go()
  );
  expect((await bench.clock.until(cache.getMany(keys))).size).toBe(600);
  expect(begun).toEqual([256, 256, 88]);
  expect(filled.reduce((sum, [count]) => sum + count, 0)).toBe(600);
  expect(Math.max(...filled.map(([count]) => count))).toBeLessThanOrEqual(256);
  expect(Math.max(...filled.map(([, bytes]) => bytes))).toBeLessThanOrEqual(2 ** 20);
  expect(await bench.clock.until(cache.stats())).toMatchObject({ loads: 600 });
  await bench.clock.until(cache.getMany(keys));
  expect(await bench.clock.until(cache.stats())).toMatchObject({ loads: 600 });
});
