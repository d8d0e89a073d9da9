import type { Store } from '../ports/store.ts';

/** A store of the user's own. */
export interface CustomStore<V> {
  loadMany(keys: readonly string[]): Promise<ReadonlyMap<string, V>>;
  apply(batch: unknown): Promise<void>;
}

export function customStore<V>(store: CustomStore<V>): Store {
  throw new Error(`not yet: ${typeof store}`);
}
