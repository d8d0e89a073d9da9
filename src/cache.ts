import type { StandardSchemaV1 } from '@standard-schema/spec';
import { parseDuration, type Duration } from './core/duration.ts';
import { laneOf } from './core/lane-of.ts';
import { encodeJson } from './core/json-value.ts';
import { aborted, untilAborted } from './engine/abort.ts';
import { Deadline } from './engine/deadline.ts';
import type { Receipt } from './engine/receipt.ts';
import { Engine } from './engine/engine.ts';
import { examineCache } from './examine.ts';
import { isMillraceError, MillraceError } from './errors.ts';
import { Emitter, type CacheEventName, type CacheListener } from './events.ts';
import { KEY_BYTES_MAX } from './engine/settings.ts';
import { DeadLetters } from './dead-letters.ts';
import { describeFindings, type Inspection } from './observe/inspect.ts';
import { describeStats, type CacheStats } from './observe/stats.ts';
import type { Finding } from './ports/finding.ts';
import { parseCacheOptions, refuseAck, type CacheOptions, type ParsedOptions, type WriteOptions } from './options.ts';

/** What {@link Cache.close} did. */
export interface CloseReport {
  /** Rows that this process stored while it closed. */
  readonly stored: number;
  /** Entries that stay in the front, for the next process that flushes. */
  readonly remaining: number;
  /** Rows that were refused while it closed, and are letters in the store now: dead, or waiting for another attempt. */
  readonly dead: number;
}

/** Passed by reference: a write with these needs no look at its options. */
const DEFAULTS: WriteOptions = Object.freeze({});

/** @internal For the command line only; a registered symbol, because a configuration may load another copy of the package. */
export const FLUSH_HERE: unique symbol = Symbol.for('millrace.flush-here');

/** How long {@link Cache.close} drains when it is not told. */
const CLOSE_TIMEOUT_MS = 30_000;
/** What timers can count to. */
const CLOSE_TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * A cache in front of a store, kept in step by one policy. Made by {@link createCache}.
 *
 * Every method rejects with a `MillraceError`: MILLRACE_CLOSED once `close` was called, MILLRACE_FRONT_UNAVAILABLE or
 * MILLRACE_STORE_UNAVAILABLE when a server cannot be reached, and what the method names.
 */
export class Cache<V> implements AsyncDisposable {
  readonly name: string;
  #options: ParsedOptions<V>;
  readonly #given: CacheOptions<V>;
  readonly #events = new Emitter();
  #engine: Engine | undefined;
  #starting: Promise<Engine> | undefined;
  #closing: Promise<CloseReport> | undefined;
  #paused = false;
  readonly deadLetters: DeadLetters<V>;

  /** @internal Use {@link createCache}. */
  constructor(options: CacheOptions<V>) {
    this.#given = options;
    this.#options = parseCacheOptions(options);
    this.name = this.#options.settings.name;
    this.deadLetters = new DeadLetters<V>(this.name, () => this.#attached());
  }

  /** Connects, checks front and store, and recovers what a crash left behind; other methods do so when first called. */
  async ready(): Promise<void> {
    await this.#attached();
  }

  /** @internal What `millrace worker` does to a cache with `flush: false`: from its first operation on, it flushes. */
  [FLUSH_HERE](): void {
    if (this.#options.settings.flush !== undefined || this.#options.settings.policy !== 'write-behind') return;
    if (this.#starting !== undefined) throw new MillraceError('MILLRACE_INTERNAL', 'A cache that is in use cannot become a worker.', { cache: this.name });
    this.#options = parseCacheOptions({ ...this.#given, flush: {} });
  }

  /** The value, or undefined. A value that is pending is found like any other. */
  async get(key: string): Promise<V | undefined> {
    this.#checkKey(key);
    const engine = this.#engine ?? (await this.#attached());
    this.#refuseClosed();
    const json = await engine.reader.get(key);
    return json === undefined ? undefined : (JSON.parse(json) as V);
  }

  /** Values by key, in the order of `keys`; keys without a value are missing. */
  async getMany(keys: readonly string[]): Promise<Map<string, V>> {
    for (const key of keys) this.#checkKey(key);
    const engine = this.#engine ?? (await this.#attached());
    this.#refuseClosed();
    const found = await engine.reader.getMany(keys);
    const values = new Map<string, V>();
    for (const key of keys) {
      const json = found.get(key);
      if (json !== undefined) values.set(key, JSON.parse(json) as V);
    }
    return values;
  }

  readonly #loading = new Map<string, Promise<V | undefined>>();

  /**
   * The value; where neither front nor store has one, what `load` returns, which is then written like by
   * {@link set}. One call of `load` per key at a time in this process. `undefined` from `load` is not written.
   */
  async getOrLoad(key: string, load: (key: string) => V | undefined | Promise<V | undefined>, options: WriteOptions = DEFAULTS): Promise<V | undefined> {
    const found = await this.get(key);
    if (found !== undefined) return found;
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = (async () => {
        const value = await load(key);
        if (value !== undefined) await this.set(key, value, options);
        return value;
      })().finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** Whether {@link get} would find a value. */
  async has(key: string): Promise<boolean> {
    this.#checkKey(key);
    const engine = this.#engine ?? (await this.#attached());
    this.#refuseClosed();
    return (await engine.reader.get(key)) !== undefined;
  }

  /**
   * Writes a value and resolves when it is acknowledged at `options.ack` (default: the cache's). Rejects with
   * MILLRACE_KEY or MILLRACE_VALUE before anything is written, with MILLRACE_FULL, MILLRACE_ACK or MILLRACE_ABORTED,
   * and with `ack: 'stored'` also with MILLRACE_REJECTED or MILLRACE_LOST.
   */
  set(key: string, value: V, options: WriteOptions = DEFAULTS): Promise<Receipt> {
    // Not an async function: on the way of most writes there is one promise, the front's answer.
    try {
      this.#checkKey(key);
      if (this.#options.schema !== undefined) return this.#setValidated(this.#options.schema, key, value, options);
      return this.#write(key, this.#encode(key, value), options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async #setValidated(schema: StandardSchemaV1<unknown, V>, key: string, value: V, options: WriteOptions): Promise<Receipt> {
    return this.#write(key, this.#encode(key, await validate(schema, value, this.name, key)), options);
  }

  /** {@link set} for many; resolves with the receipts in order when all are acknowledged, rejects when one is not. */
  async setMany(entries: Iterable<readonly [key: string, value: V]>, options: WriteOptions = DEFAULTS): Promise<Receipt[]> {
    const { schema } = this.#options;
    const encoded: [string, string][] = [];
    // All are checked before the first is written.
    for (const [key, value] of entries) {
      this.#checkKey(key);
      encoded.push([key, this.#encode(key, schema === undefined ? value : await validate(schema, value, this.name, key))]);
    }
    await this.#checkAllStorable(encoded);
    return Promise.all(encoded.map(([key, json]) => this.#write(key, json, options)));
  }

  /** Deletes a value; resolves and rejects like {@link set}. Deleting what does not exist is no error. */
  async delete(key: string, options: WriteOptions = DEFAULTS): Promise<Receipt> {
    this.#checkKey(key);
    return this.#write(key, undefined, options);
  }

  /** {@link delete} for many. */
  async deleteMany(keys: Iterable<string>, options: WriteOptions = DEFAULTS): Promise<Receipt[]> {
    const list = [...keys];
    for (const key of list) this.#checkKey(key);
    await this.#checkAllStorable(list.map((key) => [key, undefined]));
    return Promise.all(list.map((key) => this.#write(key, undefined, options)));
  }

  /**
   * Resolves when all that was accepted before this call is stored, or refused and kept as a letter; what waits for
   * another attempt is not waited for. Waits while the store is down.
   */
  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#refuseClosed();
    const engine = await this.#attached();
    await untilAborted(engine.flush(), options.signal, this.name, undefined);
  }

  /**
   * Stops flushing in this process, until {@link resume}; writes go on into the front. A cache that is paused before its
   * first operation takes no lanes, and one that is closed while it is paused drains nothing.
   */
  async pause(): Promise<void> {
    this.#refuseClosed();
    this.#paused = true;
    (this.#engine ?? (await this.#starting))?.pause();
  }

  /**
   * Flushes again after {@link pause}; also tries lanes again that stopped, after an operator has seen to the cause.
   *
   * `acceptStoreRollback: true` goes on with a store that was restored to an earlier state: lanes that stopped because it
   * lost generations take up where the front is. What is pending is stored; the generations stay lost, and are
   * reported as `loss` with the cause 'store-rolled-back'. Values of theirs that the front still has are served until they
   * expire. Does nothing where nothing was lost. Rejects with MILLRACE_UNSUPPORTED for a store without transactions.
   */
  async resume(options: { readonly acceptStoreRollback?: boolean } = {}): Promise<void> {
    this.#paused = false;
    const engine = await this.#attached();
    if (options.acceptStoreRollback === true) await engine.acceptStoreRollback();
    engine.resume();
  }

  /** Where a key's value is: in the front, pending, in flight, stored, refused; since when; and the last error. */
  async inspect(key: string): Promise<Inspection> {
    this.#checkKey(key);
    const engine = await this.#attached();
    this.#refuseClosed();
    const { front, store, settings } = engine.context;
    const lane = laneOf(key, settings.lanes);
    const [slot, rows, deadLetter] = await Promise.all([front.inspect(lane, key), store.load([key]), store.deadLetters?.ofKey(key)]);
    const { error, failures } = engine.lastError(lane);
    const lastError = error && { code: error.code, message: error.message };
    return describeFindings({ key, lane, slot, inStore: rows.has(key), deadLetter, attempts: failures, lastError, writeBehind: settings.policy === 'write-behind' });
  }

  /**
   * What is there of the settings on which this cache's promises depend, the gravest first: what `millrace doctor` prints.
   * Changes nothing and takes no lanes; also tells why a cache cannot start. What cannot be reached is a finding.
   */
  async examine(): Promise<Finding[]> {
    this.#refuseClosed();
    const { settings, front, store, clock } = this.#options;
    return examineCache(settings, front, store, clock);
  }

  /** Counters of this process, and what is pending in the front for all of them. */
  async stats(): Promise<CacheStats> {
    const engine = await this.#attached();
    this.#refuseClosed();
    const [headers, letters] = await Promise.all([engine.headers(), engine.letterCounts()]);
    return describeStats({ ...engine.counts }, engine.breaker, headers, letters, engine.context.clock.now());
  }

  /**
   * Refuses new operations at once, drains until the deadline (default 30 s), and gives the lanes to whoever wants them.
   * Writes that wait for room are drained too; at the deadline they reject with MILLRACE_CLOSED. What remains stays in
   * the front. Takes a second longer at the most, where front or store do not answer. Rejects with MILLRACE_OPTIONS, and
   * closes nothing, when `timeout` is no duration; with nothing else. A second call returns the same report.
   */
  close(options: { readonly timeout?: Duration } = {}): Promise<CloseReport> {
    if (this.#closing !== undefined) return this.#closing;
    const timeoutMs = options.timeout === undefined ? CLOSE_TIMEOUT_MS : parseDuration(options.timeout);
    if (timeoutMs === undefined) {
      const message = `close: timeout must be milliseconds or a string like '10s', not ${String(options.timeout)}. The cache was not closed.`;
      return Promise.reject(new MillraceError('MILLRACE_OPTIONS', message, { cache: this.name }));
    }
    this.#closing = this.#close(Math.min(timeoutMs, CLOSE_TIMEOUT_MS_MAX));
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<CloseReport> {
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    const deadline = new Deadline(clock, timeoutMs);
    const starting = this.#starting;
    const engine = this.#engine ?? (await deadline.wait(starting?.catch(() => undefined)));
    deadline.cancel();
    // Nothing was written through a cache that has not started; it lets go of front and store when it has.
    if (engine === undefined) void starting?.then((late) => late.close(0)).catch(() => undefined);
    const report = (await engine?.close(Math.max(0, timeoutMs - (clock.monotonic() - startedAt)))) ?? { stored: 0, remaining: 0, dead: 0 };
    this.#events.emit('closed', report);
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Calls `listener` at each event of this process; see `CacheEvents`. */
  on<N extends CacheEventName>(name: N, listener: CacheListener<N>): this {
    this.#events.on(name, listener);
    return this;
  }

  off<N extends CacheEventName>(name: N, listener: CacheListener<N>): this {
    this.#events.off(name, listener);
    return this;
  }

  #attached(): Promise<Engine> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    if (this.#engine !== undefined) return Promise.resolve(this.#engine);
    const { settings, front, store, clock, random } = this.#options;
    this.#starting ??= Engine.start({ settings, front, store, clock, random, events: this.#events, paused: this.#paused }).then(
      (engine) => (this.#engine = engine),
      (error: unknown) => {
        // The next operation tries again: the server may be back by then.
        this.#starting = undefined;
        throw named(error, this.name);
      },
    );
    return this.#starting;
  }

  #write(key: string, json: string | undefined, options: WriteOptions): Promise<Receipt> {
    const engine = this.#engine;
    if (engine === undefined || options !== DEFAULTS) return this.#writeAs(key, json, options);
    this.#refuseClosed();
    this.#checkStorable(engine, key, json);
    return engine.write(key, json, undefined, this.#options.settings.ack);
  }

  async #writeAs(key: string, json: string | undefined, options: WriteOptions): Promise<Receipt> {
    const { settings, front } = this.#options;
    const ack = options.ack ?? settings.ack;
    const refusal = options.ack === undefined ? undefined : refuseAck(ack, settings.policy, front);
    if (refusal !== undefined) throw new MillraceError('MILLRACE_ACK', refusal, { cache: this.name, key });
    const ttlMs = options.ttl === undefined ? undefined : parseDuration(options.ttl);
    if (options.ttl !== undefined && (ttlMs === undefined || ttlMs < 1)) {
      throw new MillraceError('MILLRACE_OPTIONS', `ttl must be a positive duration such as '5m' or milliseconds, not ${String(options.ttl)}.`, { cache: this.name, key });
    }
    if (options.signal?.aborted === true) throw aborted(true, options.signal.reason, this.name, key);
    const engine = await this.#attached();
    this.#refuseClosed();
    this.#checkStorable(engine, key, json);
    return engine.write(key, json, ttlMs, ack, options.signal);
  }

  #encode(key: string, value: V): string {
    const { settings } = this.#options;
    const encoded = encodeJson(value);
    if ('fault' in encoded) throw new MillraceError('MILLRACE_VALUE', `The value of key "${key}" cannot be kept as JSON: ${encoded.fault}.`, { cache: this.name, key });
    const { json } = encoded;
    // A character is at most 3 bytes: only a text near the limit has to be measured.
    if (json.length * 3 > settings.maxValueBytes && Buffer.byteLength(json) > settings.maxValueBytes) {
      throw new MillraceError('MILLRACE_VALUE', `The value of key "${key}" has ${Buffer.byteLength(json)} bytes as JSON; ${settings.maxValueBytes} are allowed (option maxValueBytes).`, { cache: this.name, key });
    }
    return json;
  }

  #checkKey(key: unknown): asserts key is string {
    const fault = keyFault(key);
    if (fault !== undefined) throw new MillraceError('MILLRACE_KEY', fault, { cache: this.name, key: typeof key === 'string' ? key.slice(0, 80) : undefined });
  }

  async #checkAllStorable(entries: readonly (readonly [key: string, json: string | undefined])[]): Promise<void> {
    const engine = await this.#attached();
    for (const [key, json] of entries) this.#checkStorable(engine, key, json);
  }

  #checkStorable(engine: Engine, key: string, json: string | undefined): void {
    const { store } = engine.context;
    const keyRefusal = store.checkKey(key);
    if (keyRefusal !== undefined) throw new MillraceError('MILLRACE_KEY', `The store cannot hold key "${key}": ${keyRefusal}.`, { cache: this.name, key });
    const refusal = json === undefined ? undefined : store.checkValue(json);
    if (refusal !== undefined) throw new MillraceError('MILLRACE_VALUE', `The store cannot hold the value of key "${key}": ${refusal}.`, { cache: this.name, key });
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#closedError();
  }

  #closedError(): MillraceError {
    return new MillraceError('MILLRACE_CLOSED', `Cache "${this.name}" is closed.`, { cache: this.name });
  }
}

/** Makes a cache. Returns at once and does no I/O; throws MILLRACE_OPTIONS with every fault of the options. */
export function createCache<V = unknown>(options: CacheOptions<V>): Cache<V> {
  return new Cache<V>(options);
}

function keyFault(key: unknown): string | undefined {
  if (typeof key !== 'string') return `A key must be a string, not ${typeof key}.`;
  if (key === '') return 'A key must not be empty.';
  if (key.length * 3 > KEY_BYTES_MAX && Buffer.byteLength(key) > KEY_BYTES_MAX) return `A key may have ${KEY_BYTES_MAX} bytes of UTF-8; "${key.slice(0, 40)}…" has ${Buffer.byteLength(key)}. Use a hash of it.`;
  if (!key.isWellFormed()) return 'A key must be well-formed Unicode: it has half of a surrogate pair.';
  if (key.includes('\0')) return 'A key must not contain NUL.';
  return undefined;
}

/** Connections are shared, so what fails there does not know for which cache. */
function named(error: unknown, cache: string): unknown {
  if (!isMillraceError(error) || error.cache !== undefined) return error;
  return new MillraceError(error.code, error.message, { cache, key: error.key, lane: error.lane, cause: error.cause });
}

async function validate<V>(schema: StandardSchemaV1<unknown, V>, value: unknown, cache: string, key: string): Promise<V> {
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.slice(0, 5).map((issue) => {
    const path = (issue.path ?? []).map((part) => (typeof part === 'object' ? String(part.key) : String(part))).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  throw new MillraceError('MILLRACE_VALUE', `The schema refuses the value of key "${key}": ${issues.join('; ')}.`, { cache, key });
}
