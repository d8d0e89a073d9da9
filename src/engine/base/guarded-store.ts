import type { CallOutcome } from '../../core/breaker.ts';
import { isMillraceError } from '../../errors.ts';
import { SHAPE_LOADS, type ShapeLoads } from '../../ports/shapes.ts';
import type { AttachedStore, DeadLetterStore, LaneStore } from '../../ports/store.ts';
import type { StoreBreaker } from './breaker.ts';

type Ask = <T>(call: () => Promise<T>) => Promise<T>;

/** The same store behind its breaker: flushes, takeovers, loads, direct writes and dead letters alike. */
export function guardedStore(store: AttachedStore, breaker: StoreBreaker, onClose: () => void): AttachedStore {
  const { lanes } = store;
  const ask: Ask = (call) => breaker.run(call, outcomeOf);
  return {
    checkKey: (key) => store.checkKey(key),
    checkValue: (json) => store.checkValue(json),
    load: (keys) => ask(() => store.load(keys)),
    commit: (mutations) => ask(() => store.commit(mutations)),
    lanes: lanes && guardedLanes(lanes, breaker, ask),
    ...guardedLoads(store, ask),
    close: () => store.close().finally(onClose),
  };
}

/** What the cache's shape loads. */
function guardedLoads(store: ShapeLoads, ask: Ask): ShapeLoads {
  const guarded: Record<string, unknown> = {};
  for (const part of SHAPE_LOADS) {
    const loads = store[part] as { load(...asked: readonly unknown[]): Promise<unknown> } | undefined;
    if (loads !== undefined) guarded[part] = { load: (...asked: unknown[]) => ask(() => loads.load(...asked)) };
  }
  return guarded;
}

function guardedLanes(lanes: LaneStore, breaker: StoreBreaker, ask: Ask): LaneStore {
  const { fences, deadLetters } = lanes;
  return {
    apply(flush) {
      const batches = new WatchedSource(flush.batches);
      // A front that did not deliver says nothing about the store, however the store wraps its error.
      return breaker.run(
        () => lanes.apply({ ...flush, batches }),
        (error) => (batches.failed ? 'unknown' : outcomeOf(error)),
      );
    },
    fences: fences && {
      raiseEpoch: (lane, above) => ask(() => fences.raiseEpoch(lane, above)),
      moveFence: (lane, epoch, to) => ask(() => fences.moveFence(lane, epoch, to)),
      beginEpoch: (lane, epoch, epochs) => ask(() => fences.beginEpoch(lane, epoch, epochs)),
    },
    deadLetters: deadLetters && guardedLetters(deadLetters, ask),
  };
}

function guardedLetters(letters: DeadLetterStore, ask: Ask): DeadLetterStore {
  return {
    list: (page) => ask(() => letters.list(page)),
    get: (id) => ask(() => letters.get(id)),
    ofKey: (key) => ask(() => letters.ofKey(key)),
    count: () => ask(() => letters.count()),
    find: (ids) => ask(() => letters.find(ids)),
    ofWrite: (key, seq) => ask(() => letters.ofWrite(key, seq)),
    ofGeneration: (lane, generation) => ask(() => letters.ofGeneration(lane, generation)),
    due: (lane, limit) => ask(() => letters.due(lane, limit)),
    storedKeys: (lane) => ask(() => letters.storedKeys(lane)),
    retry: (lane, epoch, due, judge) => ask(() => letters.retry(lane, epoch, due, judge)),
    redrive: (id) => ask(() => letters.redrive(id)),
    discard: (id) => ask(() => letters.discard(id)),
  };
}

/** A store that says what is wrong with table or row has answered. An error of no known kind counts against it. */
export function outcomeOf(error: unknown): CallOutcome {
  return isMillraceError(error) && error.code !== 'MILLRACE_STORE_UNAVAILABLE' && error.code !== 'MILLRACE_INTERNAL'
    ? 'answered'
    : 'failed';
}

/** Notes whether reading the rows of a flush failed. */
class WatchedSource<T> implements AsyncIterable<T> {
  readonly #source: AsyncIterable<T>;
  failed = false;

  constructor(source: AsyncIterable<T>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for await (const batch of this.#source) yield batch;
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }
}
