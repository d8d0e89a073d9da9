import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ACK_LEVELS, type AckLevel } from './core/acks.ts';
import { parseDuration, type Duration } from './core/duration.ts';
import { MillraceError } from './errors.ts';
import type { Clock } from './ports/clock.ts';
import type { Front } from './ports/front.ts';
import type { Random } from './ports/random.ts';
import type { Store } from './ports/store.ts';
import { customStore, type CustomStore } from './stores/custom.ts';

export type Policy = 'write-behind' | 'write-through' | 'cache-aside';

/** Options of {@link createCache}. */
export interface CacheOptions<V> {
  /** Names the cache in the front, the store's fence, metrics and messages: 1 to 64 of `A-Z a-z 0-9 _ . -`. */
  readonly name: string;
  /** Default 'write-behind'. */
  readonly policy?: Policy;
  /** `redisFront`, `lmdbFront` or `memoryFront`. */
  readonly front: Front;
  /** `postgresStore`, or an object with `loadMany` and `apply`. */
  readonly store: Store | CustomStore<V>;
  /** How long a clean entry stays in the front. Default: for ever. A pending entry never expires. */
  readonly ttl?: Duration;
  /** `false` leaves flushing to other processes. */
  readonly flush?: false | FlushOptions;
  readonly retry?: RetryOptions;
  readonly backpressure?: BackpressureOptions;
  /** What `set` and `delete` wait for. Default: what the front does best without waiting for the store. */
  readonly ack?: AckLevel;
  /** Ordered sequences that keys are hashed to; pinned when the cache is first used. 1 to 256, default 4. */
  readonly lanes?: number;
  /** Validates values before they are acknowledged: any Standard Schema (zod, valibot, arktype, …). */
  readonly schema?: StandardSchemaV1<unknown, V>;
  /** Part of the ttl, 0 to 1, after which a read reloads the value in the background. Default: never. */
  readonly refreshAhead?: number;
  /** Largest value as JSON text, in bytes. Default 1 MiB. */
  readonly maxValueBytes?: number;
  /** Time and chance, for tests and simulation. */
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface FlushOptions {
  /** A pending mutation is flushed at this age at the latest. Default '1s'. */
  readonly maxDelay?: Duration;
  /** Rows of a statement; a flush begins when so many are pending. 1 to 10,000, default 500. */
  readonly batchSize?: number;
  /** Store transactions at the same time. 1 to 64, default 2. */
  readonly concurrency?: number;
  /** How long a worker that died keeps its lanes from others. 100 ms to 5 min, default '5s'. */
  readonly lease?: Duration;
}

export interface RetryOptions {
  /** How often a rejected row is tried before it is a dead letter. Default 3. */
  readonly attempts?: number;
  /** Bounds of the wait after a transient fault, which doubles with each fault in a row. Default '100ms', '30s'. */
  readonly minDelay?: Duration;
  readonly maxDelay?: Duration;
}

export interface BackpressureOptions {
  /** Entries and estimated bytes that may be pending. Default 100,000 and 256 MiB. */
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  /** Default 'wait'. */
  readonly onFull?: 'wait' | 'reject' | 'write-through';
}

/** Options of one `set` or `delete`. */
export interface WriteOptions {
  readonly ack?: AckLevel;
  /** Expiry of this entry once it is clean; for `set` only. */
  readonly ttl?: Duration;
  /** Gives up waiting. A write that was already sent to the front may still happen. */
  readonly signal?: AbortSignal;
}
