import { type Duration, parseDuration } from './core/duration.ts';
import { laneOf } from './core/lane-of.ts';
import { DeadLetters } from './dead-letters.ts';
import { untilAborted } from './engine/base/abort.ts';
import { Deadline } from './engine/base/deadline.ts';
import { KEY_BYTES_MAX } from './engine/base/settings.ts';
import { Engine } from './engine/engine.ts';
import { isMillraceError, MillraceError } from './errors.ts';
import { type CacheEventName, type CacheListener, Emitter } from './events.ts';
import { examineCache } from './examine.ts';
import { describeFindings, type Inspection } from './observe/inspect.ts';
import { type CacheStats, describeStats } from './observe/stats.ts';
import type { ParsedParts } from './options/parts.ts';
import type { Finding } from './ports/finding.ts';

/** What {@link LifeCycle.close} did. */
export interface CloseReport {
  /** Rows that this process stored while it closed. */
  readonly stored: number;
  /** Entries that stay in the front, for the next process that flushes. */
  readonly remaining: number;
  /** Rows that were refused while it closed, and are letters in the store now: dead, or waiting for another attempt. */
  readonly dead: number;
}

/** @internal For the command line only; a registered symbol, because a configuration may load another copy of the package. */
export const FLUSH_HERE: unique symbol = Symbol.for('millrace.flush-here');

/** How long {@link LifeCycle.close} drains when it is not told. */
const CLOSE_TIMEOUT_MS = 30_000;
/** What timers can count to. */
const CLOSE_TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * What caches of documents, counters and logs have in common: they are opened, flushed, looked at and closed. `V` is
 * what their dead letters hold.
 */
export abstract class LifeCycle<V, P extends ParsedParts> implements AsyncDisposable {
  readonly name: string;
  readonly deadLetters: DeadLetters<V>;
  /** @internal */
  protected options: P;
  readonly #flushing: () => P;
  readonly #events = new Emitter();
  #engine: Engine | undefined;
  #starting: Promise<Engine> | undefined;
  #closing: Promise<CloseReport> | undefined;
  #paused = false;

  /** @internal `flushing` parses the options anew, such that the cache flushes; `reveal` reads what a dead letter holds. */
  protected constructor(options: P, flushing: () => P, reveal: (json: string) => V) {
    this.options = options;
    this.#flushing = flushing;
    this.name = options.settings.name;
    this.deadLetters = new DeadLetters<V>(this.name, () => this.attached(), reveal);
  }

  /** Undefined until the first operation has connected. */
  protected get engine(): Engine | undefined {
    return this.#engine;
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
    const engine = await this.attached();
    await untilAborted(engine.flush(options.signal), options.signal, this.name, undefined);
  }

  /**
   * Stops flushing in this process, until {@link resume}; writes go on into the front. A cache that is paused before its
   * first operation takes no lanes, and one that is closed while it is paused drains nothing.
   */
  async pause(): Promise<void> {
    this.refuseClosed();
    this.#paused = true;
    (this.#engine ?? (await this.#starting))?.pause();
  }

  /**
   * Flushes again after {@link pause}; also tries lanes again that stopped, after an operator has seen to the cause.
   *
   * `acceptStoreRollback: true` goes on with a store that was restored to an earlier state: lanes that stopped because it
   * lost generations take up where the front is. What is pending is stored; the generations stay lost, and are
   * reported as `loss` with the cause 'store-rolled-back'. In every lane the front forgets what is not pending, because it may
   * have been lost: once this resolves, everybody reads what the store has. Where nothing was lost that is all. Rejects with MILLRACE_UNSUPPORTED for a store without transactions.
   */
  async resume(options: { readonly acceptStoreRollback?: boolean } = {}): Promise<void> {
    this.#paused = false;
    const engine = await this.attached();
    if (options.acceptStoreRollback === true) await engine.acceptStoreRollback();
    engine.resume();
  }

  /**
   * What is there of the settings on which this cache's promises depend, the gravest first: what `millrace doctor` prints.
   * Changes nothing and takes no lanes; also tells why a cache cannot start. What cannot be reached is a finding.
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
    return describeStats(
      { ...engine.counts },
      engine.breaker,
      engine.pace,
      headers,
      letters,
      engine.context.clock.now(),
    );
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

  protected attached(): Promise<Engine> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    if (this.#engine !== undefined) return Promise.resolve(this.#engine);
    const { settings, front, store, clock, random } = this.options;
    this.#starting ??= Engine.start({
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

  protected async inspectKey(key: string): Promise<Inspection> {
    const engine = await this.attached();
    this.refuseClosed();
    const { front, store, settings } = engine.context;
    const lane = laneOf(key, settings.lanes);
    const [slot, rows, deadLetter] = await Promise.all([
      front.inspect(lane, key),
      store.load([key]),
      store.deadLetters?.ofKey(key),
    ]);
    const { error, failures } = engine.lastError(lane);
    const lastError = error && { code: error.code, message: error.message };
    return describeFindings({
      key,
      lane,
      slot,
      inStore: rows.has(key),
      deadLetter,
      attempts: failures,
      lastError,
      writeBehind: settings.policy === 'write-behind',
    });
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

function keyFault(key: unknown): string | undefined {
  if (typeof key !== 'string') return `A key must be a string, not ${typeof key}.`;
  if (key === '') return 'A key must not be empty.';
  if (key.length * 3 > KEY_BYTES_MAX && Buffer.byteLength(key) > KEY_BYTES_MAX)
    return `A key may have ${KEY_BYTES_MAX} bytes of UTF-8; "${key.slice(0, 40)}…" has ${Buffer.byteLength(key)}. Use a hash of it.`;
  if (!key.isWellFormed()) return 'A key must be well-formed Unicode: it has half of a surrogate pair.';
  if (key.includes('\0')) return 'A key must not contain NUL.';
  return undefined;
}

/** Connections are shared, so what fails there does not know for which cache. */
function named(error: unknown, cache: string): unknown {
  if (!isMillraceError(error) || error.cache !== undefined) return error;
  return new MillraceError(error.code, error.message, { cache, key: error.key, lane: error.lane, cause: error.cause });
}
