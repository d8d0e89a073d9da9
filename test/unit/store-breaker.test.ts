import { describe, expect, test, vi } from 'vitest';
import { attemptsMax, FAILURES_TO_OPEN } from '../../src/core/breaker.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import { type Cache, MillraceError } from '../../src/index.ts';
import type { FenceStore, LaneStore } from '../../src/ports/store.ts';
import { MAX_MS, MIN_MS, Process } from './breaker-process.ts';

// Many steps of a virtual clock: no span of real time is expected.
vi.setConfig({ testTimeout: 60_000 });

describe('while the store is down', () => {
  test('reads fail at once, without asking it, and say when it is asked again', async () => {
    const process = new Process();
    const cache = process.open('a', { policy: 'cache-aside' });
    await process.clock.until(cache.ready());
    await process.trip(cache);
    const { calls } = process;
    const refused = await process.outcome(cache.get('x'));
    expect(refused).toMatch(
      /^MILLRACE_STORE_UNAVAILABLE: The store is down and was not asked; the next attempt may be made in \d+ ms\. /,
    );
    expect(refused).toMatch(/ ms\. Its last failure: the server is away$/);
    expect(process.calls).toBe(calls);
    expect((await cache.stats()).breaker).toMatchObject({
      state: 'open',
      failures: FAILURES_TO_OPEN,
      reason: 'the server is away',
      refused: 1,
    });
  });

  test('write-behind goes on, and no flush goes past it, however urgent', async () => {
    const process = new Process();
    const cache = process.open('a');
    await process.clock.until(cache.ready());
    await process.clock.until(cache.set('kept', 1));
    await process.clock.until(cache.flush());
    process.down();
    await process.clock.until(cache.set('kept', 2));
    await process.clock.advance(60_000);
    process.calls = 0;
    const before = process.store.batches.length;
    const outageMs = 1_200_000;
    const waiting = [
      cache.flush(),
      cache.set('urgent', 1, { ack: 'stored' }),
      (await process.clock.until(cache.set('receipt', 1))).stored(),
    ];
    for (let passedMs = 0; passedMs < outageMs; passedMs += 10_000) {
      await process.clock.advance(10_000);
      void cache.flush();
      expect(await process.clock.until(cache.get('kept'))).toBe(2);
    }
    expect(process.calls).toBeGreaterThan(outageMs / MAX_MS / 2);
    expect(process.calls).toBeLessThanOrEqual(attemptsMax(outageMs, MAX_MS));
    expect(process.store.batches.length).toBe(before);
    process.up();
    await process.clock.until(Promise.all(waiting));
    expect(process.store.rows.get('kept')).toBe('2');
    // Not within the lanes' own backoff after an hour of failures, but as soon as one probe was answered.
    const { breaker, flushFailures } = await process.clock.until(cache.stats());
    expect(breaker).toMatchObject({ failures: 0, reason: '', retryInMs: 0 });
    expect(flushFailures).toBeLessThanOrEqual(breaker.attempts);
  });

  test('one event tells that it opened, one that it is back, one that all is well; to each cache', async () => {
    const process = new Process();
    const caches = [process.open('a'), process.open('b', { policy: 'write-through' })];
    for (const cache of caches) await process.clock.until(cache.ready());
    process.down();
    await process.clock.until((caches[0] as Cache<number>).set('x', 1));
    await process.clock.advance(3_600_000);
    process.up();
    await process.clock.advance(3_600_000);
    for (const name of ['a', 'b'])
      expect(process.events.filter(({ cache }) => cache === name).map(({ state }) => state)).toEqual([
        'open',
        'ramp',
        'closed',
      ]);
    expect(process.events[0]).toMatchObject({ failures: FAILURES_TO_OPEN, reason: 'the server is away' });
    expect(process.events[0]?.retryInMs).toBeGreaterThan(0);
    // What is refused is not reported as if it had failed.
    expect(process.errors).toEqual([]);
  });

  test('write-through fails at once, and the value that readers have stays', async () => {
    const process = new Process();
    const cache = process.open('a', { policy: 'write-through' });
    await process.clock.until(cache.set('x', 1));
    await process.trip(cache);
    expect(await process.outcome(cache.set('x', 2))).toContain(
      'MILLRACE_STORE_UNAVAILABLE: The store is down and was not asked',
    );
    expect(await process.outcome(cache.get('x'))).toBe(1);
  });

  test('values are not refreshed ahead, and nothing is reported for each', async () => {
    const process = new Process();
    const cache = process.open('a', { policy: 'cache-aside', ttl: 1_000_000, refreshAhead: 0.5 });
    const warnings: string[] = [];
    cache.on('warning', ({ message }) => warnings.push(message));
    process.store.rows.set('x', '1');
    expect(await process.outcome(cache.get('x'))).toBe(1);
    await process.clock.advance(600_000);
    await process.trip(cache);
    for (let i = 0; i < 100; i++) expect(await process.outcome(cache.get('x'))).toBe(1);
    await process.clock.advance(0);
    expect(warnings).toEqual([]);
  });

  test('a cache that begins then asks it no more often than others', async () => {
    const process = new Process();
    await process.trip(process.open('a', { policy: 'cache-aside' }));
    const late = process.open('b', { policy: 'cache-aside' });
    expect(await process.outcome(late.get('x'))).toContain('The store is down and was not asked');
    process.up();
    await process.clock.advance(MIN_MS);
    process.store.rows.set('x', '1');
    expect(await process.outcome(late.get('x'))).toBe(1);
  });

  test('a process that takes lanes tries within the same bound, and takes them when it is back', async () => {
    const process = new Process();
    const store = process.store;
    let raises = 0;
    const attach = store.attach.bind(store);
    store.attach = async (attachment) => {
      const attached = await attach(attachment);
      const lanes = attached.lanes as LaneStore;
      const fences = lanes.fences as FenceStore;
      return {
        ...attached,
        lanes: {
          ...lanes,
          fences: {
            ...fences,
            raiseEpoch: async (lane) => {
              raises++;
              if (process.fault !== undefined) throw process.fault();
              return fences.raiseEpoch(lane);
            },
          },
        },
      };
    };
    const place = memoryFront();
    const other = process.open('a', { front: place, flush: { maxDelay: 10, lease: 1_000 } });
    await process.clock.until(other.set('x', 1));
    await process.clock.until(other.close());
    process.down();
    raises = 0;
    const heir = process.open('a', { front: place, flush: { maxDelay: 10, lease: 1_000 } });
    await process.clock.until(heir.ready());
    const outageMs = 600_000;
    for (let passedMs = 0; passedMs < outageMs; passedMs += 1_000) {
      await process.clock.advance(1_000);
    }
    expect(raises).toBeGreaterThan(10);
    expect(raises).toBeLessThanOrEqual(attemptsMax(outageMs, MAX_MS));
    expect(process.errors.length).toBeLessThanOrEqual(raises);
    process.up();
    await process.clock.advance(MAX_MS);
    await process.clock.until(heir.set('x', 2));
    await process.clock.until(heir.flush());
    expect(store.rows.get('x')).toBe('2');
  });
});

describe('what counts', () => {
  test.each([
    ['MILLRACE_STORE_SCHEMA', 'closed'],
    ['MILLRACE_REJECTED', 'closed'],
    ['MILLRACE_STORE_UNAVAILABLE', 'open'],
    [undefined, 'open'],
  ] as const)('ten errors %s leave it %s', async (code, state) => {
    const process = new Process();
    const cache = process.open('a', { policy: 'write-through' });
    await process.clock.until(cache.ready());
    process.fault = () => (code === undefined ? new Error('of no known kind: secret') : new MillraceError(code, 'no'));
    for (let i = 0; i < 10; i++) await process.outcome(cache.set(`k${i}`, i));
    const { breaker } = await cache.stats();
    expect(breaker.state).toBe(state);
    // What others say can hold anything.
    expect(breaker.reason).not.toContain('secret');
  });

  test('a schema that is wrong stops the lane, and others go on', async () => {
    const process = new Process();
    const [wrong, fine] = [process.open('a'), process.open('b', { policy: 'cache-aside' })];
    await process.clock.until(wrong.ready());
    const stopped: number[] = [];
    wrong.on('stopped', ({ lane }) => stopped.push(lane));
    process.fault = () => new MillraceError('MILLRACE_STORE_SCHEMA', 'a column is missing');
    await process.clock.until(wrong.set('x', 1));
    await process.clock.advance(1_000);
    expect(stopped).not.toEqual([]);
    process.up();
    expect(await process.outcome(fine.get('y'))).toBeUndefined();
    expect(process.events).toEqual([]);
  });
});

describe('who shares it', () => {
  test('caches of what fails together; the shortest bounds count, and a closed cache has left', async () => {
    const process = new Process();
    const patient = process.open('a', { policy: 'cache-aside', retry: { minDelay: 50_000, maxDelay: 60_000 } });
    const hasty = process.open('b', { policy: 'cache-aside', retry: { minDelay: 10, maxDelay: 20 } });
    await process.clock.until(patient.ready());
    await process.clock.until(hasty.ready());
    await process.trip(patient);
    const retryInMs = async (cache: Cache<number>): Promise<number> => (await cache.stats()).breaker.retryInMs;
    expect(await retryInMs(patient)).toBeLessThanOrEqual(10);
    await process.clock.until(hasty.close());
    await process.clock.advance(10);
    await process.outcome(patient.get('probe'));
    expect(await retryInMs(patient)).toBeGreaterThan(1_000);
    expect(process.events.map(({ cache }) => cache).sort()).toEqual(['a', 'b']);
    await process.clock.until(patient.close());
    expect(process.clock.tasks).toBe(0);
  });

  test('not caches of another store', async () => {
    const process = new Process();
    const other = new Process();
    await process.trip(process.open('a', { policy: 'cache-aside' }));
    const cache = other.open('a', { policy: 'cache-aside', clock: process.clock });
    expect(await process.outcome(cache.get('x'))).toBeUndefined();
  });
});
