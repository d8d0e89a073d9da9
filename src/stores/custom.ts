import { isMillraceError, MillraceError } from '../errors.ts';
import type { ApplyResult, AttachedStore, Flush, LaneStore, Mutation, Store } from '../ports/store.ts';

/**
 * Stores of the users' own: an object with `loadMany` and `apply`, wrapped into the port `Store`.
 */

/** One key's new value, or its removal. */
export type BatchMutation<V> =
  | {
      /** The key has a new value. */
      readonly kind: 'put';
      /** The key. */
      readonly key: string;
      /** Its new value. */
      readonly value: V;
    }
  | {
      /** The key is removed. */
      readonly kind: 'delete';
      /** The key. */
      readonly key: string;
    };

/** Mutations of distinct keys, sorted by key. */
export interface Batch<V> extends Iterable<BatchMutation<V>> {
  /** Name of the cache. */
  readonly cache: string;
  /** The same as what iterating gives. */
  readonly mutations: readonly BatchMutation<V>[];
}

/** What was loaded: pairs of key and value, a `Map` among them, or an object. Keys without a value are missing. */
export type LoadedValues<V> = Iterable<readonly [key: string, value: V]> | Readonly<Record<string, V>>;

/**
 * A store of the user's own: an API, another database, a file.
 *
 * It has no transaction with a fence in it, so a batch may be applied more than once, and a worker that slept through
 * its lease may still write: `apply` must be able to do the same batch again. It has no dead letters: a row that it
 * refuses stops the lane. For more, implement the port `Store`.
 */
export interface CustomStore<V> {
  /** Looks keys up; those without a value are left out. Rejections count as faults that pass. */
  loadMany(keys: readonly string[]): Promise<LoadedValues<V>>;
  /**
   * Stores a batch, wholly or not at all as well as it can. Rejections count as faults that pass, and the batch comes
   * again, except for a `MillraceError` with the code MILLRACE_REJECTED (a row cannot be stored as it is) or
   * MILLRACE_STORE_SCHEMA (an operator is needed).
   */
  apply(batch: Batch<V>): Promise<void>;
  /** Why this key cannot be stored, or undefined. Called before a write is acknowledged. */
  checkKey?(key: string): string | undefined;
  /** Why this value cannot be stored, or undefined. Called before a write is acknowledged. */
  checkValue?(value: V): string | undefined;
  /** What is declared here must be implemented, which takes the port `Store`: both are false, or left out. */
  readonly capabilities?: {
    /** Not for a custom store: false. */
    readonly transactions?: boolean;
    /** Not for a custom store: false. */
    readonly deadLetters?: boolean;
  };
}

/** Whether this is the port, and not an object that {@link customStore} has to wrap. */
export function isStore(store: unknown): store is Store {
  return typeof store === 'object' && store !== null && typeof (store as Store).attach === 'function';
}

/** @throws MillraceError MILLRACE_OPTIONS */
export function customStore<V>(store: CustomStore<V>): Store {
  const faults = faultsOf(store);
  if (faults.length > 0) throw new MillraceError('MILLRACE_OPTIONS', `store: ${faults.join('; ')}`);
  return {
    kind: 'custom',
    capabilities: { transactions: false, deadLetters: false },
    origin: store,
    attach: ({ cache, writeBehind }) => Promise.resolve(new CustomRows(store, cache, writeBehind)),
  };
}

function faultsOf(store: unknown): string[] {
  if (typeof store !== 'object' || store === null)
    return ['postgresStore, or an object with loadMany and apply, is needed'];
  const given = store as Readonly<Record<string, unknown>>;
  const faults: string[] = [];
  for (const method of ['loadMany', 'apply'])
    if (typeof given[method] !== 'function') faults.push(`${method} is needed`);
  for (const method of ['checkKey', 'checkValue'])
    if (given[method] !== undefined && typeof given[method] !== 'function') faults.push(`${method} must be a function`);
  for (const [name, declared] of Object.entries(given['capabilities'] ?? {})) {
    if (name !== 'transactions' && name !== 'deadLetters') faults.push(`capabilities.${name} is unknown`);
    else if (declared !== false && declared !== undefined)
      faults.push(
        `capabilities.${name} cannot be given by loadMany and apply: implement the port Store, or leave it out`,
      );
  }
  return faults;
}

/** Its rows, into which lanes can be flushed: there is no fence to raise, and no letter to try again. */
class CustomRows<V> implements AttachedStore {
  readonly #store: CustomStore<V>;
  readonly #cache: string;
  readonly lanes: LaneStore | undefined;

  constructor(store: CustomStore<V>, cache: string, writeBehind: boolean) {
    this.#store = store;
    this.#cache = cache;
    this.lanes = writeBehind ? { apply: (flush) => this.#apply(flush) } : undefined;
  }

  checkKey(key: string): string | undefined {
    return this.#store.checkKey?.(key);
  }

  checkValue(json: string): string | undefined {
    return this.#store.checkValue?.(JSON.parse(json) as V);
  }

  async load(keys: readonly string[]): Promise<Map<string, string>> {
    if (keys.length === 0) return new Map();
    const found = await this.#try('loadMany', async () => this.#store.loadMany(keys));
    const pairs = Symbol.iterator in found ? (found as Iterable<readonly [string, V]>) : Object.entries(found);
    const wanted = new Set(keys);
    const loaded = new Map<string, string>();
    for (const [key, value] of pairs) {
      // Undefined, a function or a symbol: nothing that a cache could hold.
      const json = JSON.stringify(value) as string | undefined;
      if (json !== undefined && wanted.has(key)) loaded.set(key, json);
    }
    return loaded;
  }

  async commit(mutations: readonly Mutation[]): Promise<void> {
    if (mutations.length === 0) return;
    const batch = batchOf<V>(this.#cache, mutations);
    await this.#try('apply', async () => this.#store.apply(batch));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #apply({ batches }: Flush): Promise<ApplyResult> {
    let rows = 0;
    let statements = 0;
    for await (const mutations of batches) {
      if (mutations.length === 0) continue;
      await this.commit(mutations);
      rows += mutations.length;
      statements += 1;
    }
    return { kind: 'applied', rows, statements, refused: [], superseded: 0 };
  }

  async #try<T>(method: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      if (isMillraceError(cause) && (cause.code === 'MILLRACE_REJECTED' || cause.code === 'MILLRACE_STORE_SCHEMA'))
        throw cause;
      // Not with the message of the cause, which may hold values.
      throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', `${method} of the custom store failed`, {
        cache: this.#cache,
        cause,
      });
    }
  }
}

function batchOf<V>(cache: string, rows: readonly Mutation[]): Batch<V> {
  const mutations = rows.map(
    ({ key, json }): BatchMutation<V> =>
      json === undefined ? { kind: 'delete', key } : { kind: 'put', key, value: JSON.parse(json) as V },
  );
  return { cache, mutations, [Symbol.iterator]: () => mutations[Symbol.iterator]() };
}
