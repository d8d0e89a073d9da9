import type { AckLevel } from './core/acks.ts';
import { type Duration, parseDuration } from './core/duration.ts';
import { DeadLetters } from './dead-letters.ts';
import { aborted, untilAborted } from './engine/base/abort.ts';
import { Deadline } from './engine/base/deadline.ts';
import type { Level } from './engine/base/level.ts';
import { KEY_BYTES_MAX } from './engine/base/settings.ts';
import { Engine } from './engine/engine.ts';
import { PendingReceipt, type Receipt, STORED_RECEIPT } from './engine/lanes/receipt.ts';
import type { ShapePlug, Ways } from './engine/shapes/plug.ts';
import { isMillraceError, MillraceError } from './errors.ts';
import { type CacheEventName, type CacheListener, Emitter } from './events.ts';
import { examineCache } from './observe/examine.ts';
import { describeFindings, type Inspection } from './observe/inspect.ts';
import { type CacheStats, describeStats } from './observe/stats.ts';
import type { ParsedParts } from './options/parts.ts';
import { refuseAck } from './options/settings.ts';
import type { Finding } from './ports/finding.ts';

/** What `close` did. */
export interface CloseReport {
  /** Rows that this process stored while it closed. */
  readonly stored: number;
  /** Entries that stay in the front, for the next process that flushes. */
  readonly remaining: number;
  /** Rows that were refused while it closed, and are letters in the store now: dead, or waiting for another attempt. */
  readonly dead: number;
}

/**
 * @internal For the command line only; a registered symbol, because a configuration may load another copy of the
 * package.
 */
export const FLUSH_HERE: unique symbol = Symbol.for('millrace.flush-here');

/** How long {@link Facade.close} drains when it is not told. */
const CLOSE_TIMEOUT_MS = 30_000;
/** What timers can count to. */
const CLOSE_TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** What every operation can be asked with. */
export interface OperationOptions {
  /** What this one waits for. */
  readonly ack?: AckLevel;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** Passed by reference: an operation with these needs no look at its options. */
export const NO_OPTIONS = Object.freeze({});

/**
 * What caches of all shapes have in common: they are opened, flushed, looked at and closed, and their operations begin
 * alike. `V` is what their dead letters hold, `W` the ways in and out that their shape has.
 */
export abstract class Facade<V, P extends ParsedParts, W extends Ways> implements AsyncDisposable {
  /** Its name in the front, the store's fence, events and messages. */
  readonly name: string;
  /** Writes that the store refused. */
  readonly deadLetters: DeadLetters<V>;
  /** @internal */
  protected options: P;
  readonly #plug: ShapePlug<W>;
  /** How an operation without options is acknowledged. */
  protected readonly byDefault: Level;
  readonly #flushing: () => P;
  readonly #events = new Emitter();
  #engine: Engine<W> | undefined;
  #starting: Promise<Engine<W>> | undefined;
  #closing: Promise<CloseReport> | undefined;
  #paused = false;

  /** @internal */
  protected constructor({ plug, options, flushing, reveal }: FacadeParts<V, P, W>) {
    this.#plug = plug;
    this.options = options;
    this.byDefault = { ack: options.settings.ack, signal: undefined };
    this.#flushing = flushing;
    this.name = options.settings.name;
    this.deadLetters = new DeadLetters<V>(this.name, () => this.attached(), reveal);
  }

  /** Connects, checks front and store, and recovers what a crash left behind; other methods do so when first called. */
  async ready(): Promise<void> {
    await this.attached();
  }

  /** @internal What `millrace worker` does to a cache with `flush: false`: from its first operation on, it flushes. */
  [FLUSH_HERE](): void {
    if (this.options.settings.flush !== undefined || this.options.settings.policy !== 'write-behind') return;
    if (this.#starting !== undefined)
      throw new MillraceError('MILLRACE_INTERNAL', 'A cache that is in use cannot become a worker.', {
        cache: this.name,
      });
    this.options = this.#flushing();
  }

  /**
   * Resolves when all that was accepted before this call is stored, or refused and kept as a letter; what waits for
   * another attempt is not waited for. Waits while the store is down.
   */
  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.refuseClosed();
    this.#checkSignal(options.signal);
    const engine = await this.attached();
    await untilAborted(engine.flush(options.signal), options.signal, this.name, undefined);
  }

  /**
   * Stops flushing in this process, until {@link resume}; writes go on into the front. A cache that is paused before
   * its first operation takes no lanes, and one that is closed while it is paused drains nothing.
   */
  async pause(): Promise<void> {
    this.refuseClosed();
    this.#paused = true;
    (this.#engine ?? (await this.#starting))?.pause();
  }

  /**
   * Flushes again after {@link pause}; also tries lanes again that stopped, after an operator has seen to the cause.
   *
   * `acceptStoreRollback: true` goes on with a store that was restored to an earlier state: lanes that stopped because
   * it lost generations take up where the front is. What is pending is stored; the generations stay lost, and are
   * reported as `loss` with the cause 'store-rolled-back'. In every lane the front forgets what is not pending, because
   * it may have been lost: once this resolves, everybody reads what the store has. Where nothing was lost that is all.
   * Rejects with MILLRACE_UNSUPPORTED for a store without transactions.
   */
  async resume(options: { readonly acceptStoreRollback?: boolean } = {}): Promise<void> {
    this.#paused = false;
    const engine = await this.attached();
    if (options.acceptStoreRollback === true) await engine.acceptStoreRollback();
    engine.resume();
  }

  /**
   * What is there of the settings on which this cache's promises depend, the gravest first: what `millrace doctor`
   * prints. Changes nothing and takes no lanes; also tells why a cache cannot start. What cannot be reached is a
   * finding.
   */
  async examine(): Promise<Finding[]> {
    this.refuseClosed();
    const { settings, front, store, clock } = this.options;
    return examineCache(settings, front, store, clock);
  }

  /** Counters of this process, and what is pending in the front for all of them. */
  async stats(): Promise<CacheStats> {
    const engine = await this.attached();
    this.refuseClosed();
    const [headers, letters] = await Promise.all([engine.headers(), engine.letterCounts()]);
    return describeStats({ ...engine.counts }, engine.breaker, engine.pace, headers, letters, this.options.clock.now());
  }

  /**
   * Refuses new operations at once, drains until the deadline (default 30 s), and gives the lanes to whoever wants
   * them. Writes that wait for room are drained too; at the deadline they reject with MILLRACE_CLOSED. What remains
   * stays in the front. Takes a second longer at the most, where front or store do not answer. Rejects with
   * MILLRACE_OPTIONS, and closes nothing, when `timeout` is no duration; with nothing else. A second call returns the
   * same report.
   */
  close(options: { readonly timeout?: Duration } = {}): Promise<CloseReport> {
    if (this.#closing !== undefined) return this.#closing;
    const timeoutMs = options.timeout === undefined ? CLOSE_TIMEOUT_MS : parseDuration(options.timeout);
    if (timeoutMs === undefined) {
      const message =
        `close: timeout must be milliseconds or a string like '10s', not ${String(options.timeout)}. ` +
        'The cache was not closed.';
      return Promise.reject(new MillraceError('MILLRACE_OPTIONS', message, { cache: this.name }));
    }
    this.#closing = this.#close(Math.min(timeoutMs, CLOSE_TIMEOUT_MS_MAX));
    return this.#closing;
  }

  async #close(timeoutMs: number): Promise<CloseReport> {
    const { clock } = this.options;
    const startedAt = clock.monotonic();
    const deadline = new Deadline(clock, timeoutMs);
    const starting = this.#starting;
    const engine = this.#engine ?? (await deadline.wait(starting?.catch(() => undefined)));
    deadline.cancel();
    // Nothing was written through a cache that has not started; it lets go of front and store when it has.
    if (engine === undefined) void starting?.then((late) => late.close(0)).catch(() => undefined);
    const report = (await engine?.close(Math.max(0, timeoutMs - (clock.monotonic() - startedAt)))) ?? {
      stored: 0,
      remaining: 0,
      dead: 0,
    };
    this.#events.emit('closed', report);
    return report;
  }

  /** Closes it at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Calls `listener` at each event of this process; see `CacheEvents`. */
  on<N extends CacheEventName>(name: N, listener: CacheListener<N>): this {
    this.#events.on(name, listener);
    return this;
  }

  /** Does not call `listener` any more. */
  off<N extends CacheEventName>(name: N, listener: CacheListener<N>): this {
    this.#events.off(name, listener);
    return this;
  }

  protected attached(): Promise<Engine<W>> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    if (this.#engine !== undefined) return Promise.resolve(this.#engine);
    const { settings, front, store, clock, random } = this.options;
    this.#starting ??= Engine.start(this.#plug, {
      settings,
      front,
      store,
      clock,
      random,
      events: this.#events,
      paused: this.#paused,
    }).then(
      (engine) => (this.#engine = engine),
      (error: unknown) => {
        // The next operation tries again: the server may be back by then.
        this.#starting = undefined;
        throw named(error, this.name);
      },
    );
    return this.#starting;
  }

  /**
   * The engine, for an operation that can begin at once: without options, and attached. The short way of
   * {@link perform} for what is asked for a hundred thousand times a second. Key and level are the caller's to see to.
   */
  protected begun(options: OperationOptions): Engine<W> | undefined {
    if (options !== NO_OPTIONS || this.#engine === undefined) return undefined;
    this.refuseClosed();
    return this.#engine;
  }

  /** {@link perform} for an operation on one key, which is checked first. */
  protected performOn<T>(
    key: string,
    options: OperationOptions,
    run: (engine: Engine<W>, level: Level) => Promise<T>,
  ): Promise<T> {
    try {
      this.checkKey(key);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return this.perform(options, run, key);
  }

  /**
   * How every operation begins, of every facade: its options are checked, and `run` is called with the engine once
   * front and store are attached. Operations are begun in the order in which they were asked for. What every operation
   * is measured by is measured here. `key` is for messages, where it is about one that was checked.
   *
   * Not an async function: with the engine attached there is one promise, the one of `run`.
   */
  protected perform<T>(
    options: OperationOptions,
    run: (engine: Engine<W>, level: Level) => Promise<T>,
    key?: string,
  ): Promise<T> {
    try {
      const level = options === NO_OPTIONS ? this.byDefault : this.#levelOf(key, options);
      if (this.#engine === undefined) {
        return this.attached().then((engine) => {
          this.refuseClosed();
          return run(engine, level);
        });
      }
      this.refuseClosed();
      return run(this.#engine, level);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #checkSignal(signal: unknown, key?: string): void {
    if (signal === undefined || signal instanceof AbortSignal) return;
    const message = 'signal must be an AbortSignal. Nothing was done.';
    throw new MillraceError('MILLRACE_OPTIONS', message, { cache: this.name, key });
  }

  #levelOf(key: string | undefined, options: OperationOptions): Level {
    if (typeof options !== 'object' || options === null)
      throw new MillraceError('MILLRACE_OPTIONS', 'The options of an operation must be an object. Nothing was done.', {
        cache: this.name,
        key,
      });
    const { settings, front } = this.options;
    const { ack, signal } = options;
    const refusal = ack === undefined ? undefined : refuseAck(ack, settings.policy, front);
    if (refusal !== undefined) throw new MillraceError('MILLRACE_ACK', refusal, { cache: this.name, key });
    this.#checkSignal(signal, key);
    if (signal?.aborted === true) throw aborted(true, signal.reason, this.name, key);
    return { ack: ack ?? settings.ack, signal };
  }

  /** The receipt as the level promises it: with `stored`, once the store has the write. */
  protected async settled(
    engine: Engine<W>,
    { ack, signal }: Level,
    written: Receipt | Promise<Receipt>,
  ): Promise<Receipt> {
    const receipt = await written;
    if (ack !== 'stored' || !(receipt instanceof PendingReceipt)) return receipt;
    await engine.untilStored(receipt, signal);
    return STORED_RECEIPT;
  }

  protected inspectKey(key: string): Promise<Inspection> {
    return this.performOn(key, NO_OPTIONS, async (engine) => {
      const { lastError, ...report } = await engine.look(key);
      return describeFindings({
        ...report,
        key,
        lastError: lastError && { code: lastError.code, message: lastError.message },
        writeBehind: this.options.settings.policy === 'write-behind',
      });
    });
  }

  /** What is thrown, before anything is acknowledged, of what the store cannot hold. */
  protected unstorable(
    code: 'MILLRACE_KEY' | 'MILLRACE_VALUE',
    what: string,
    fault: string,
    key?: string,
  ): MillraceError {
    return new MillraceError(code, `The store cannot hold ${what}: ${fault}.`, { cache: this.name, key });
  }

  protected checkKey(key: unknown): asserts key is string {
    const fault = keyFault(key);
    if (fault !== undefined)
      throw new MillraceError('MILLRACE_KEY', fault, {
        cache: this.name,
        key: typeof key === 'string' ? key.slice(0, 80) : undefined,
      });
  }

  protected refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#closedError();
  }

  #closedError(): MillraceError {
    return new MillraceError('MILLRACE_CLOSED', `Cache "${this.name}" is closed.`, { cache: this.name });
  }
}

/** What a facade is made of. */
export interface FacadeParts<V, P extends ParsedParts, W extends Ways> {
  readonly plug: ShapePlug<W>;
  readonly options: P;
  /** Parses the options anew, such that the cache flushes. */
  readonly flushing: () => P;
  /** Reads what a dead letter holds. */
  readonly reveal: (json: string) => V;
}

function keyFault(key: unknown): string | undefined {
  if (typeof key !== 'string') return `A key must be a string, not ${typeof key}.`;
  if (key === '') return 'A key must not be empty.';
  if (key.length * 3 > KEY_BYTES_MAX && Buffer.byteLength(key) > KEY_BYTES_MAX)
    return (
      `A key may have ${KEY_BYTES_MAX} bytes of UTF-8; ` +
      `"${key.slice(0, 40)}…" has ${Buffer.byteLength(key)}. Use a hash of it.`
    );
  if (!key.isWellFormed()) return 'A key must be well-formed Unicode: it has half of a surrogate pair.';
  if (key.includes('\0')) return 'A key must not contain NUL.';
  return undefined;
}

/** Connections are shared, so what fails there does not know for which cache. */
function named(error: unknown, cache: string): unknown {
  if (!isMillraceError(error) || error.cache !== undefined) return error;
  return new MillraceError(error.code, error.message, { cache, key: error.key, lane: error.lane, cause: error.cause });
}
