/** What the conformance tests of stores have in common. */
import { strict as assert } from 'node:assert';
import { systemClock } from '../clock-and-random.ts';
import type { Judge } from '../core/letter.ts';
import type {
  ApplyResult,
  AttachedStore,
  FenceStore,
  Flush,
  LaneGeneration,
  LaneStore,
  Mutation,
  Store,
} from '../ports/store.ts';

/** An empty store for one test, and what the suite has to know about it. */
export interface StoreSubject {
  /** The store. */
  readonly store: Store;
  /** JSON text of a value that the store can hold and that contains `text`. */
  value(text: string): string;
  /** JSON text of a value that `checkValue` lets through and the store refuses; undefined where there is none. */
  readonly badValue?: string | undefined;
  /** Whether any JSON text can be stored, not only objects of some shape. */
  readonly anyJson: boolean;
  /** Lets go of everything that `open` opened. */
  close(): Promise<void>;
}

/** What {@link testStore} is given. */
export interface StoreConformance {
  /** Registers a test: `test` of vitest, node:test, or any with the same first two parameters. */
  readonly test: (name: string, body: () => Promise<void>) => void;
  /** Opens an empty store for one test. */
  readonly open: () => Promise<StoreSubject>;
  /** What the store declares; the tests of guarantees that it does not give are left out. */
  readonly capabilities: {
    /** Whether generation, fence and letters are committed together. */
    readonly transactions: boolean;
    /** Whether refused rows are kept with the store's data. */
    readonly deadLetters: boolean;
  };
}

export type Check = (bench: Bench) => Promise<void>;
export type Register = (name: string, check: Check) => void;

export const CACHE = 'conformance';
export const LANES = 4;

/** A subject with a cache attached, and short words for what the tests do with it. */
export class Bench {
  readonly subject: StoreSubject;
  readonly store: AttachedStore;
  readonly lanes: LaneStore;

  private constructor(subject: StoreSubject, store: AttachedStore) {
    this.subject = subject;
    this.store = store;
    this.lanes = lanesOf(store);
  }

  static async over(subject: StoreSubject): Promise<Bench> {
    return new Bench(subject, await attach(subject.store, LANES));
  }

  /** Of a store that declares transactions. */
  get fences(): FenceStore {
    return fencesOf(this.store);
  }

  put(key: string, text: string, lane = 0): Mutation {
    return { lane, key, json: this.subject.value(text) };
  }

  remove(key: string, lane = 0): Mutation {
    return { lane, key, json: undefined };
  }

  async expectText(key: string, text: string | undefined): Promise<void> {
    await this.expectJson(key, text === undefined ? undefined : this.subject.value(text));
  }

  async expectJson(key: string, json: string | undefined): Promise<void> {
    const found = (await this.store.load([key])).get(key);
    assert.deepEqual(
      found === undefined ? undefined : JSON.parse(found),
      json === undefined ? undefined : JSON.parse(json),
      `value of ${JSON.stringify(key)}`,
    );
  }

  /** Applies one generation of lane 0 in the given batches. */
  apply(generation: Partial<LaneGeneration>, ...batches: Mutation[][]): Promise<ApplyResult> {
    return this.lanes.apply(flushOf([generation], batches));
  }
}

export function lanesOf({ lanes }: AttachedStore): LaneStore {
  assert.ok(lanes !== undefined, 'a store that is attached for write-behind has lanes');
  return lanes;
}

export function fencesOf(store: AttachedStore): FenceStore {
  const { fences } = lanesOf(store);
  assert.ok(fences !== undefined, 'a store with transactions has fences');
  return fences;
}

export function attach(store: Store, lanes: number, cache = CACHE): Promise<AttachedStore> {
  return store.attach({ cache, lanes, clock: systemClock, writeBehind: true, onWarning: () => undefined });
}

/** Two attempts, without a wait between them. */
export const judgeTwice: Judge = ({ attempts = 0 }) =>
  attempts + 1 < 2
    ? { state: 'waiting', attempts: attempts + 1, retryInMs: 0 }
    : { state: 'dead', attempts: attempts + 1 };
/** One attempt. */
export const judgeOnce: Judge = ({ attempts = 0 }) => ({ state: 'dead', attempts: attempts + 1 });

export function flushOf(
  lanes: readonly Partial<LaneGeneration>[],
  batches: Iterable<readonly Mutation[]> | AsyncIterable<readonly Mutation[]>,
  judge: Judge = judgeOnce,
): Flush {
  return {
    lanes: lanes.map((lane) => ({
      lane: 0,
      epoch: 1,
      generation: 1,
      fromSeq: 1,
      cutSeq: 10,
      digest: 'a',
      letters: false,
      ...lane,
    })),
    judge,
    batches: (async function* () {
      yield* batches;
    })(),
  };
}

/** Rows in batches of `size`. */
export function cut(rows: readonly Mutation[], size: number): Mutation[][] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, at) => rows.slice(at * size, (at + 1) * size));
}

export function failsWith(code: string): (error: unknown) => true {
  return (error) => {
    assert.equal((error as { code?: unknown }).code, code, String(error));
    return true;
  };
}
