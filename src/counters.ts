import { fromScaled, toScaled } from './core/decimal.ts';
import type { Level } from './engine/base/level.ts';
import type { Engine } from './engine/engine.ts';
import type { Receipt } from './engine/lanes/receipt.ts';
import { type CounterWays, counters } from './engine/shapes/counters.ts';
import type { Whole } from './engine/shapes/increments.ts';
import { MillraceError } from './errors.ts';
import { Facade, NO_OPTIONS } from './facade.ts';
import type { Inspection } from './observe/inspect.ts';
import {
  type CountersOptions,
  type IncrementOptions,
  type ParsedCounters,
  parseCountersOptions,
} from './options/counters.ts';

/**
 * Counters in front of a table. Increments are added in the front, and reach the store as one sum for each key and
 * flush, exactly once. Totals are what the store has plus what it does not have yet. Made by {@link createCounters}.
 *
 * `N` is number, bigint, or string for decimals; increments may be given as any of them that is exact. Methods reject
 * with a `MillraceError` as those of a cache do.
 */
export class Counters<N extends number | bigint | string> extends Facade<N, ParsedCounters, CounterWays> {
  /** @internal Use {@link createCounters}. */
  constructor(options: CountersOptions) {
    super({
      plug: counters,
      options: parseCountersOptions(options),
      flushing: () => parseCountersOptions({ ...options, flush: {} }),
      reveal: (text) => this.#read(text),
    });
  }

  /**
   * Adds `by` and resolves with the total after this very increment, once it is acknowledged at `options.ack`. Where
   * the front does not know the total it is loaded first. Rejects with MILLRACE_KEY or MILLRACE_VALUE before anything
   * is added, with MILLRACE_FULL, MILLRACE_ACK or MILLRACE_ABORTED, and with `ack: 'stored'` with MILLRACE_REJECTED or
   * MILLRACE_LOST.
   */
  increment(key: string, by: number | bigint | string = 1, options: IncrementOptions = NO_OPTIONS): Promise<N> {
    try {
      this.checkKey(key);
      const scaled = this.#scaled(key, by);
      const engine = this.begun(options);
      if (engine !== undefined) return this.#increment(engine, this.byDefault, key, scaled);
      return this.perform(options, (attached, level) => this.#increment(attached, level, key, scaled), key);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #increment(engine: Engine<CounterWays>, level: Level, key: string, scaled: Whole): Promise<N> {
    this.#checkStorable(engine, key);
    // On the way of most increments there is one promise, the front's answer.
    if (level.ack !== 'stored') return engine.ways.increment(key, scaled, level, this.#shown);
    const both = (total: bigint, receipt: Receipt) => ({ total: this.#show(total), receipt });
    return engine.ways.increment(key, scaled, level, both).then(async ({ total, receipt }) => {
      await this.settled(engine, level, receipt);
      return total;
    });
  }

  /**
   * Adds `by` without asking for the total, so nothing is ever loaded: it works while the store is down, at full speed.
   * Resolves with a receipt when it is acknowledged; rejects like {@link increment}.
   */
  add(key: string, by: number | bigint | string = 1, options: IncrementOptions = NO_OPTIONS): Promise<Receipt> {
    try {
      this.checkKey(key);
      const scaled = this.#scaled(key, by);
      const engine = this.begun(options);
      if (engine !== undefined) return this.#add(engine, this.byDefault, key, scaled);
      return this.perform(options, (attached, level) => this.#add(attached, level, key, scaled), key);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #add(engine: Engine<CounterWays>, level: Level, key: string, scaled: Whole): Promise<Receipt> {
    this.#checkStorable(engine, key);
    const added = engine.ways.add(key, scaled, level);
    return level.ack === 'stored' ? this.settled(engine, level, added) : added;
  }

  /** The total; 0 for a key that was never incremented. */
  get(key: string): Promise<N> {
    return this.performOn(key, NO_OPTIONS, async (engine) => {
      this.#checkStorable(engine, key);
      return this.#show(await engine.ways.totals.get(key));
    });
  }

  /** Totals by key, in the order of `keys`. */
  async getMany(keys: readonly string[]): Promise<Map<string, N>> {
    for (const key of keys) this.checkKey(key);
    return this.perform(NO_OPTIONS, async (engine) => {
      for (const key of keys) this.#checkStorable(engine, key);
      const distinct = [...new Set(keys)];
      const totals = await engine.ways.totals.getMany(distinct);
      return new Map(distinct.map((key, i) => [key, this.#show(totals[i] as bigint)]));
    });
  }

  /** Where a key's increments are: pending, in flight, stored, refused; since when; and the last error. */
  async inspect(key: string): Promise<Inspection> {
    this.checkKey(key);
    return this.inspectKey(key);
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

  #checkStorable(engine: Engine<CounterWays>, key: string): void {
    const fault = engine.keyFault(key);
    if (fault !== undefined) throw this.unstorable('MILLRACE_KEY', `key "${key}"`, fault, key);
  }

  /** What a dead letter holds. */
  #read(text: string): N {
    return this.#show(toScaled(text, this.options.scale) ?? 0n);
  }
}

/** Makes counters. Returns at once and does no I/O; throws MILLRACE_OPTIONS with every fault of the options. */
export function createCounters(options: CountersOptions & { readonly bigint: true }): Counters<bigint>;
export function createCounters(options: CountersOptions & { readonly scale: number }): Counters<string>;
export function createCounters(
  options: CountersOptions & { readonly bigint?: false; readonly scale?: undefined },
): Counters<number>;
export function createCounters(options: CountersOptions): Counters<number | bigint | string> {
  return new Counters(options);
}
