import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ACK_LEVELS, type AckLevel } from './core/acks.ts';
import { parseDuration, type Duration } from './core/duration.ts';
import type { Settings } from './engine/settings.ts';
import { systemClock, systemRandom } from './system.ts';
import { isMillraceError, MillraceError } from './errors.ts';
import type { Clock } from './ports/clock.ts';
import type { Front } from './ports/front.ts';
import type { Random } from './ports/random.ts';
import type { Store } from './ports/store.ts';
import { customStore, isStore, type CustomStore } from './stores/custom.ts';

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
  /**
   * Rows that a statement may have when the store is slow: when a flush takes more than a quarter of `maxDelay`. From
   * `batchSize` to 10,000; default `batchSize` where that is given, else 5,000.
   */
  readonly maxBatchSize?: number;
  /** Store transactions at the same time, at most: while the store is slow there are fewer. 1 to 64, default 2. */
  readonly concurrency?: number;
  /** How long a worker that died keeps its lanes from others. 100 ms to 5 min, default '5s'. */
  readonly lease?: Duration;
}

export interface RetryOptions {
  /** How often a row may be refused before it is a dead letter. 1 to 1,000, default 3. */
  readonly attempts?: number;
  /** Bounds of the wait after a transient fault or a refusal, which doubles with each in a row. Default '100ms', '30s'. */
  readonly minDelay?: Duration;
  readonly maxDelay?: Duration;
}

export interface BackpressureOptions {
  /** Entries and estimated bytes that may be pending. Default 100,000 and 256 MiB. */
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  /**
   * What a write does that finds no room: wait for it, reject with MILLRACE_FULL, or go through to the store: it is taken
   * beyond the capacity, by at most `maxWaiters` entries and `maxWaitingBytes`, and acknowledged when the store has it. A
   * write of a pending key whose value does not become longer needs no room. Default 'wait'.
   */
  readonly onFull?: 'wait' | 'reject' | 'write-through';
  /**
   * Writes of this process that may wait for room; one more is rejected with MILLRACE_FULL at once. 0 to 10,000,000,
   * default 10,000.
   */
  readonly maxWaiters?: number;
  /** Estimated bytes of their values, which the process holds meanwhile. Default 64 MiB. */
  readonly maxWaitingBytes?: number;
  /** How long a write waits for room before it is rejected with MILLRACE_FULL. 1 ms to 1 d, default '30s'. */
  readonly maxWait?: Duration;
}

/** Options of one `set` or `delete`. */
export interface WriteOptions {
  readonly ack?: AckLevel;
  /** Expiry of this entry once it is clean; for `set` only. */
  readonly ttl?: Duration;
  /**
   * Gives up waiting, with MILLRACE_ABORTED. A write that waits for room, or was not sent yet, is taken back: nothing of
   * it is written, and the message says so. One that was sent may still happen.
   */
  readonly signal?: AbortSignal;
}

/** Options that were read: what an engine is made of. */
export interface ParsedParts {
  readonly settings: Settings;
  readonly front: Front;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}

/** Rows of one statement: unless something is given, and at the very most. */
const BATCH_SIZE = 500;
const BATCH_SIZE_MAX = 10_000;

/** With what only the facade needs of them. */
export interface ParsedOptions<V> extends ParsedParts {
  readonly schema: StandardSchemaV1<unknown, V> | undefined;
}

/** Reads options once. Throws one MILLRACE_OPTIONS error that lists every fault. */
export function parseCacheOptions<V>(options: CacheOptions<V>): ParsedOptions<V> {
  const read = new OptionReader(options, 'createCache');
  const name = read.name();
  const policy = read.oneOf('policy', ['write-behind', 'write-through', 'cache-aside'] as const, 'write-behind');
  const front = read.front();
  const store = read.store<V>();
  const settings = readSettings(read, name, policy, front);
  if (settings.refreshAhead !== undefined && settings.ttlMs === undefined) read.fault('refreshAhead needs a ttl: without one nothing expires.');
  read.known([
    'name', 'policy', 'front', 'store', 'ttl', 'flush', 'retry', 'backpressure', 'ack', 'lanes', 'schema', 'refreshAhead', 'maxValueBytes', 'clock', 'random',
  ]);
  const schema = options?.schema;
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') read.fault('schema is not a Standard Schema (it has no "~standard".validate).');
  read.finish();
  return { settings, front: front as Front, store: store as Store, schema, clock: options.clock ?? systemClock, random: options.random ?? systemRandom };
}

/** What every kind of cache has. */
export function readSettings(read: OptionReader, name: string, policy: Policy, front: Front | undefined): Settings {
  const flush = read.flush(policy);
  const retry = read.section('retry', ['attempts', 'minDelay', 'maxDelay']);
  const backpressure = read.section('backpressure', ['maxEntries', 'maxBytes', 'onFull', 'maxWaiters', 'maxWaitingBytes', 'maxWait']);
  const settings: Settings = {
    name,
    policy,
    lanes: read.integer('lanes', 4, 1, 256),
    shape: '',
    sumMax: 0n,
    loadWaitMs: read.duration('loadWait', 30_000, 1, 24 * 3_600_000) as number,
    ttlMs: read.duration('ttl', undefined, 1, Number.MAX_SAFE_INTEGER),
    ack: read.ack(policy, front),
    flush,
    retry: {
      attempts: retry.integer('attempts', 3, 1, 1_000),
      minDelayMs: retry.duration('minDelay', 100, 1, 60_000) as number,
      maxDelayMs: retry.duration('maxDelay', 30_000, 1, 3_600_000) as number,
    },
    backpressure: {
      maxEntries: backpressure.integer('maxEntries', 100_000, 1, Number.MAX_SAFE_INTEGER),
      maxBytes: backpressure.integer('maxBytes', 256 * 2 ** 20, 1, Number.MAX_SAFE_INTEGER),
      onFull: backpressure.onFull(),
      maxWaiters: backpressure.integer('maxWaiters', 10_000, 0, 10_000_000),
      maxWaitingBytes: backpressure.integer('maxWaitingBytes', 64 * 2 ** 20, 0, Number.MAX_SAFE_INTEGER),
      maxWaitMs: backpressure.duration('maxWait', 30_000, 1, 24 * 3_600_000) as number,
    },
    refreshAhead: read.fraction('refreshAhead'),
    maxValueBytes: read.integer('maxValueBytes', 2 ** 20, 1, 512 * 2 ** 20),
  };
  if (settings.retry.minDelayMs > settings.retry.maxDelayMs) read.fault('retry.minDelay is longer than retry.maxDelay.');
  return settings;
}

const HOLDS: Readonly<Record<NonNullable<Store['holds']>, string>> = { counters: 'counters', log: 'a log', scores: 'a leaderboard' };

/** Reads the properties of one options object and collects faults; nested sections share the list. */
export class OptionReader {
  readonly #options: Record<string, unknown>;
  readonly #where: string;
  readonly #prefix: string;
  readonly #faults: string[];

  constructor(options: unknown, where: string, prefix = '', faults: string[] = []) {
    this.#faults = faults;
    this.#where = where;
    this.#prefix = prefix;
    if (typeof options !== 'object' || options === null) {
      this.fault(prefix === '' ? 'the options must be an object.' : `${prefix.slice(0, -1)} must be an object.`);
      options = {};
    }
    this.#options = options as Record<string, unknown>;
  }

  fault(message: string): void {
    this.#faults.push(message);
  }

  finish(): void {
    if (this.#faults.length === 0) return;
    const name = typeof this.#options['name'] === 'string' ? this.#options['name'] : undefined;
    const list = this.#faults.length === 1 ? ` ${this.#faults[0]}` : `\n${this.#faults.map((fault) => `  - ${fault}`).join('\n')}`;
    throw new MillraceError('MILLRACE_OPTIONS', `${this.#where}:${list}`, { cache: name });
  }

  known(names: readonly string[]): void {
    for (const name of Object.keys(this.#options)) {
      if (names.includes(name)) continue;
      const near = names.find((known) => known.toLowerCase() === name.toLowerCase() || known.startsWith(name) || name.startsWith(known));
      this.fault(`unknown option ${this.#prefix}${name}${near === undefined ? '' : `; did you mean ${this.#prefix}${near}?`} Known: ${names.join(', ')}.`);
    }
  }

  section(name: string, names: readonly string[]): OptionReader {
    const section = new OptionReader(this.#options[name] ?? {}, this.#where, `${this.#prefix}${name}.`, this.#faults);
    section.known(names);
    return section;
  }

  name(): string {
    const name = this.#options['name'];
    if (typeof name === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(name)) return name;
    this.fault(`name must be 1 to 64 characters of A-Z a-z 0-9 _ . -, not ${show(name)}.`);
    return '';
  }

  oneOf<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const value = this.#options[name] ?? fallback;
    if (values.includes(value as T)) return value as T;
    this.fault(`${this.#prefix}${name} must be one of ${values.map((known) => `'${known}'`).join(', ')}, not ${show(value)}.`);
    return fallback;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.#options[name] ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    this.fault(`${this.#prefix}${name} must be a whole number from ${min} to ${max}, not ${show(value)}.`);
    return fallback;
  }

  fraction(name: string): number | undefined {
    const value = this.#options[name];
    if (value === undefined || (typeof value === 'number' && value > 0 && value < 1)) return value;
    this.fault(`${this.#prefix}${name} must be a number between 0 and 1, not ${show(value)}.`);
    return undefined;
  }

  duration(name: string, fallbackMs: number | undefined, minMs: number, maxMs: number): number | undefined {
    const value = this.#options[name];
    if (value === undefined) return fallbackMs;
    const ms = parseDuration(value);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return Math.max(1, Math.round(ms));
    this.fault(`${this.#prefix}${name} must be milliseconds or a string like '250ms', '5s', '10m', '1h', '2d' (${minMs} ms at least), not ${show(value)}.`);
    return fallbackMs;
  }

  front(): Front | undefined {
    const front = this.#options['front'] as Partial<Front> | undefined;
    if (typeof front?.attach === 'function' && front.capabilities !== undefined) return front as Front;
    this.fault("front is missing: use redisFront({ client }) from 'millrace/redis', lmdbFront({ path }) from 'millrace/lmdb' or memoryFront() from 'millrace/memory'.");
    return undefined;
  }

  store<V>(): Store | undefined {
    const store = this.#options['store'] as Store | CustomStore<V> | undefined;
    if (isStore(store)) {
      if (store.holds !== undefined) this.fault(`the store holds ${HOLDS[store.holds]}: use postgresStore({ pool, table, key, value }).`);
      return store;
    }
    if (typeof (store as CustomStore<V> | undefined)?.loadMany === 'function' && typeof (store as CustomStore<V>).apply === 'function') {
      try {
        return customStore(store as CustomStore<V>);
      } catch (error) {
        // Its faults are listed with the others.
        if (!isMillraceError(error)) throw error;
        this.fault(`${error.message}.`);
        return undefined;
      }
    }
    this.fault("store is missing: use postgresStore({ pool, table, key, value }) from 'millrace/postgres', or an object with loadMany(keys) and apply(batch).");
    return undefined;
  }

  /** A store of another shape than documents. One without transactions could count twice, so none of those is taken. */
  storeOf(holds: NonNullable<Store['holds']>, example: string): Store | undefined {
    const store = this.#options['store'] as Store | undefined;
    if (isStore(store) && store.holds === holds) return store;
    const isCustom = typeof (store as unknown as Partial<CustomStore<unknown>> | undefined)?.loadMany === 'function';
    this.fault(isCustom ? `a custom store has no transactions, and ${holds === 'log' ? 'events' : holds === 'scores' ? 'scores' : 'increments'} would be applied twice after a crash: use ${example} from 'millrace/postgres'.` : `store is missing: use ${example} from 'millrace/postgres'.`);
    return undefined;
  }

  boolean(name: string): boolean {
    const value = this.#options[name] ?? false;
    if (typeof value === 'boolean') return value;
    this.fault(`${this.#prefix}${name} must be true or false, not ${show(value)}.`);
    return false;
  }

  flush(policy: Policy): Settings['flush'] {
    if (this.#options['flush'] === false) return undefined;
    const flush = this.section('flush', ['maxDelay', 'batchSize', 'maxBatchSize', 'concurrency', 'lease']);
    if (policy !== 'write-behind' && this.#options['flush'] !== undefined) this.fault(`flush has no meaning with policy '${policy}', which has nothing to flush.`);
    const batchSize = flush.integer('batchSize', BATCH_SIZE, 1, BATCH_SIZE_MAX);
    const isGiven = (this.#options['flush'] as FlushOptions | undefined)?.batchSize !== undefined;
    return {
      maxDelayMs: flush.duration('maxDelay', 1_000, 1, 24 * 3_600_000) as number,
      batchSize,
      // Whoever gives a size means it.
      batchSizeMax: flush.integer('maxBatchSize', isGiven ? batchSize : BATCH_SIZE * 10, batchSize, BATCH_SIZE_MAX),
      concurrency: flush.integer('concurrency', 2, 1, 64),
      leaseMs: flush.duration('lease', 5_000, 100, 300_000) as number,
    };
  }

  onFull(): 'wait' | 'reject' | 'write-through' {
    return this.oneOf('onFull', ['wait', 'reject', 'write-through'] as const, 'wait');
  }

  ack(policy: Policy, front: Front | undefined): AckLevel {
    const fallback: AckLevel = policy === 'write-behind' ? (front?.capabilities.defaultAck ?? 'buffered') : 'stored';
    const ack = this.oneOf('ack', ACK_LEVELS, fallback);
    const refusal = refuseAck(ack, policy, front);
    if (refusal !== undefined) this.fault(refusal);
    return ack;
  }
}

/** Why a cache cannot acknowledge at this level, or undefined. */
export function refuseAck(ack: AckLevel, policy: Policy, front: Front | undefined): string | undefined {
  if (policy !== 'write-behind') return ack === 'stored' ? undefined : `ack '${ack}' has no meaning with policy '${policy}': its writes are always 'stored'.`;
  if (ack === 'stored' || front === undefined || front.capabilities.acks.includes(ack)) return undefined;
  return `ack '${ack}' cannot be given by the ${front.kind} front, which offers ${[...front.capabilities.acks, 'stored'].map((level) => `'${level}'`).join(', ')}.`;
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
