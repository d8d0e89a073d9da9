import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { AckLevel } from '../core/acks.ts';
import type { Duration } from '../core/duration.ts';
import type { Store } from '../ports/store.ts';
import type { CustomStore } from '../stores/custom.ts';
import { type CommonOptions, finish, type ParsedParts, readFront, readStore } from './parts.ts';
import { OptionReader } from './reader.ts';
import { type BackpressureOptions, type Policy, readSettings } from './settings.ts';

/** Options of {@link createCache}. */
export interface CacheOptions<V> extends CommonOptions {
  /** Default 'write-behind'. */
  readonly policy?: Policy;
  /** `postgresStore`, or an object with `loadMany` and `apply`. */
  readonly store: Store | CustomStore<V>;
  /** How long a clean entry stays in the front. Default: for ever. A pending entry never expires. */
  readonly ttl?: Duration;
  /** How much may be pending, and what a write does that finds no room. */
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
}

/** Options of one `set` or `delete`. */
export interface WriteOptions {
  /** What this one waits for. Default: the cache's `ack`. */
  readonly ack?: AckLevel;
  /** Expiry of this entry once it is clean; for `set` only. */
  readonly ttl?: Duration;
  /**
   * Gives up waiting, with MILLRACE_ABORTED. A write that waits for room, or was not sent yet, is taken back: nothing
   * of it is written, and the message says so. One that was sent may still happen.
   */
  readonly signal?: AbortSignal;
}

/** With what only the facade needs of them. */
export interface ParsedOptions<V> extends ParsedParts {
  readonly schema: StandardSchemaV1<unknown, V> | undefined;
}

/** Reads options once. Throws one MILLRACE_OPTIONS error that lists every fault. */
export function parseCacheOptions<V>(options: CacheOptions<V>): ParsedOptions<V> {
  const read = new OptionReader(options, 'createCache');
  const name = read.name();
  const policy = read.oneOf('policy', ['write-behind', 'write-through', 'cache-aside'] as const, 'write-behind');
  const front = readFront(read);
  const store = readStore<V>(read);
  const settings = readSettings(read, name, policy, front);
  if (settings.refreshAhead !== undefined && settings.ttlMs === undefined)
    read.fault('refreshAhead needs a ttl: without one nothing expires.');
  read.known([
    'name',
    'policy',
    'front',
    'store',
    'ttl',
    'flush',
    'retry',
    'backpressure',
    'ack',
    'lanes',
    'schema',
    'refreshAhead',
    'maxValueBytes',
    'clock',
    'random',
  ]);
  const schema = options?.schema;
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function')
    read.fault('schema is not a Standard Schema (it has no "~standard".validate).');
  return { ...finish(read, { settings, front, store }), schema };
}
