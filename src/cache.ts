import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type Duration, parseDuration } from './core/duration.ts';
import { encodeJson } from './core/json-value.ts';
import type { Level } from './engine/base/level.ts';
import type { Engine } from './engine/engine.ts';
import type { Receipt } from './engine/lanes/receipt.ts';
import { type DocumentWays, documents } from './engine/shapes/documents.ts';
import { MillraceError } from './errors.ts';
import { Facade, NO_OPTIONS } from './facade.ts';
import type { Inspection } from './observe/inspect.ts';
import { type CacheOptions, type ParsedOptions, parseCacheOptions, type WriteOptions } from './options/cache.ts';

/**
 * A cache in front of a store, kept in step by one policy. Made by {@link createCache}.
 *
 * Every method rejects with a `MillraceError`: MILLRACE_CLOSED once `close` was called, MILLRACE_FRONT_UNAVAILABLE or
 * MILLRACE_STORE_UNAVAILABLE when a server cannot be reached, and what the method names.
 */
export class Cache<V> extends Facade<V, ParsedOptions<V>, DocumentWays> {
  /** @internal Use {@link createCache}. */
  constructor(options: CacheOptions<V>) {
    super({
      plug: documents,
      options: parseCacheOptions(options),
      flushing: () => parseCacheOptions({ ...options, flush: {} }),
      reveal: (json) => JSON.parse(json) as V,
    });
  }

  /** The value, or undefined. A value that is pending is found like any other. */
  get(key: string): Promise<V | undefined> {
    return this.performOn(key, NO_OPTIONS, async ({ ways }) => {
      const json = await ways.reader.get(key);
      return json === undefined ? undefined : (JSON.parse(json) as V);
    });
  }

  /** Values by key, in the order of `keys`; keys without a value are missing. */
  async getMany(keys: readonly string[]): Promise<Map<string, V>> {
    for (const key of keys) this.checkKey(key);
    return this.perform(NO_OPTIONS, async ({ ways }) => {
      const found = await ways.reader.getMany(keys);
      const values = new Map<string, V>();
      for (const key of keys) {
        const json = found.get(key);
        if (json !== undefined) values.set(key, JSON.parse(json) as V);
      }
      return values;
    });
  }

  readonly #loading = new Map<string, Promise<V | undefined>>();

  /**
   * The value; where neither front nor store has one, what `load` returns, which is then written like by
   * {@link set}. One call of `load` per key at a time in this process. `undefined` from `load` is not written.
   */
  async getOrLoad(
    key: string,
    load: (key: string) => V | undefined | Promise<V | undefined>,
    options: WriteOptions = NO_OPTIONS,
  ): Promise<V | undefined> {
    const found = await this.get(key);
    if (found !== undefined) return found;
    const joined = this.#loading.get(key);
    if (joined !== undefined) return joined;
    const loading: Promise<V | undefined> = this.#loadAndSet(key, load, options, () => loading).finally(() => {
      if (this.#loading.get(key) === loading) this.#loading.delete(key);
    });
    this.#loading.set(key, loading);
    return loading;
  }

  /** `own` is the load as others join it. */
  async #loadAndSet(
    key: string,
    load: (key: string) => V | undefined | Promise<V | undefined>,
    options: WriteOptions,
    own: () => Promise<V | undefined>,
  ): Promise<V | undefined> {
    const value = await load(key);
    if (value === undefined) return undefined;
    const written = this.set(key, value, options);
    // A write of the key ends the joining, but not its own.
    if (!this.#loading.has(key)) this.#loading.set(key, own());
    await written;
    return value;
  }

  /** Whether {@link get} would find a value. */
  has(key: string): Promise<boolean> {
    return this.performOn(key, NO_OPTIONS, async ({ ways }) => (await ways.reader.get(key)) !== undefined);
  }

  /**
   * Writes a value and resolves when it is acknowledged at `options.ack` (default: the cache's). Rejects with
   * MILLRACE_KEY or MILLRACE_VALUE before anything is written, with MILLRACE_FULL, MILLRACE_ACK or MILLRACE_ABORTED,
   * and with `ack: 'stored'` also with MILLRACE_REJECTED or MILLRACE_LOST.
   */
  set(key: string, value: V, options: WriteOptions = NO_OPTIONS): Promise<Receipt> {
    // Not an async function: on the way of most writes there is one promise, the front's answer.
    try {
      this.checkKey(key);
      if (this.options.schema !== undefined) return this.#setValidated(this.options.schema, key, value, options);
      return this.#write(key, this.#encode(key, value), options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async #setValidated(
    schema: StandardSchemaV1<unknown, V>,
    key: string,
    value: V,
    options: WriteOptions,
  ): Promise<Receipt> {
    return this.#write(key, this.#encode(key, await validate(schema, value, this.name, key)), options);
  }

  /** {@link set} for many; resolves with the receipts in order when all are acknowledged, rejects when one is not. */
  setMany(entries: Iterable<readonly [key: string, value: V]>, options: WriteOptions = NO_OPTIONS): Promise<Receipt[]> {
    // Not an async function: writes take effect in the order of the calls.
    try {
      const list = [...entries];
      for (const [key] of list) this.checkKey(key);
      const { schema } = this.options;
      if (schema !== undefined) return this.#setManyValidated(schema, list, options);
      return this.#writeMany(
        list.map(([key, value]) => [key, this.#encode(key, value)] as const),
        options,
      );
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async #setManyValidated(
    schema: StandardSchemaV1<unknown, V>,
    entries: readonly (readonly [key: string, value: V])[],
    options: WriteOptions,
  ): Promise<Receipt[]> {
    const encoded: [string, string][] = [];
    for (const [key, value] of entries)
      encoded.push([key, this.#encode(key, await validate(schema, value, this.name, key))]);
    return this.#writeMany(encoded, options);
  }

  /** Deletes a value; resolves and rejects like {@link set}. Deleting what does not exist is no error. */
  async delete(key: string, options: WriteOptions = NO_OPTIONS): Promise<Receipt> {
    this.checkKey(key);
    return this.#write(key, undefined, options);
  }

  /** {@link delete} for many. */
  async deleteMany(keys: Iterable<string>, options: WriteOptions = NO_OPTIONS): Promise<Receipt[]> {
    const list = [...keys];
    for (const key of list) this.checkKey(key);
    return this.#writeMany(
      list.map((key) => [key, undefined] as const),
      options,
    );
  }

  /** Where a key's value is: in the front, pending, in flight, stored, refused; since when; and the last error. */
  async inspect(key: string): Promise<Inspection> {
    this.checkKey(key);
    return this.inspectKey(key);
  }

  #write(key: string, json: string | undefined, options: WriteOptions): Promise<Receipt> {
    // Who asks from now on must not be given what was loaded before this write.
    if (this.#loading.size > 0) this.#loading.delete(key);
    const engine = this.begun(options);
    if (engine !== undefined) return this.#send(engine, this.byDefault, key, json, undefined);
    const ttlMs = options?.ttl === undefined ? undefined : this.#ttlOf(key, options.ttl);
    return this.performOn(key, options, (attached, level) => this.#send(attached, level, key, json, ttlMs));
  }

  #send(
    engine: Engine<DocumentWays>,
    level: Level,
    key: string,
    json: string | undefined,
    ttlMs: number | undefined,
  ): Promise<Receipt> {
    this.#checkStorable(engine, key, json);
    const written = engine.ways.write(key, json, ttlMs, level);
    return level.ack === 'stored' ? this.settled(engine, level, written) : written;
  }

  #ttlOf(key: string, ttl: Duration): number {
    const ttlMs = parseDuration(ttl);
    if (ttlMs !== undefined && ttlMs >= 1) return ttlMs;
    const message = `ttl must be a positive duration such as '5m' or milliseconds, not ${String(ttl)}.`;
    throw new MillraceError('MILLRACE_OPTIONS', message, { cache: this.name, key });
  }

  #encode(key: string, value: V): string {
    const { settings } = this.options;
    const encoded = encodeJson(value);
    if ('fault' in encoded)
      throw new MillraceError('MILLRACE_VALUE', `The value of key "${key}" cannot be kept as JSON: ${encoded.fault}.`, {
        cache: this.name,
        key,
      });
    const { json } = encoded;
    // A character is at most 3 bytes: only a text near the limit has to be measured.
    if (json.length * 3 > settings.maxValueBytes && Buffer.byteLength(json) > settings.maxValueBytes) {
      throw new MillraceError(
        'MILLRACE_VALUE',
        `The value of key "${key}" has ${Buffer.byteLength(json)} bytes as JSON; ` +
          `${settings.maxValueBytes} are allowed (option maxValueBytes).`,
        { cache: this.name, key },
      );
    }
    return json;
  }

  /** All are checked before the first is written. */
  #writeMany(
    entries: readonly (readonly [key: string, json: string | undefined])[],
    options: WriteOptions,
  ): Promise<Receipt[]> {
    return this.perform(options, (engine) => {
      for (const [key, json] of entries) this.#checkStorable(engine, key, json);
      return Promise.all(entries.map(([key, json]) => this.#write(key, json, options)));
    });
  }

  #checkStorable(engine: Engine<DocumentWays>, key: string, json: string | undefined): void {
    const fault = engine.keyFault(key);
    if (fault !== undefined) throw this.unstorable('MILLRACE_KEY', `key "${key}"`, fault, key);
    const refusal = json === undefined ? undefined : engine.valueFault(json);
    if (refusal !== undefined) throw this.unstorable('MILLRACE_VALUE', `the value of key "${key}"`, refusal, key);
  }
}

/** Makes a cache. Returns at once and does no I/O; throws MILLRACE_OPTIONS with every fault of the options. */
export function createCache<V = unknown>(options: CacheOptions<V>): Cache<V> {
  return new Cache<V>(options);
}

async function validate<V>(
  schema: StandardSchemaV1<unknown, V>,
  value: unknown,
  cache: string,
  key: string,
): Promise<V> {
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.slice(0, 5).map((issue) => {
    const path = (issue.path ?? [])
      .map((part) => (typeof part === 'object' ? String(part.key) : String(part)))
      .join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  throw new MillraceError('MILLRACE_VALUE', `The schema refuses the value of key "${key}": ${issues.join('; ')}.`, {
    cache,
    key,
  });
}
