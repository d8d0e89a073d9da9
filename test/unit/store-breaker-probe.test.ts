import { describe, expect, test, vi } from 'vitest';
import { FAILURES_TO_OPEN, PROBE_MS, RAMP_MS } from '../../src/core/breaker.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { type Cache, MillraceError } from '../../src/index.ts';
import { MIN_MS, Process } from './breaker-process.ts';

// Many steps of a virtual clock: no span of real time is expected.
vi.setConfig({ testTimeout: 60_000 });

describe('the probe', () => {
  test('is one, over all caches and kinds of calls', async () => {
    const process = new Process();
    const caches = [
      process.open('a'),
      process.open('b'),
      process.open('c', { policy: 'write-through' }),
      process.open('d', { policy: 'cache-aside' }),
    ];
    for (const cache of caches) await process.clock.until(cache.ready());
    const [first, second, through, aside] = caches as [Cache<number>, Cache<number>, Cache<number>, Cache<number>];
    await process.trip(aside);
    for (const cache of [first, second]) for (let i = 0; i < 10; i++) await process.clock.until(cache.set(`k${i}`, i));
    process.latencyMs = 5;
    process.underWayMax = 0;
    for (let i = 0; i < 1_000; i++) {
      void process.outcome(through.set(`t${i}`, i));
      void process.outcome(aside.get(`r${i}`));
      await process.clock.advance(20);
    }
    expect(process.calls).toBeGreaterThan(8);
    expect(process.underWayMax).toBe(1);
  });

  test('that is never answered does not hold the others for ever', async () => {
    const process = new Process();
    const cache = process.open('a', { policy: 'cache-aside' });
    await process.clock.until(cache.ready());
    await process.trip(cache);
    process.latencyMs = 1_000_000_000;
    await process.clock.advance(MIN_MS);
    void cache.get('hangs').catch(() => undefined);
    await process.clock.advance(PROBE_MS - 1);
    expect(await process.outcome(cache.get('x'))).toContain('an attempt is under way');
    process.up();
    process.latencyMs = 0;
    await process.clock.advance(1 + 2 * MIN_MS);
    expect(await process.outcome(cache.get('x'))).toBeUndefined();
    expect((await cache.stats()).breaker.state).toBe('ramp');
  });

  test('in whose flush the front failed tells nothing of the store', async () => {
    const process = new Process();
    const front = memoryFront();
    const attach = front.attach.bind(front);
    let frontFails = false;
    front.attach = async (attachment) => {
      const lanes = await attach(attachment);
      const read = lanes.readGeneration.bind(lanes);
      lanes.readGeneration = (...args) =>
        frontFails
          ? Promise.reject(new MillraceError('MILLRACE_FRONT_UNAVAILABLE', 'the front is away'))
          : read(...args);
      return lanes;
    };
    const cache = process.open('a', { front });
    await process.clock.until(cache.ready());
    await process.trip(cache);
    process.up();
    frontFails = true;
    await process.clock.until(cache.set('x', 1));
    await process.clock.advance(1_000);
    expect((await cache.stats()).breaker).toMatchObject({ state: 'open', failures: FAILURES_TO_OPEN, retryInMs: 0 });
    frontFails = false;
    await process.clock.until(cache.flush());
    expect(process.store.rows.get('x')).toBe('1');
    expect((await cache.stats()).breaker.state).toBe('ramp');
  });
});

describe('the ramp', () => {
  test('lets few calls at once through, in the order in which they came, and loses none', async () => {
    const process = new Process();
    const cache = process.open('a', { policy: 'cache-aside', retry: { minDelay: MIN_MS, maxDelay: 60_000 } });
    await process.clock.until(cache.ready());
    await process.trip(cache);
    process.up();
    await process.clock.advance(MIN_MS);
    await process.outcome(cache.get('probe'));
    process.latencyMs = 50;
    process.underWayMax = 0;
    const order: number[] = [];
    const reads: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i++) {
      reads.push(cache.get(`k${i}`).then(() => order.push(i)));
      // A load of its own for each.
      await process.clock.advance(1);
    }
    expect(process.underWayMax).toBe(1);
    await process.clock.until(Promise.all(reads));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(process.underWayMax).toBeLessThanOrEqual(16);
    expect(process.underWayMax).toBeGreaterThan(1);
    await process.clock.advance(2 * RAMP_MS);
    expect((await cache.stats()).breaker.state).toBe('closed');
    expect(process.clock.tasks).toBe(0);
  });

  test('that fails turns away who waits', async () => {
    const process = new Process();
    const cache = process.open('a', { policy: 'cache-aside', retry: { minDelay: MIN_MS, maxDelay: 60_000 } });
    await process.clock.until(cache.ready());
    await process.trip(cache);
    process.up();
    await process.clock.advance(MIN_MS);
    await process.outcome(cache.get('probe'));
    process.down();
    process.latencyMs = 10;
    const reads: Promise<unknown>[] = [];
    const { calls } = process;
    for (let i = 0; i < 5; i++) {
      reads.push(cache.get(`k${i}`).catch((error: Error) => error.message));
      await process.clock.advance(1);
    }
    const outcomes = await process.clock.until(Promise.all(reads));
    expect(process.calls - calls).toBe(2);
    expect(
      outcomes.filter((message) => String(message).startsWith('The store is down and was not asked')),
    ).toHaveLength(3);
  });
});
