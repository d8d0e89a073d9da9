import type { CallOutcome } from '../../core/breaker.ts';
import { isMillraceError } from '../../errors.ts';
import type { DeadLetterStore, LaneStore } from '../../ports/store.ts';
import type { StoreBreaker } from './breaker.ts';

/** The same store behind its breaker: flushes, takeovers, loads, direct writes and dead letters alike. */
export function guardedStore(store: LaneStore, breaker: StoreBreaker, onClose: () => void): LaneStore {
  const ask = <T>(call: () => Promise<T>): Promise<T> => breaker.run(call, outcomeOf);
  return {
    checkKey: (key) => store.checkKey(key),
    checkValue: (json) => store.checkValue(json),
    load: (keys) => ask(() => store.load(keys)),
    ...(store.loadTotals === undefined
      ? {}
      : {
          loadTotals: (lanes, keys) =>
            ask(() => (store.loadTotals as NonNullable<LaneStore['loadTotals']>)(lanes, keys)),
        }),
    ...(store.loadScores === undefined
      ? {}
      : { loadScores: (page) => ask(() => (store.loadScores as NonNullable<LaneStore['loadScores']>)(page)) }),
    commit: (mutations) => ask(() => store.commit(mutations)),
    raiseEpoch: (lane, above) => ask(() => store.raiseEpoch(lane, above)),
    moveFence: (lane, epoch, to) => ask(() => store.moveFence(lane, epoch, to)),
    beginEpoch: (lane, epoch, epochs) => ask(() => store.beginEpoch(lane, epoch, epochs)),
    apply(flush) {
      const batches = new WatchedSource(flush.batches);
      // A front that did not deliver says nothing about the store, however the store wraps its error.
      return breaker.run(
        () => store.apply({ ...flush, batches }),
        (error) => (batches.failed ? 'unknown' : outcomeOf(error)),
      );
    },
    retry: (lane, epoch, letters, judge) => ask(() => store.retry(lane, epoch, letters, judge)),
    deadLetters: store.deadLetters && guardedLetters(store.deadLetters, ask),
    close: () => store.close().finally(onClose),
  };
}

function guardedLetters(letters: DeadLetterStore, ask: <T>(call: () => Promise<T>) => Promise<T>): DeadLetterStore {
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
