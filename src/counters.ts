import { fromScaled, toScaled } from './core/decimal.ts';
import { aborted, untilAborted } from './engine/base/abort.ts';
import type { Engine } from './engine/engine.ts';
import { type PendingReceipt, type Receipt, STORED_RECEIPT } from './engine/lanes/receipt.ts';
import type { Whole } from './engine/shapes/increments.ts';
import { MillraceError } from './errors.ts';
import { LifeCycle } from './life-cycle.ts';
import type { Inspection } from './observe/inspect.ts';
import {
  type CountersOptions,
  type IncrementOptions,
  type ParsedCounters,
  parseCountersOptions,
} from './options/counters.ts';
import { refuseAck } from './options/settings.ts';

interface Incremented {
  readonly receipt: PendingReceipt;
  /** Undefined when it was not wanted. */
  readonly total: bigint | undefined;
}

const DEFAULTS: IncrementOptions = Object.freeze({});

/**
 * Counters in front of a table. Increments are added in the front, and reach the store as one sum for each key and
 * flush, exactly once. Totals are what the store has plus what it does not have yet. Made by {@link createCounters}.
 *
 * `N` is number, bigint, or string for decimals; increments may be given as any of them that is exact. Methods reject
 * with a `MillraceError` as those of a cache do.
 */
export class Counters<N extends number | bigint | string> extends LifeCycle<N, ParsedCounters> {
  /** @internal Use {@link createCounters}. */
  constructor(options: CountersOptions) {
    super(
      parseCountersOptions(options),
      () => parseCountersOptions({ ...options, flush: {} }),
      (text) => this.#read(text),
    );
  }

  /**
   * Adds `by` and resolves with the total after this very increment, once it is acknowledged at `options.ack`. Where the
   * front does not know the total it is loaded first. Rejects with MILLRACE_KEY or MILLRACE_VALUE before anything is added,
   * with MILLRACE_FULL, MILLRACE_ACK or MILLRACE_ABORTED, and with `ack: 'stored'` with MILLRACE_REJECTED or MILLRACE_LOST.
   */
  increment(key: string, by: number | bigint | string = 1, options: IncrementOptions = DEFAULTS): Promise<N> {
    const { engine } = this;
    if (engine === undefined || !this.#isPlain(options))
      return this.#increment(key, by, true, options).then(({ total }) => this.#show(total as bigint));
    // On the way of most increments there is one promise, the front's answer.
    try {
      return this.#writersFor(engine, key).increment(
        key,
        this.#scaled(key, by),
        this.options.settings.ack,
        this.#shown,
      );
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Adds `by` without asking for the total, so nothing is ever loaded: it works while the store is down, at full speed.
   * Resolves with a receipt when it is acknowledged; rejects like {@link increment}.
   */
  add(key: string, by: number | bigint | string = 1, options: IncrementOptions = DEFAULTS): Promise<Receipt> {
    const { engine } = this;
    if (engine === undefined || !this.#isPlain(options)) return this.#add(key, by, options);
    try {
      return this.#writersFor(engine, key).add(key, this.#scaled(key, by), this.options.settings.ack);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async #add(key: string, by: number | bigint | string, options: IncrementOptions): Promise<Receipt> {
    const { receipt } = await this.#increment(key, by, false, options);
    return (options.ack ?? this.options.settings.ack) === 'stored' ? STORED_RECEIPT : receipt;
  }

  #isPlain(options: IncrementOptions): boolean {
    return options === DEFAULTS && this.options.settings.ack !== 'stored';
  }

  #writersFor(engine: Engine, key: string): NonNullable<Engine['counters']> {
    this.checkKey(key);
    this.refuseClosed();
    this.#checkStorable(engine, key);
    return writersOf(engine);
  }

  /** The total; 0 for a key that was never incremented. */
  async get(key: string): Promise<N> {
    this.checkKey(key);
    const engine = this.engine ?? (await this.attached());
    this.refuseClosed();
    this.#checkStorable(engine, key);
    return this.#show(await totalsOf(engine).get(key));
  }

  /** Totals by key, in the order of `keys`. */
  async getMany(keys: readonly string[]): Promise<Map<string, N>> {
    for (const key of keys) this.checkKey(key);
    const engine = this.engine ?? (await this.attached());
    this.refuseClosed();
    for (const key of keys) this.#checkStorable(engine, key);
    const distinct = [...new Set(keys)];
    const totals = await totalsOf(engine).getMany(distinct);
    return new Map(distinct.map((key, i) => [key, this.#show(totals[i] as bigint)]));
  }

  /** Where a key's increments are: pending, in flight, stored, refused; since when; and the last error. */
  async inspect(key: string): Promise<Inspection> {
    this.checkKey(key);
    return this.inspectKey(key);
  }

  async #increment(
    key: string,
    by: number | bigint | string,
    isWanted: boolean,
    options: IncrementOptions,
  ): Promise<Incremented> {
    this.checkKey(key);
    const scaled = this.#scaled(key, by);
    const { settings, front } = this.options;
    const ack = options.ack ?? settings.ack;
    const refusal = options.ack === undefined ? undefined : refuseAck(ack, settings.policy, front);
    if (refusal !== undefined) throw new MillraceError('MILLRACE_ACK', refusal, { cache: this.name, key });
    if (options.signal?.aborted === true) throw aborted(true, options.signal.reason, this.name, key);
    const engine = this.engine ?? (await this.attached());
    this.refuseClosed();
    this.#checkStorable(engine, key);
    const writers = writersOf(engine);
    const incremented: Promise<Incremented> = isWanted
      ? writers.increment(key, scaled, ack, (total, receipt) => ({ receipt, total }))
      : writers.add(key, scaled, ack).then((receipt) => ({ receipt, total: undefined }));
    const done =
      options.signal === undefined
        ? await incremented
        : await untilAborted(incremented, options.signal, this.name, key);
    if (ack === 'stored') await engine.untilStored(done.receipt, options.signal);
    return done;
  }

  #scaled(key: string, by: number | bigint | string): Whole {
    const { scale, settings } = this.options;
    // No limit is below what a double holds exactly.
    if (scale === 0 && typeof by === 'number' && Number.isSafeInteger(by)) return by;
    const scaled =
      typeof by === 'bigint'
        ? by * 10n ** BigInt(scale)
        : typeof by === 'number' || typeof by === 'string'
          ? toScaled(String(by), scale)
          : undefined;
    // A whole number that a double does not hold exactly is not what was meant.
    const isExact = typeof by !== 'number' || !Number.isInteger(by) || Number.isSafeInteger(by);
    if (scaled === undefined || !isExact) {
      const takes = scale === 0 ? 'a whole number' : `a number with up to ${scale} digits behind the point`;
      throw new MillraceError(
        'MILLRACE_VALUE',
        `The increment of "${key}" must be ${takes}, as a bigint or a string where a number is not exact.`,
        { cache: this.name, key },
      );
    }
    if (scaled > settings.sumMax || scaled < -settings.sumMax)
      throw new MillraceError(
        'MILLRACE_VALUE',
        `The increment of "${key}" is beyond ${fromScaled(settings.sumMax, scale)}.`,
        { cache: this.name, key },
      );
    return scaled;
  }

  readonly #shown = (total: bigint): N => this.#show(total);

  #show(total: bigint): N {
    const { numbers, scale } = this.options;
    if (numbers === 'number') return Number(total) as N;
    return (numbers === 'bigint' ? total : fromScaled(total, scale)) as N;
  }

  /** What a dead letter holds. */
  #read(text: string): N {
    return this.#show(toScaled(text, this.options.scale) ?? 0n);
  }

  #checkStorable(engine: Engine, key: string): void {
    const refusal = engine.context.store.checkKey(key);
    if (refusal !== undefined)
      throw new MillraceError('MILLRACE_KEY', `The store cannot hold key "${key}": ${refusal}.`, {
        cache: this.name,
        key,
      });
  }
}

function writersOf({ counters }: Engine): NonNullable<Engine['counters']> {
  if (counters === undefined) throw new MillraceError('MILLRACE_INTERNAL', 'The engine has no counters.');
  return counters;
}

const totalsOf = (engine: Engine): NonNullable<Engine['counters']>['totals'] => writersOf(engine).totals;

/** Makes counters. Returns at once and does no I/O; throws MILLRACE_OPTIONS with every fault of the options. */
export function createCounters(options: CountersOptions & { readonly bigint: true }): Counters<bigint>;
export function createCounters(options: CountersOptions & { readonly scale: number }): Counters<string>;
export function createCounters(
  options: CountersOptions & { readonly bigint?: false; readonly scale?: undefined },
): Counters<number>;
export function createCounters(options: CountersOptions): Counters<number | bigint | string> {
  return new Counters(options);
}
