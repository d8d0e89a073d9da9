import { encodeJson } from './core/json-value.ts';
import { laneOf } from './core/lane-of.ts';
import type { Level } from './engine/base/level.ts';
import type { Engine } from './engine/engine.ts';
import type { Receipt } from './engine/lanes/receipt.ts';
import { type LogWays, log } from './engine/shapes/log.ts';
import { MillraceError } from './errors.ts';
import { Facade, NO_OPTIONS } from './facade.ts';
import { type AppendOptions, type LogOptions, type ParsedLog, parseLogOptions } from './options/log.ts';

/**
 * A log of events in front of a table. Each event is stored once, in the order of its lane, and none is left out: they
 * are never coalesced. Made by {@link createLog}. Methods reject with a `MillraceError` as those of a cache do.
 */
export class Log<E> extends Facade<E, ParsedLog<E>, LogWays> {
  /** Of the last event that was appended, microseconds since the epoch. */
  #order = 0;
  /** The lane of events without a key. */
  readonly #lane: number;

  /** @internal Use {@link createLog}. */
  constructor(options: LogOptions<E>) {
    super({
      plug: log,
      options: parseLogOptions(options),
      flushing: () => parseLogOptions({ ...options, flush: {} }),
      reveal: (json) => (JSON.parse(json) as [number, E])[1],
    });
    this.#lane = laneOf(this.options.random.token(), this.options.settings.lanes);
  }

  /**
   * Appends an event and resolves with a receipt when it is acknowledged at `options.ack`. It is given its time and its
   * place in the order now, once and for all. Rejects with MILLRACE_VALUE or MILLRACE_KEY before anything is appended,
   * with MILLRACE_FULL, MILLRACE_ACK or MILLRACE_ABORTED, and with `ack: 'stored'` with MILLRACE_REJECTED or
   * MILLRACE_LOST.
   */
  append(event: E, options: AppendOptions = NO_OPTIONS): Promise<Receipt> {
    try {
      this.refuseClosed();
      const lane = this.#laneOf(event);
      const json = this.#encode(event);
      const entry = this.#entryOf(json);
      const engine = this.begun(options);
      if (engine !== undefined) return this.#appendChecked(engine, this.byDefault, lane, json, entry);
      return this.perform(options, (attached, level) => this.#appendChecked(attached, level, lane, json, entry));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #appendChecked(engine: Engine<LogWays>, level: Level, lane: number, json: string, entry: string): Promise<Receipt> {
    this.#checkStorable(engine, json);
    return this.#append(engine, level, lane, entry, json.length);
  }

  /** {@link append} for many; all are checked before the first is appended. Receipts in the order of `events`. */
  appendMany(events: Iterable<E>, options: AppendOptions = NO_OPTIONS): Promise<Receipt[]> {
    try {
      this.refuseClosed();
      const checked = Array.from(events, (event) => ({ lane: this.#laneOf(event), json: this.#encode(event) }));
      const entries = checked.map(({ lane, json }) => ({ lane, json, entry: this.#entryOf(json) }));
      return this.perform(options, (engine, level) => {
        for (const { json } of entries) this.#checkStorable(engine, json);
        return Promise.all(
          entries.map(({ lane, json, entry }) => this.#append(engine, level, lane, entry, json.length)),
        );
      });
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #append(engine: Engine<LogWays>, level: Level, lane: number, entry: string, bytes: number): Promise<Receipt> {
    const appended = engine.ways.append(lane, entry, bytes, level);
    return level.ack === 'stored' ? this.settled(engine, level, appended) : appended;
  }

  #entryOf(json: string): string {
    return `[${this.#nextOrder()},${json}]`;
  }

  /** Microseconds since the epoch, and more than the last. */
  #nextOrder(): number {
    this.#order = Math.max(this.#order + 1, Math.floor(this.options.clock.now() * 1_000));
    return this.#order;
  }

  #laneOf(event: E): number {
    const { key, settings } = this.options;
    if (key === undefined) return this.#lane;
    const text = key(event);
    this.checkKey(text);
    return laneOf(text, settings.lanes);
  }

  #encode(event: E): string {
    const { maxValueBytes } = this.options.settings;
    const encoded = encodeJson(event);
    if ('fault' in encoded)
      throw new MillraceError('MILLRACE_VALUE', `The event cannot be kept as JSON: ${encoded.fault}.`, {
        cache: this.name,
      });
    const { json } = encoded;
    if (json.length * 3 > maxValueBytes && Buffer.byteLength(json) > maxValueBytes) {
      throw new MillraceError(
        'MILLRACE_VALUE',
        `The event has ${Buffer.byteLength(json)} bytes as JSON; ${maxValueBytes} are allowed (option maxValueBytes).`,
        { cache: this.name },
      );
    }
    return json;
  }

  #checkStorable(engine: Engine<LogWays>, json: string): void {
    const fault = engine.valueFault(json);
    if (fault !== undefined) throw this.unstorable('MILLRACE_VALUE', 'the event', fault);
  }
}

/** Makes a log. Returns at once and does no I/O; throws MILLRACE_OPTIONS with every fault of the options. */
export function createLog<E = unknown>(options: LogOptions<E>): Log<E> {
  return new Log<E>(options);
}
