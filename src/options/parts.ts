import { systemClock, systemRandom } from '../clock-and-random.ts';
import { type Holds, shapeOf, traitsOf } from '../core/shape.ts';
import type { Settings } from '../engine/base/settings.ts';
import { isMillraceError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Front } from '../ports/front.ts';
import type { Random } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import { type CustomStore, customStore, isStore } from '../stores/custom.ts';
import type { OptionReader } from './reader.ts';
import { type FlushOptions, type RetryOptions, readSettings } from './settings.ts';

/** Options of every kind of cache. */
export interface CommonOptions {
  /** Names the cache in the front, the store's fence, metrics and messages: 1 to 64 of `A-Z a-z 0-9 _ . -`. */
  readonly name: string;
  /** `redisFront`, `lmdbFront` or `memoryFront`. */
  readonly front: Front;
  /** `false` leaves flushing to other processes. */
  readonly flush?: false | FlushOptions;
  /** How often and how soon what the store refused is tried again. */
  readonly retry?: RetryOptions;
  /** Where time comes from, for tests and simulation. Default: the system's clock. */
  readonly clock?: Clock;
  /** Where chance comes from, for tests and simulation. Default: the system's. */
  readonly random?: Random;
}

/** Options that were read: what an engine is made of. */
export interface ParsedParts {
  readonly settings: Settings;
  readonly front: Front;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}

/** What is there before it is known whether anything was wrong. */
interface ReadParts {
  readonly settings: Settings;
  readonly front: Front | undefined;
  readonly store: Store | undefined;
}

export function readFront(read: OptionReader): Front | undefined {
  const front = read.value('front') as Partial<Front> | undefined;
  if (typeof front?.attach === 'function' && front.capabilities !== undefined) return front as Front;
  read.fault(
    "front is missing: use redisFront({ client }) from 'millrace/redis', lmdbFront({ path }) from 'millrace/lmdb' " +
      "or memoryFront() from 'millrace/memory'.",
  );
  return undefined;
}

/** A store of documents. */
export function readStore<V>(read: OptionReader): Store | undefined {
  const store = read.value('store') as Store | CustomStore<V> | undefined;
  if (isStore(store)) {
    if (store.holds !== undefined)
      read.fault(
        `the store holds ${traitsOf(shapeOf(store.holds)).noun}: use postgresStore({ pool, table, key, value }).`,
      );
    return store;
  }
  if (
    typeof (store as CustomStore<V> | undefined)?.loadMany === 'function' &&
    typeof (store as CustomStore<V>).apply === 'function'
  ) {
    try {
      return customStore(store as CustomStore<V>);
    } catch (error) {
      // Its faults are listed with the others.
      if (!isMillraceError(error)) throw error;
      read.fault(`${error.message}.`);
      return undefined;
    }
  }
  read.fault(
    "store is missing: use postgresStore({ pool, table, key, value }) from 'millrace/postgres', " +
      'or an object with loadMany(keys) and apply(batch).',
  );
  return undefined;
}

/** Another shape than documents, which is always write-behind; `example` is the store that it takes. */
export function readShape(read: OptionReader, holds: Holds, example: string): ReadParts {
  const name = read.name();
  const front = readFront(read);
  const store = readStoreOf(read, holds, example);
  const settings = readSettings(read, name, 'write-behind', front);
  if (settings.backpressure.onFull === 'write-through')
    read.fault("backpressure.onFull 'write-through' is for documents: use 'wait' or 'reject'.");
  return { settings, front, store };
}

/** A store without transactions could count twice, so none of those is taken. */
function readStoreOf(read: OptionReader, holds: Holds, example: string): Store | undefined {
  const store = read.value('store') as Store | undefined;
  if (isStore(store) && store.holds === holds) return store;
  const isCustom = typeof (store as unknown as Partial<CustomStore<unknown>> | undefined)?.loadMany === 'function';
  read.fault(
    isCustom
      ? `a custom store has no transactions, and ${traitsOf(holds).mutations} would be applied twice after a crash: ` +
          `use ${example} from 'millrace/postgres'.`
      : `store is missing: use ${example} from 'millrace/postgres'.`,
  );
  return undefined;
}

/** `own` are settings of the shape. Throws one MILLRACE_OPTIONS error that lists every fault. */
export function finish(read: OptionReader, parts: ReadParts, own: Partial<Settings> = {}): ParsedParts {
  read.finish();
  return {
    settings: { ...parts.settings, ...own },
    front: parts.front as Front,
    store: parts.store as Store,
    clock: (read.value('clock') as Clock | undefined) ?? systemClock,
    random: (read.value('random') as Random | undefined) ?? systemRandom,
  };
}
