import { memoryFront } from '../../src/fronts/memory/index.ts';
import {
  type Cache,
  type CacheOptions,
  type Counters,
  createCache,
  createCounters,
  createLeaderboard,
  createLog,
  type Leaderboard,
  type LeaderboardOptions,
  type Log,
} from '../../src/index.ts';
import type { Front, FrontCapabilities, LaneFront } from '../../src/ports/front.ts';
import type { Random } from '../../src/ports/random.ts';
import type { ScoresStore } from '../../src/ports/scores-store.ts';
import type { AttachedStore, DeadLetterStore, FenceStore, LaneStore, Store } from '../../src/ports/store.ts';
import type { TotalsStore } from '../../src/ports/totals-store.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** Stands in for a method: `go` calls the real one with the arguments that came. */
type Stand<M> = M extends (...args: infer A) => infer R ? (go: () => R, ...args: A) => R : never;
export type Stands<T> = { [K in keyof T]?: Stand<T[K]> };

/** The same object, except where a stand-in is set at the time of the call. */
function withStands<T extends object>(real: T, stands: Stands<T>): T {
  return new Proxy(real, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const go = (): unknown => value.apply(target, args);
        const stand = stands[name as keyof T] as ((go: () => unknown, ...args: unknown[]) => unknown) | undefined;
        return stand === undefined ? go() : stand(go, ...args);
      };
    },
  });
}

type ShapeOptions = Pick<
  Partial<CacheOptions<never>>,
  'name' | 'flush' | 'retry' | 'backpressure' | 'ack' | 'lanes'
> & { readonly store?: Store };

/**
 * A front in memory, a store in memory and a virtual clock, with which the engine's rare turns can be brought about.
 */
export class EngineBench implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly store: MemoryStore;
  /** What the next calls of the front's and the store's steps do instead. */
  readonly onFront: Stands<LaneFront> = {};
  readonly onStore: Stands<AttachedStore> = {};
  readonly onLanes: Stands<LaneStore> = {};
  readonly onFences: Stands<FenceStore> = {};
  readonly onTotals: Stands<TotalsStore> = {};
  readonly onScores: Stands<ScoresStore> = {};
  readonly onLetters: Stands<DeadLetterStore> = {};
  readonly front: Front;
  readonly #open: AsyncDisposable[] = [];
  readonly #random: Random;

  constructor(capabilities: Partial<FrontCapabilities> = {}, holds?: MemoryStore['holds']) {
    this.store = new MemoryStore({}, holds);
    let tokens = 0;
    this.#random = { fraction: () => 0.5, token: () => `t${tokens++}` };
    const memory = memoryFront();
    this.front = {
      ...memory,
      capabilities: { ...memory.capabilities, ...capabilities },
      attach: async (attachment) => withStands(await memory.attach({ ...attachment, acks: [] }), this.onFront),
    };
  }

  /** A cache with one lane that flushes when it is asked to, on this bench's front and store. */
  open<V = number>(options: Partial<CacheOptions<V>> = {}): Cache<V> {
    const { flush, ...parts } = this.#parts(this.#stood(this.store));
    const isDirect = options.policy !== undefined && options.policy !== 'write-behind';
    return this.#keep(createCache<V>({ ...parts, ...(isDirect ? {} : { flush }), ...options }));
  }

  counters(options: ShapeOptions = {}): Counters<number> {
    return this.#keep(createCounters({ ...this.#parts(this.#stood(this.store)), ...options }));
  }

  log<E = number>(options: ShapeOptions = {}): Log<E> {
    return this.#keep(createLog<E>({ ...this.#parts(this.#stood(this.store)), ...options }));
  }

  leaderboard(options: Partial<LeaderboardOptions> = {}): Leaderboard {
    const { lanes: _, ...parts } = this.#parts(this.#stood(this.store));
    return this.#keep(createLeaderboard({ ...parts, ...options }));
  }

  /** Answers one call of a step of the front with what it did not say. */
  answerOnce<K extends keyof LaneFront>(
    step: K,
    answer: LaneFront[K] extends (...args: never[]) => Promise<infer R> ? R : never,
  ): void {
    const stands = this.onFront as Record<string, unknown>;
    stands[step] = () => {
      delete stands[step];
      return Promise.resolve(answer);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { onFront, onStore, onLanes, onFences, onTotals, onScores, onLetters } = this;
    for (const stands of [onFront, onStore, onLanes, onFences, onTotals, onScores, onLetters])
      for (const step of Object.keys(stands)) Reflect.deleteProperty(stands, step);
    for (const cache of this.#open) await this.clock.until(cache[Symbol.asyncDispose]() as Promise<void>);
  }

  #stood(store: Store): Store {
    return {
      ...described(store),
      attach: async (attachment) => {
        const { lanes, totals, scores, ...rows } = await store.attach(attachment);
        const { fences, deadLetters, ...flushed } = lanes ?? {};
        return withStands<AttachedStore>(
          {
            ...rows,
            lanes:
              lanes &&
              withStands<LaneStore>(
                {
                  ...(flushed as LaneStore),
                  fences: fences && withStands(fences, this.onFences),
                  deadLetters: deadLetters && withStands(deadLetters, this.onLetters),
                },
                this.onLanes,
              ),
            totals: totals && withStands(totals, this.onTotals),
            scores: scores && withStands(scores, this.onScores),
          },
          this.onStore,
        );
      },
    };
  }

  #parts(store: Store) {
    return {
      name: 'c',
      front: this.front,
      store,
      lanes: 1,
      flush: { maxDelay: '1h', batchSize: 10_000 },
      retry: { minDelay: 10, maxDelay: 100 },
      clock: this.clock,
      random: this.#random,
    } as const;
  }

  #keep<C extends AsyncDisposable>(cache: C): C {
    this.#open.push(cache);
    return cache;
  }
}

const described = ({ kind, capabilities, holds }: Store): Omit<Store, 'attach'> => ({
  kind,
  capabilities,
  ...(holds === undefined ? {} : { holds }),
});
