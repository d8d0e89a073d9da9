import { describe, expect, test } from 'vitest';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import type { FlushEvent, FlushOptions } from '../../src/index.ts';
import type { LaneStore, Mutation, Store, StoreAttachment } from '../../src/ports/store.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { Stage } from '../support/stage.ts';

const MAX_DELAY_MS = 1_000;
const BATCH_SIZE = 50;
/** 2,000 a second. */
const TICK_MS = 10;
const WRITES_PER_TICK = 20;

/** A store that takes a round trip to begin, one for each statement, and one to commit. */
function farStore(clock: VirtualClock, roundTripMs: () => number): Store {
  const store = new MemoryStore();
  const roundTrip = (): Promise<void> => new Promise((resolve) => void clock.after(roundTripMs(), resolve));
  async function* slowly(batches: AsyncIterable<readonly Mutation[]>): AsyncGenerator<readonly Mutation[]> {
    await roundTrip();
    for await (const batch of batches) {
      await roundTrip();
      yield batch;
    }
    await roundTrip();
  }
  return {
    kind: store.kind,
    capabilities: store.capabilities,
    async attach(attachment: StoreAttachment) {
      const attached = await store.attach(attachment);
      const lanes = attached.lanes as LaneStore;
      return {
        ...attached,
        lanes: { ...lanes, apply: (flush) => lanes.apply({ ...flush, batches: slowly(flush.batches) }) },
      };
    },
  };
}

/** Writes at one rate to a store whose round trip is 1 ms, then 60, then 1 again. */
async function course(flush: FlushOptions) {
  await using stage = await Stage.on('memory');
  const clock = new VirtualClock();
  let roundTripMs = 1;
  const cache = stage.create<number>({
    front: memoryFront(),
    store: farStore(clock, () => roundTripMs),
    clock,
    flush: { maxDelay: MAX_DELAY_MS, ...flush },
  });
  await clock.until(cache.ready());
  let flushes: FlushEvent[] = [];
  cache.on('flush', (event) => flushes.push(event));
  let n = 0;
  const during = async (ms: number) => {
    flushes = [];
    for (let elapsed = 0; elapsed < ms; elapsed += TICK_MS) {
      const written = cache.setMany(Array.from({ length: WRITES_PER_TICK }, () => [`k${n++}`, n] as const));
      await clock.advance(TICK_MS);
      await written;
    }
    const { pace, pending } = await clock.until(cache.stats());
    const rows = flushes.reduce((sum, flushed) => sum + flushed.rows, 0);
    const statements = flushes.reduce((sum, flushed) => sum + flushed.statements, 0);
    return {
      pace,
      pending: pending.entries,
      rowsPerStatement: rows / statements,
      lagMs: Math.max(...flushes.map(({ lagMs }) => lagMs)),
    };
  };
  const near = await during(2_000);
  roundTripMs = 60;
  await during(3_000);
  const far = await during(3_000);
  roundTripMs = 1;
  await during(3_000);
  const nearAgain = await during(1_000);
  await clock.until(cache.close());
  return { near, far, nearAgain };
}

describe('a store that becomes slow, and quick again', () => {
  test('is given fewer and larger batches meanwhile, and what is written is stored about when it is due', async () => {
    const { near, far, nearAgain } = await course({ batchSize: BATCH_SIZE, maxBatchSize: 1_000, concurrency: 2 });
    expect(near).toMatchObject({ pace: { batchSize: BATCH_SIZE, concurrency: 2 } });
    expect(near.rowsPerStatement).toBeLessThan(2 * BATCH_SIZE);
    expect(far.pace?.batchSize).toBeGreaterThan(2 * BATCH_SIZE);
    expect(far.rowsPerStatement).toBeGreaterThan(2 * BATCH_SIZE);
    expect(far.lagMs).toBeLessThan(1.5 * MAX_DELAY_MS);
    expect(nearAgain).toMatchObject({ pace: { batchSize: BATCH_SIZE, concurrency: 2 } });
    expect(nearAgain.lagMs).toBeLessThan(MAX_DELAY_MS);
  });

  test('falls behind when the size of batches is given and no larger one allowed', async () => {
    const { far } = await course({ batchSize: BATCH_SIZE, concurrency: 2 });
    expect(far).toMatchObject({ pace: { batchSize: BATCH_SIZE, concurrency: 2 } });
    expect(far.rowsPerStatement).toBeLessThanOrEqual(BATCH_SIZE);
    expect(far.lagMs).toBeGreaterThan(1.5 * MAX_DELAY_MS);
  });
});

test('a process that does not flush has no pace', async () => {
  await using stage = await Stage.on('memory');
  const cache = await stage.open({ store: new MemoryStore(), flush: false });
  expect((await cache.stats()).pace).toBeUndefined();
});
