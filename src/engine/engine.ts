import type { AckLevel } from '../core/acks.ts';
import type { BreakerState, BreakerStats } from '../core/breaker.ts';
import type { LaneHeader } from '../core/lane.ts';
import type { MillraceError } from '../errors.ts';
import type { LetterCounts } from '../ports/store.ts';
import { attach, type EngineParts } from './attach.ts';
import { Background } from './base/background.ts';
import type { EngineContext } from './base/context.ts';
import type { Counts } from './base/counts.ts';
import { within } from './base/deadline.ts';
import { close } from './closing.ts';
import { adopt } from './flushing/adoption.ts';
import { Flusher } from './flushing/flusher.ts';
import { LaneProgress } from './flushing/progress.ts';
import { Recovery } from './flushing/recovery.ts';
import type { PendingReceipt, Receipt } from './lanes/receipt.ts';
import { Watermark } from './lanes/watermark.ts';
import { Reader } from './shapes/reader.ts';
import type { CounterWriters, LogWriters, ScoreWriters } from './shapes/ways.ts';
import { Writers } from './writers.ts';

/** How long statistics wait for the store, which may be down. */
const LETTER_COUNTS_MS = 1_000;

/** One attached cache: its writers, reader and flusher, wired to each other. */
export class Engine {
  readonly context: EngineContext;
  readonly #watermarks: readonly Watermark[];
  readonly #recovery: Recovery;
  readonly #flusher: Flusher | undefined;
  readonly #background: Background;
  readonly #progress: LaneProgress;
  readonly #writers: Writers;
  readonly reader: Reader;
  /** Since when, monotonic ms, every flush of this process has failed. */
  #failing: { readonly since: number; readonly code: string } | undefined;

  /** Attaches to front and store, recovers what must be, and begins to flush. */
  static async start(parts: EngineParts): Promise<Engine> {
    let attached: Engine | undefined;
    const context = await attach(parts, {
      reconnected: () => attached?.reconnected(),
      storeHasRoom: (state) => attached?.storeHasRoom(state),
    });
    const engine = (attached = new Engine(context));
    try {
      if (parts.paused) engine.pause();
      await engine.#start();
      engine.#watchFlushes();
      return engine;
    } catch (error) {
      await engine.#flusher?.stop();
      await engine.#flusher?.giveBack();
      await Promise.all([context.front.close(), context.store.close()]);
      throw error;
    }
  }

  private constructor(context: EngineContext) {
    this.context = context;
    const { settings, counts, events } = context;
    const watermarks = Array.from(
      { length: settings.lanes },
      (_, lane) =>
        new Watermark(settings.name, lane, (count, cause) => {
          counts.lost += count;
          events.emit('loss', { lane, count, cause });
        }),
    );
    const recover = (lane: number): Promise<void> => this.#recover(lane);
    this.#watermarks = watermarks;
    this.#recovery = new Recovery(context, watermarks);
    const flusher =
      this.#isDirect || settings.flush === undefined
        ? undefined
        : new Flusher(context, settings.flush, watermarks, this.#recovery, () => this.#writers.steps);
    const background = new Background(context);
    const progress = new LaneProgress(context, watermarks, flusher, recover, background);
    this.#flusher = flusher;
    this.#background = background;
    this.#progress = progress;
    this.#writers = new Writers(context, {
      watermarks,
      flusher,
      progress,
      background,
      recover,
      trouble: () => this.#trouble(),
    });
    this.reader = new Reader(context, recover);
  }

  /** Whether writes go to the store at once, past the lanes. */
  get #isDirect(): boolean {
    return this.context.settings.policy !== 'write-behind';
  }

  async #start(): Promise<void> {
    // Who only looks leaves the lanes as they are.
    if (this.#flusher?.paused === true) return;
    await this.#flusher?.start();
    // Lanes that are in other hands need nothing; a lane that nobody could take tells why here.
    await Promise.all(
      this.#watermarks.map((_, lane) => (this.#isDirect ? adopt(this.context, lane) : this.#recover(lane))),
    );
  }

  #watchFlushes(): void {
    const { events, clock } = this.context;
    events.on(
      'flush-failed',
      ({ error: { code } }) => void (this.#failing = { since: this.#failing?.since ?? clock.monotonic(), code }),
    );
    events.on('flush', () => void (this.#failing = undefined));
  }

  /** What is wrong with flushing, for who is told that there is no room. */
  #trouble(): string | undefined {
    const failing = this.#failing;
    if (failing === undefined) return this.#flusher?.paused === true ? 'Flushing is paused' : undefined;
    return `Flushes have failed for ${Math.round(this.context.clock.monotonic() - failing.since)} ms, the last with ${failing.code}`;
  }

  /** The front's connection is back: its lanes may not be as they were. */
  reconnected(): void {
    for (let lane = 0; lane < this.#watermarks.length; lane++) this.#background.run(this.#recover(lane));
  }

  /** The breaker lets more through than before. */
  storeHasRoom(state: BreakerState): void {
    this.#flusher?.storeHasRoom(state === 'ramp');
  }

  /** Opens a lane that takes nothing: the front lost it, or was restarted. */
  async #recover(lane: number): Promise<void> {
    if (!this.#isDirect) return this.#flusher === undefined ? this.#recovery.ensure(lane) : this.#flusher.recover(lane);
    const { current } = await this.context.front.header(lane);
    if (!current) await adopt(this.context, lane);
  }

  // Operations.

  /** Writes, and resolves as `ack` promises. `json` undefined deletes. */
  write(
    key: string,
    json: string | undefined,
    ttlMs: number | undefined,
    ack: AckLevel,
    signal?: AbortSignal,
  ): Promise<Receipt> {
    return this.#writers.write(key, json, ttlMs, ack, signal);
  }

  /** Of a cache that holds counters. */
  get counters(): CounterWriters | undefined {
    return this.#writers.counters;
  }

  /** Of a cache that holds a log. */
  get log(): LogWriters | undefined {
    return this.#writers.log;
  }

  /** Of a leaderboard. */
  get scores(): ScoreWriters | undefined {
    return this.#writers.scores;
  }

  /** Resolves when the store has what the front acknowledged, as soon as can be. */
  untilStored(receipt: PendingReceipt, signal: AbortSignal | undefined): Promise<void> {
    return this.#progress.untilStored(receipt, signal);
  }

  /** Resolves when all that was asked for before the call is stored (or refused, or known to be lost). */
  async flush(signal?: AbortSignal): Promise<void> {
    await this.#writers.idle();
    if (!this.#isDirect) await Promise.all(this.#progress.flushes(signal));
  }

  /** What became of a letter, when it does not wait any more; rejects when it is dead or discarded. */
  letterOutcome(id: string): Promise<'stored' | 'superseded'> {
    return this.#progress.letterOutcome(id);
  }

  /** A letter of the lane was redriven here. */
  lettersChanged(lane: number): void {
    this.#flusher?.lettersChanged(lane);
  }

  /** How many letters the store has; undefined when it keeps none, is not well, or does not answer soon. */
  async letterCounts(): Promise<LetterCounts | undefined> {
    // Statistics are no probe.
    if (this.breaker.state !== 'closed') return undefined;
    return within(
      this.context.clock,
      LETTER_COUNTS_MS,
      this.context.store.deadLetters?.count().catch(() => undefined),
    );
  }

  /** The lanes as the front has them now. */
  async headers(): Promise<(LaneHeader | undefined)[]> {
    return Promise.all(this.#watermarks.map(async (_, lane) => (await this.context.front.header(lane)).header));
  }

  lastError(lane: number): { readonly error: MillraceError | undefined; readonly failures: number } {
    const flushLane = this.#flusher?.lane(lane);
    return { error: flushLane?.lastError, failures: flushLane?.failures ?? 0 };
  }

  get breaker(): BreakerStats {
    return this.context.breaker.stats;
  }

  /** How hard the store is pressed; undefined where this process does not flush. */
  get pace(): { readonly batchSize: number; readonly concurrency: number } | undefined {
    return this.#flusher?.pace;
  }

  get counts(): Counts {
    return this.context.counts;
  }

  // Life cycle.

  pause(): void {
    this.#flusher?.pause();
  }

  resume(): void {
    this.#flusher?.resume();
  }

  /** See {@link Recovery.acceptStoreRollback}. */
  async acceptStoreRollback(): Promise<void> {
    if (!this.#isDirect) await Promise.all(this.#watermarks.map((_, lane) => this.#recovery.acceptStoreRollback(lane)));
  }

  /** Drains until `timeoutMs` from now, gives the lanes back and lets go of front and store. */
  close(timeoutMs: number): Promise<{ stored: number; remaining: number; dead: number }> {
    return close(
      {
        context: this.context,
        watermarks: this.#watermarks,
        flusher: this.#flusher,
        writers: this.#writers,
        progress: this.#progress,
        background: this.#background,
      },
      timeoutMs,
    );
  }
}
