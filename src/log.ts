import type { AckLevel } from './core/acks.ts';
import { encodeJson } from './core/json-value.ts';
import { laneOf } from './core/lane-of.ts';
import { aborted, untilAborted } from './engine/base/abort.ts';
import type { Engine } from './engine/engine.ts';
import { type Receipt, STORED_RECEIPT } from './engine/lanes/receipt.ts';
import { MillraceError } from './errors.ts';
import { LifeCycle } from './life-cycle.ts';
import { type AppendOptions, type LogOptions, type ParsedLog, parseLogOptions } from './options/log.ts';
import { refuseAck } from './options/settings.ts';

const DEFAULTS: AppendOptions = Object.freeze({});

/**
 * A log of events in front of a table. Each event is stored once, in the order of its lane, and none is left out: they
 * are never coalesced. Made by {@link createLog}. Methods reject with a `MillraceError` as those of a cache do.
 */
export class Log<E> extends LifeCycle<E, ParsedLog<E>> {
  /** Of the last event that was appended, microseconds since the epoch. */
  #order = 0;
  /** The lane of events without a key. */
  readonly #lane: number;
  /** Appends that were asked for before the front was attached keep their order. */
  #early = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** @internal Use {@link createLog}. */
  constructor(options: LogOptions<E>) {
    super(
      parseLogOptions(options),
      () => parseLogOptions({ ...options, flush: {} }),
      (json) => (JSON.parse(json) as [number, E])[1],
    );
    this.#lane = laneOf(this.options.random.token(), this.options.settings.lanes);
  }

  /**
   * Appends an event and resolves with a receipt when it is acknowledged at `options.ack`. It is given its time and its
   * place in the order now, once and for all. Rejects with MILLRACE_VALUE or MILLRACE_KEY before anything is appended,
   * with MILLRACE_FULL, MILLRACE_ACK or MILLRACE_ABORTED, and with `ack: 'stored'` with MILLRACE_REJECTED or MILLRACE_LOST.
   */
  append(event: E, options: AppendOptions = DEFAULTS): Promise<Receipt> {
    const { engine } = this;
    const { ack } = this.options.settings;
    if (engine === undefined || this.#early > 0 || options !== DEFAULTS || ack === 'stored')
      return this.appendMany([event], options).then(([receipt]) => receipt as Receipt);
    // On the way of most events there is one promise, the front's answer.
    try {
      this.refuseClosed();
      const lane = this.#laneOf(event);
      const json = this.#encode(event);
      this.#checkStorable(engine, json);
      return logOf(engine).append(lane, `[${this.#nextOrder()},${json}]`, ack);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** {@link append} for many; all are checked before the first is appended. Receipts in the order of `events`. */
  async appendMany(events: Iterable<E>, options: AppendOptions = DEFAULTS): Promise<Receipt[]> {
    this.refuseClosed();
    const { settings, front } = this.options;
    const ack = options.ack ?? settings.ack;
    const refusal = options.ack === undefined ? undefined : refuseAck(ack, settings.policy, front);
    if (refusal !== undefined) throw new MillraceError('MILLRACE_ACK', refusal, { cache: this.name });
    if (options.signal?.aborted === true) throw aborted(true, options.signal.reason, this.name, undefined);
    const checked = Array.from(events, (event) => ({ lane: this.#laneOf(event), json: this.#encode(event) }));
    const entries = checked.map(({ lane, json }) => ({ lane, json, entry: `[${this.#nextOrder()},${json}]` }));
    const append = (engine: Engine): Promise<Receipt[]> => {
      this.refuseClosed();
      for (const { json } of entries) this.#checkStorable(engine, json);
      return Promise.all(entries.map(({ lane, entry }) => this.#append(engine, lane, entry, ack, options.signal)));
    };
    return this.#early === 0 && this.engine !== undefined ? append(this.engine) : this.#inTurn(append);
  }

  async #append(
    engine: Engine,
    lane: number,
    entry: string,
    ack: AckLevel,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    const appended = logOf(engine).append(lane, entry, ack);
    const receipt = signal === undefined ? await appended : await untilAborted(appended, signal, this.name, undefined);
    if (ack !== 'stored') return receipt;
    await engine.untilStored(receipt, signal);
    return STORED_RECEIPT;
  }

  /** Begins an append once the front is attached, and not before those that were asked for earlier. */
  async #inTurn<T>(append: (engine: Engine) => Promise<T>): Promise<T> {
    this.#early++;
    const begun = this.#turn.then(async () => {
      try {
        const engine = await this.attached();
        // Not awaited: the next one's turn is when this one is on its way.
        return { done: append(engine) };
      } finally {
        this.#early--;
      }
    });
    this.#turn = begun.then(
      ({ done }) => void done.catch(() => undefined),
      () => undefined,
    );
    return (await begun).done;
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

  #checkStorable(engine: Engine, json: string): void {
    const refusal = engine.context.store.checkValue(json);
    if (refusal !== undefined)
      throw new MillraceError('MILLRACE_VALUE', `The store cannot hold the event: ${refusal}.`, { cache: this.name });
  }
}

function logOf({ log }: Engine): NonNullable<Engine['log']> {
  if (log === undefined) throw new MillraceError('MILLRACE_INTERNAL', 'The engine has no log.');
  return log;
}

/** Makes a log. Returns at once and does no I/O; throws MILLRACE_OPTIONS with every fault of the options. */
export function createLog<E = unknown>(options: LogOptions<E>): Log<E> {
  return new Log<E>(options);
}
