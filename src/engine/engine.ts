import type { BreakerState, BreakerStats } from '../core/breaker.ts';
import type { LaneHeader } from '../core/lane.ts';
import { laneOf } from '../core/lane-of.ts';
import type { MillraceError } from '../errors.ts';
import type { SlotReport } from '../ports/front.ts';
import type { DeadLetter, DeadLetterStore, LetterCounts } from '../ports/store.ts';
import { attach, type EngineParts } from './attach.ts';
import { Background } from './base/background.ts';
import { type EngineContext, storeWith } from './base/context.ts';
import type { Counts } from './base/counts.ts';
import { within } from './base/deadline.ts';
import { close } from './closing.ts';
import { adopt } from './flushing/adoption.ts';
import { Flusher } from './flushing/flusher.ts';
import { LaneProgress } from './flushing/progress.ts';
import { Recovery } from './flushing/recovery.ts';
import { Admission } from './lanes/admission.ts';
import type { PendingReceipt } from './lanes/receipt.ts';
import { Watermark } from './lanes/watermark.ts';
import type { ShapePlug, Ways } from './shapes/plug.ts';
import type { WriterHooks } from './writing/writer-hooks.ts';

/** How long statistics wait for the store, which may be down. */
const LETTER_COUNTS_MS = 1_000;

/** One attached cache: its writers, reader and flusher, wired to each other. */
export class Engine<W extends Ways> {
  readonly #context: EngineContext;
  readonly #watermarks: readonly Watermark[];
  /** Undefined where writes go to the store at once, past the lanes. */
  readonly #recovery: Recovery | undefined;
  readonly #flusher: Flusher | undefined;
  readonly #background: Background;
  readonly #progress: LaneProgress;
  /** The ways in and out that the cache's shape has. */
  readonly ways: W;
  /** Since when, monotonic ms, every flush of this process has failed. */
  #failing: { readonly since: number; readonly code: string } | undefined;

  /** Attaches to front and store, recovers what must be, and begins to flush. */
  static async start<W extends Ways>(plug: ShapePlug<W>, parts: EngineParts): Promise<Engine<W>> {
    let attached: Engine<W> | undefined;
    const context = await attach(parts, {
      reconnected: () => attached?.reconnected(),
      storeHasRoom: (state) => attached?.storeHasRoom(state),
    });
    try {
      const engine = (attached = new Engine(plug, context));
      if (parts.paused) engine.pause();
      await engine.#start();
      engine.#watchFlushes();
      return engine;
    } catch (error) {
      const flusher = attached === undefined ? undefined : attached.#flusher;
      await flusher?.stop();
      await flusher?.giveBack();
      await Promise.all([context.front.close(), context.store.close()]);
      throw error;
    }
  }

  private constructor(plug: ShapePlug<W>, context: EngineContext) {
    this.#context = context;
    const { settings } = context;
    const watermarks = Array.from({ length: settings.lanes }, (_, lane) => this.#newWatermark(lane));
    const recover = (lane: number): Promise<void> => this.#recover(lane);
    // What writers and flusher both need is made here, and given to both.
    const admission = new Admission(settings.backpressure, watermarks);
    const laned = settings.policy === 'write-behind' ? storeWith(context, 'lanes') : undefined;
    const recovery = laned && new Recovery(laned, watermarks);
    const { flush } = settings;
    const flusher =
      laned === undefined || recovery === undefined || flush === undefined
        ? undefined
        : new Flusher({ context: laned, flush, watermarks, recovery, admission, pages: plug.pages(context) });
    const background = new Background(context);
    const progress = new LaneProgress({ context, watermarks, flusher, recover, background });
    this.#watermarks = watermarks;
    this.#recovery = recovery;
    this.#flusher = flusher;
    this.#background = background;
    this.#progress = progress;
    const hooks: WriterHooks = {
      stored: (position, key) => progress.stored(position, key),
      accepted: (lane, result) => flusher?.accepted(lane, result),
      recover,
      hurry: (lane) => progress.hurry(lane),
      newEpoch: (lane) => background.run(progress.observe(lane)),
      refreshOccupancy: () => progress.observeAll(),
      waitForRoom: () => progress.untilFlushed(),
      trouble: () => this.#trouble(),
    };
    this.ways = plug.open({ context, watermarks, admission, hooks });
  }

  #newWatermark(lane: number): Watermark {
    const { settings, counts, events } = this.#context;
    return new Watermark(settings.name, lane, (count, cause) => {
      counts.lost += count;
      events.emit('loss', { lane, count, cause });
    });
  }

  async #start(): Promise<void> {
    // Who only looks leaves the lanes as they are.
    if (this.#flusher?.paused === true) return;
    await this.#flusher?.start();
    // Lanes that are in other hands need nothing; a lane that nobody could take tells why here.
    await Promise.all(
      this.#watermarks.map((_, lane) =>
        this.#recovery === undefined ? adopt(this.#context, lane) : this.#recover(lane),
      ),
    );
  }

  #watchFlushes(): void {
    const { events, clock } = this.#context;
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
    return (
      `Flushes have failed for ${Math.round(this.#context.clock.monotonic() - failing.since)} ms, the last ` +
      `with ${failing.code}`
    );
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
    if (this.#flusher !== undefined) return this.#flusher.recover(lane);
    if (this.#recovery !== undefined) return this.#recovery.ensure(lane);
    const { current } = await this.#context.front.header(lane);
    if (!current) await adopt(this.#context, lane);
  }

  // Operations.

  /** Why the store cannot hold this key or value, or undefined. No I/O. */
  keyFault(key: string): string | undefined {
    return this.#context.store.checkKey(key);
  }

  valueFault(json: string): string | undefined {
    return this.#context.store.checkValue(json);
  }

  /** Resolves when the store has what the front acknowledged, as soon as can be. */
  untilStored(receipt: PendingReceipt, signal: AbortSignal | undefined): Promise<void> {
    return this.#progress.untilStored(receipt, signal);
  }

  /** Resolves when all that was asked for before the call is stored (or refused, or known to be lost). */
  async flush(signal?: AbortSignal): Promise<void> {
    await this.ways.idle();
    if (this.#recovery !== undefined) await Promise.all(this.#progress.flushes(signal));
  }

  /** The letters of the cache; undefined where its policy or its store has none. */
  get letters(): DeadLetterStore | undefined {
    return this.#context.store.lanes?.deadLetters;
  }

  /** What became of a letter, when it does not wait any more; rejects when it is dead or discarded. */
  letterOutcome(id: string): Promise<'stored' | 'superseded'> {
    return this.#progress.letterOutcome(id);
  }

  /** {@link letterOutcome}, or undefined once `ms` have passed. */
  letterOutcomeWithin(
    ms: number,
    outcome: Promise<'stored' | 'superseded'>,
  ): Promise<'stored' | 'superseded' | undefined> {
    return within(this.#context.clock, ms, outcome);
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
      this.#context.clock,
      LETTER_COUNTS_MS,
      this.#context.store.lanes?.deadLetters?.count().catch(() => undefined),
    );
  }

  /** The lanes as the front has them now. */
  async headers(): Promise<(LaneHeader | undefined)[]> {
    return Promise.all(this.#watermarks.map(async (_, lane) => (await this.#context.front.header(lane)).header));
  }

  /** What front, store and this process know of a key. */
  async look(key: string): Promise<KeyReport> {
    const { front, store, settings } = this.#context;
    const lane = laneOf(key, settings.lanes);
    const [slot, rows, deadLetter] = await Promise.all([
      front.inspect(lane, key),
      store.load([key]),
      store.lanes?.deadLetters?.ofKey(key),
    ]);
    const flushLane = this.#flusher?.lane(lane);
    return {
      lane,
      slot,
      inStore: rows.has(key),
      deadLetter,
      attempts: flushLane?.failures ?? 0,
      lastError: flushLane?.lastError,
    };
  }

  get breaker(): BreakerStats {
    return this.#context.breaker.stats;
  }

  /** How hard the store is pressed; undefined where this process does not flush. */
  get pace(): { readonly batchSize: number; readonly concurrency: number } | undefined {
    return this.#flusher?.pace;
  }

  get counts(): Counts {
    return this.#context.counts;
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
    await Promise.all(this.#watermarks.map((_, lane) => this.#recovery?.acceptStoreRollback(lane)));
  }

  /** Drains until `timeoutMs` from now, gives the lanes back and lets go of front and store. */
  close(timeoutMs: number): Promise<{ stored: number; remaining: number; dead: number }> {
    return close(
      {
        context: this.#context,
        watermarks: this.#watermarks,
        flusher: this.#flusher,
        ways: this.ways,
        progress: this.#progress,
        background: this.#background,
      },
      timeoutMs,
    );
  }
}

/** Where a key is, as far as front, store and this process know. */
export interface KeyReport {
  readonly lane: number;
  readonly slot: SlotReport;
  readonly inStore: boolean;
  /** The latest of the key. */
  readonly deadLetter: DeadLetter | undefined;
  /** Failed attempts in a row to flush its lane, and the last error, as this process knows them. */
  readonly attempts: number;
  readonly lastError: MillraceError | undefined;
}
