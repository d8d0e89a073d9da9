import type { AckLevel } from '../core/acks.ts';
import { entriesOf, type LaneHeader } from '../core/lane.ts';
import { laneOf } from '../core/lane-of.ts';
import { TOMBSTONE } from '../core/slot.ts';
import { MillraceError } from '../errors.ts';
import type { Emitter } from '../events.ts';
import type { BreakerState, BreakerStats } from '../core/breaker.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Front } from '../ports/front.ts';
import type { Random } from '../ports/random.ts';
import type { DeadLetter, LetterCounts, Store } from '../ports/store.ts';
import { untilAborted } from './abort.ts';
import { Admission } from './admission.ts';
import type { EngineContext } from './context.ts';
import { newCounts, type Counts } from './counts.ts';
import { Deadline } from './deadline.ts';
import { DirectWriter } from './direct-writer.ts';
import { Flusher } from './flusher.ts';
import { guardedStore, outcomeOf } from './guarded-store.ts';
import { LaneWriter, type WriterHooks } from './lane-writer.ts';
import { LetterWaiters } from './letter-waiters.ts';
import { Reader } from './reader.ts';
import { STORED_RECEIPT, type PendingReceipt, type Receipt } from './receipt.ts';
import { Recovery } from './recovery.ts';
import type { Settings } from './settings.ts';
import { CounterWriters, LogWriters } from './shapes.ts';
import type { StepHooks } from './step-writer.ts';
import { StoreBreaker, type BreakerMember } from './store-breaker.ts';
import { WaitingRoom } from './waiting-room.ts';
import { rejection, Watermark, type Position } from './watermark.ts';

/** What an engine is made of; everything that moves comes in from outside. */
export interface EngineParts {
  readonly settings: Settings;
  readonly front: Front;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Emitter;
  /** Begins without flushing, and without taking lanes, until {@link Engine.resume}. */
  readonly paused: boolean;
}

/** How often a process asks for the progress of a lane that another one flushes, while somebody waits. */
const PROGRESS_POLL_MS = 25;
/** How often a full buffer is looked at when no flush of this process makes room. */
const ROOM_POLL_MS = 100;
/** How long closing may take after its deadline, when front or store do not answer. */
const CLOSE_GRACE_MS = 1_000;
/** How long statistics wait for the store, which may be down. */
const LETTER_COUNTS_MS = 1_000;

/** One attached cache: its writers, reader and flusher, wired to each other. */
export class Engine {
  readonly context: EngineContext;
  readonly #watermarks: readonly Watermark[];
  readonly #recovery: Recovery;
  readonly #writers: readonly LaneWriter[];
  readonly #room: WaitingRoom;
  readonly #direct: DirectWriter | undefined;
  /** Of a cache that holds counters, or a log. */
  readonly counters: CounterWriters | undefined;
  readonly log: LogWriters | undefined;
  readonly #flusher: Flusher | undefined;
  readonly #letters: LetterWaiters;
  readonly reader: Reader;
  #progressTimer: Timer | undefined;
  /** Since when, monotonic ms, every flush of this process has failed. */
  #failing: { readonly since: number; readonly code: string } | undefined;
  #stopped = false;

  /** Attaches to front and store, recovers what must be, and begins to flush. */
  static async start(parts: EngineParts): Promise<Engine> {
    const { settings, front, store, clock, random, events } = parts;
    const writeBehind = settings.policy === 'write-behind';
    const onWarning = (message: string): void => events.emit('warning', { message });
    let engine: Engine | undefined;
    const breaker = StoreBreaker.of(store.origin ?? store, clock, random);
    const member: BreakerMember = {
      retry: settings.retry,
      announce: (change) => events.emit('breaker', change),
      onRoom: (state) => engine?.storeHasRoom(state),
    };
    breaker.join(member);
    const leaveBreaker = (): void => breaker.leave(member);
    const attached = await breaker.run(() => store.attach({ cache: settings.name, lanes: settings.lanes, shape: settings.shape, clock, writeBehind, onWarning }), outcomeOf).catch((error: unknown) => {
      leaveBreaker();
      throw error;
    });
    const laneStore = guardedStore(attached, breaker, leaveBreaker);
    try {
      const laneFront = await front.attach({
        cache: settings.name,
        lanes: settings.lanes,
        shape: settings.shape,
        acks: writeBehind ? [settings.ack] : [],
        clock,
        random,
        writeBehind,
        onReconnect: () => engine?.reconnected(),
        onWarning,
      });
      const counts = newCounts();
      const context: EngineContext = {
        settings,
        front: laneFront,
        store: laneStore,
        breaker,
        storeCapabilities: store.capabilities,
        frontIsShared: front.capabilities.shared,
        frontIsDurable: front.capabilities.durable,
        clock,
        random,
        events,
        counts,
        owner: random.token(),
      };
      engine = new Engine(context);
      if (parts.paused) engine.pause();
      try {
        await engine.#start();
      } catch (error) {
        await engine.#flusher?.stop();
        await engine.#flusher?.giveBack();
        await laneFront.close();
        throw error;
      }
      engine.#watchFlushes();
      return engine;
    } catch (error) {
      await laneStore.close();
      throw error;
    }
  }

  private constructor(context: EngineContext) {
    this.context = context;
    const { settings } = context;
    const writeBehind = settings.policy === 'write-behind';
    const lanes = Array.from({ length: settings.lanes }, (_, lane) => lane);
    this.#watermarks = lanes.map((lane) => new Watermark(settings.name, lane, (count, cause) => {
      context.counts.lost += count;
      context.events.emit('loss', { lane, count, cause });
    }));
    this.#recovery = new Recovery(context, this.#watermarks);
    this.#flusher = writeBehind && settings.flush !== undefined ? new Flusher(context, settings.flush, this.#watermarks, this.#recovery, () => this.#isBusy) : undefined;
    const recover = (lane: number): Promise<void> => this.#recover(lane);
    const admission = new Admission(settings.backpressure, this.#watermarks);
    const refreshOccupancy = async (): Promise<void> => void (await Promise.all(lanes.map((index) => this.#observe(index))));
    const waitForRoom = async (): Promise<void> => {
      await this.#untilFlushed();
      // A front that cannot be reached has no room either.
      await refreshOccupancy().catch(() => undefined);
    };
    this.#room = new WaitingRoom(context, admission, {
      waitForRoom,
      send: (index, writers) => (this.#writers[index] as LaneWriter).resume(writers),
      ask: (index, writer) => (this.#writers[index] as LaneWriter).ask(writer),
      trouble: () => this.#trouble(),
    });
    const hooks: WriterHooks = {
      stored: (position, key) => this.stored(position, key),
      accepted: (index, result) => this.#flusher?.accepted(index, result),
      recover,
      hurry: (index) => this.#hurry(index),
      newEpoch: (index) => void this.#observe(index).catch((error: unknown) => this.#report(error)),
      refreshOccupancy,
    };
    const { shape } = settings;
    this.#writers = writeBehind && shape === '' ? lanes.map((lane) => new LaneWriter(context, lane, this.#watermarks[lane] as Watermark, admission, this.#room, hooks)) : [];
    const stepHooks: StepHooks = { ...hooks, waitForRoom, full: (lane, key, why) => this.#room.full(lane, key, false, why) };
    this.log = shape === 'log' ? new LogWriters(context, this.#watermarks, admission, stepHooks) : undefined;
    this.counters = shape === '' || shape === 'log' ? undefined : new CounterWriters(context, this.#watermarks, admission, stepHooks);
    this.#direct = writeBehind ? undefined : new DirectWriter(context, recover);
    this.#letters = new LetterWaiters(context);
    this.reader = new Reader(context, recover);
  }

  async #start(): Promise<void> {
    if (this.#direct !== undefined) {
      await Promise.all(this.#watermarks.map((_, lane) => this.#adopt(lane)));
      return;
    }
    // Who only looks leaves the lanes as they are.
    if (this.#flusher?.paused === true) return;
    await this.#flusher?.start();
    // Lanes that are in other hands need nothing; a lane that nobody could take tells why here.
    await Promise.all(this.#watermarks.map((_, lane) => this.#recover(lane)));
  }

  #watchFlushes(): void {
    const { events, clock } = this.context;
    events.on('flush-failed', ({ error: { code } }) => void (this.#failing = { since: this.#failing?.since ?? clock.monotonic(), code }));
    events.on('flush', () => void (this.#failing = undefined));
  }

  // Operations.

  /** Writes, and resolves as `ack` promises. `json` undefined deletes. */
  write(key: string, json: string | undefined, ttlMs: number | undefined, ack: AckLevel, signal?: AbortSignal): Promise<Receipt> {
    if (this.#direct !== undefined) return untilAborted(this.#direct.write(key, json, ttlMs).then(() => STORED_RECEIPT), signal, this.context.settings.name, key);
    const writer = this.#writers[laneOf(key, this.context.settings.lanes)] as LaneWriter;
    const written = writer.write(key, json ?? TOMBSTONE, ttlMs, ack, signal);
    return ack === 'stored' ? this.#untilStored(written, signal) : written;
  }

  async #untilStored(written: Promise<PendingReceipt>, signal: AbortSignal | undefined): Promise<Receipt> {
    await this.untilStored(await written, signal);
    return STORED_RECEIPT;
  }

  /** Resolves when the store has what the front acknowledged, as soon as can be. */
  async untilStored(receipt: PendingReceipt, signal: AbortSignal | undefined): Promise<void> {
    this.#hurry(receipt.lane);
    await untilAborted(receipt.stored(), signal, this.context.settings.name, receipt.key);
  }

  /** Whether writes of this process are on their way to the front. */
  get #isBusy(): boolean {
    return this.#writers.some((writer) => writer.isBusy) || this.counters?.isBusy === true || this.log?.isBusy === true;
  }

  /**
   * Resolves when the store has the mutation at `position`, or a later one of its key; waits for a refused one until it is
   * tried again. Rejects when it is dead or lost.
   */
  async stored(position: Position, key: string | undefined): Promise<void> {
    const watermark = this.#watermarks[position.lane] as Watermark;
    const done = watermark.wait(position, key);
    this.#followProgress();
    const waiting = await done;
    if (waiting !== undefined) return void (await this.letterOutcome(waiting));
    if (key === undefined || watermark.judged(position.seq)) return;
    // Another process flushed it, and only the letters know whether the store took it.
    const letter = await this.context.store.deadLetters?.ofWrite(key, position.seq);
    if (letter?.state === 'waiting') return void (await this.letterOutcome(letter.id));
    this.#refuseDead(letter);
  }

  /** What became of a letter, when it does not wait any more; rejects when it is dead or discarded. */
  async letterOutcome(id: string): Promise<'stored' | 'superseded'> {
    const letter = await this.#letters.outcome(id);
    this.#refuseDead(letter);
    return letter?.state === 'stored' ? 'stored' : 'superseded';
  }

  #refuseDead(letter: DeadLetter | undefined): void {
    if (letter?.state === 'dead' || letter?.state === 'discarded') throw rejection(this.context.settings.name, letter);
  }

  /** A letter of the lane was redriven here. */
  lettersChanged(lane: number): void {
    this.#flusher?.lettersChanged(lane);
  }

  /** How many letters the store has; undefined when it keeps none, is not well, or does not answer soon. */
  async letterCounts(): Promise<LetterCounts | undefined> {
    // Statistics are no probe.
    if (this.breaker.state !== 'closed') return undefined;
    return this.within(this.context.store.deadLetters?.count().catch(() => undefined), LETTER_COUNTS_MS);
  }

  /** What `work` resolves with, or undefined once `ms` have passed. */
  async within<T>(work: T | Promise<T>, ms: number): Promise<T | undefined> {
    let timer: Timer | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = this.context.clock.after(ms, () => resolve(undefined), true);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      timer?.cancel();
    }
  }

  /** Resolves when all that was asked for before the call is stored (or refused, or known to be lost). */
  async flush(): Promise<void> {
    await this.idle();
    if (this.#direct !== undefined) return;
    const barriers = await Promise.all(this.#watermarks.map((_, lane) => this.#barrier(lane)));
    await Promise.all(barriers.map(async (position) => {
      if (position === undefined) return;
      await this.stored(position, undefined).catch((error: unknown) => {
        // A loss was reported as such; what is lost cannot be waited for.
        if (!(error instanceof MillraceError) || error.code !== 'MILLRACE_LOST') throw error;
      });
    }));
  }

  /** Resolves when every write that was asked for has been answered by the front. */
  async idle(): Promise<void> {
    do {
      await Promise.all([this.#direct?.idle(), this.counters?.idle(), this.log?.idle(), ...this.#writers.map((writer) => writer.idle()), this.#room.idle()]);
      // What waited for room was sent when there was, and what waited behind it after that.
    } while (!this.#room.isEmpty || this.#writers.some((writer) => !writer.isIdle));
  }

  /** Resolves after the next flush of this process, or after a while: another one may have made room. */
  async #untilFlushed(): Promise<void> {
    this.#watermarks.forEach((_, lane) => this.#hurry(lane));
    let timer: Timer | undefined;
    const poll = new Promise<void>((resolve) => {
      timer = this.context.clock.after(ROOM_POLL_MS, resolve, true);
    });
    await Promise.race([poll, this.#flusher?.nextFlush() ?? poll]);
    timer?.cancel();
  }

  /** What is wrong with flushing, for who is told that there is no room. */
  #trouble(): string | undefined {
    const failing = this.#failing;
    if (failing === undefined) return this.#flusher?.paused === true ? 'Flushing is paused' : undefined;
    return `Flushes have failed for ${Math.round(this.context.clock.monotonic() - failing.since)} ms, the last with ${failing.code}`;
  }

  async #barrier(lane: number): Promise<Position | undefined> {
    const flushLane = this.#flusher?.lane(lane);
    if (flushLane?.state === 'stopped' && flushLane.lastError !== undefined) throw flushLane.lastError;
    let requested = await this.context.front.requestFlush(lane);
    if (requested.kind === 'unrecovered') {
      await this.#recover(lane);
      requested = await this.context.front.requestFlush(lane);
      if (requested.kind === 'unrecovered') throw new MillraceError('MILLRACE_FRONT_UNAVAILABLE', `Lane ${lane} could not be recovered, so it is not known what is pending.`, { cache: this.context.settings.name, lane });
    }
    const { header } = requested;
    (this.#watermarks[lane] as Watermark).observe(header);
    if (header.pendingEntries === 0 && header.flight?.state !== 'cut') return undefined;
    this.#flusher?.observed(lane, header);
    this.#flusher?.hurry(lane);
    return { lane, epoch: header.epoch, seq: header.seq };
  }

  /** Looks at a lane; whoever waits for what it tells is answered. */
  async #observe(lane: number): Promise<void> {
    const { header, current } = await this.context.front.header(lane);
    // What is not recovered, or not confirmed yet, tells nothing that could be relied on.
    if (header !== undefined && current) (this.#watermarks[lane] as Watermark).observe(header);
  }

  #hurry(lane: number): void {
    if (this.#flusher !== undefined && this.#flusher.lane(lane).state !== 'foreign') this.#flusher.hurry(lane);
    // Somebody else flushes: ask there. If the request is lost, the mutation is stored when it is due anyway.
    else void this.context.front.requestFlush(lane).catch(() => undefined);
  }

  pause(): void {
    this.#flusher?.pause();
  }

  /** See {@link Recovery.acceptStoreRollback}. */
  async acceptStoreRollback(): Promise<void> {
    if (this.#direct === undefined) await Promise.all(this.#watermarks.map((_, lane) => this.#recovery.acceptStoreRollback(lane)));
  }

  resume(): void {
    this.#flusher?.resume();
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

  get counts(): Counts {
    return this.context.counts;
  }

  // Life cycle.

  /**
   * Drains until `timeoutMs` from now, gives the lanes back and lets go of front and store. Writes that wait for room
   * are drained too, and turned away at the deadline.
   */
  async close(timeoutMs: number): Promise<{ stored: number; remaining: number; dead: number }> {
    const { clock, counts, front, store, settings, events } = this.context;
    const before = { stored: counts.stored, rejected: counts.rejected };
    const turnedAway = new MillraceError('MILLRACE_CLOSED', 'The cache was closed while the write waited for room. Nothing of it was kept.', { cache: settings.name });
    const drained = new Deadline(clock, timeoutMs);
    // Nothing makes room while flushing is paused.
    if (this.#flusher?.paused === true) this.#room.close(turnedAway);
    await drained.wait(this.#drain()).catch((error: unknown) => this.#report(error));
    this.#room.close(turnedAway);
    this.#stopped = true;
    this.#progressTimer?.cancel();
    await drained.wait(this.#flusher?.stop());
    drained.cancel();
    // What is left is quick, where the front answers.
    const left = new Deadline(clock, CLOSE_GRACE_MS);
    // Who was sent on when the deadline passed is answered before the front is let go of.
    await left.wait(Promise.all([this.#flusher?.giveBack(), ...this.#writers.map((writer) => writer.idle())]));
    const remaining = (await left.wait(this.#remaining().catch(() => undefined))) ?? this.#watermarks.reduce((sum, { entries }) => sum + entries, 0);
    if (remaining > 0 && !this.context.frontIsDurable) {
      events.emit('warning', { message: `${remaining} entries of cache "${settings.name}" remain in a front that dies with this process. They are lost unless another cache of this name uses the same front object.` });
    }
    const closed = new MillraceError('MILLRACE_CLOSED', 'The cache was closed before the write was stored. It stays in the front and is stored by the next process that flushes.', { cache: settings.name });
    for (const watermark of this.#watermarks) watermark.close(closed);
    this.#letters.close(closed);
    await left.wait(Promise.all([front.close(), store.close()].map((closing) => closing.catch((error: unknown) => this.#report(error)))));
    left.cancel();
    return { stored: counts.stored - before.stored, remaining, dead: counts.rejected - before.rejected };
  }

  /** What is paused is not drained: somebody wants the store left alone. A lane that cannot be drained keeps no other from it. */
  async #drain(): Promise<void> {
    await this.idle();
    if (this.#flusher === undefined || this.#flusher.paused) return;
    const drained = await Promise.allSettled(this.#watermarks.map(async (_, lane) => {
      const position = await this.#barrier(lane);
      if (position !== undefined) await this.stored(position, undefined);
    }));
    for (const outcome of drained) {
      if (outcome.status === 'rejected' && !(outcome.reason instanceof MillraceError && outcome.reason.code === 'MILLRACE_LOST')) this.#report(outcome.reason);
    }
  }

  async #remaining(): Promise<number> {
    return (await this.headers()).reduce((sum, header) => sum + (header === undefined ? 0 : entriesOf(header)), 0);
  }

  /** The front's connection is back: its lanes may not be as they were. */
  reconnected(): void {
    for (let lane = 0; lane < this.#watermarks.length; lane++) this.#recover(lane).catch((error: unknown) => this.#report(error));
  }

  /** The breaker lets more through than before. */
  storeHasRoom(state: BreakerState): void {
    this.#flusher?.storeHasRoom(state === 'ramp');
  }

  async #recover(lane: number): Promise<void> {
    if (this.#direct === undefined) {
      if (this.#flusher === undefined) await this.#recovery.ensure(lane);
      else await this.#flusher.recover(lane);
      return;
    }
    const { current } = await this.context.front.header(lane);
    if (!current) await this.#adopt(lane);
  }

  async #adopt(lane: number): Promise<void> {
    const { settings, front } = this.context;
    const adopted = await front.adopt(lane);
    if (adopted.kind === 'pending') {
      throw new MillraceError('MILLRACE_OPTIONS', `Cache "${settings.name}" has ${adopted.entries} pending writes from a write-behind policy. Drain it with policy: 'write-behind' before you change to '${settings.policy}'.`, { cache: settings.name, lane });
    }
    if (adopted.kind === 'lanes') {
      throw new MillraceError('MILLRACE_LANES', `Cache "${settings.name}" has ${adopted.lanes} lanes in the front, not ${settings.lanes}. Set lanes: ${adopted.lanes}, or use a new name.`, { cache: settings.name });
    }
  }

  /** Asks for the progress of lanes that other processes flush, for as long as somebody waits. */
  #followProgress(): void {
    if (this.#progressTimer !== undefined || this.#stopped || !this.#watermarks.some((mark) => mark.waiting)) return;
    this.#progressTimer = this.context.clock.after(PROGRESS_POLL_MS, () => void this.#askForProgress(), true);
  }

  async #askForProgress(): Promise<void> {
    await Promise.all(this.#watermarks.map(async (watermark, lane) => {
      if (!watermark.waiting || this.#flusher?.lane(lane).isOurs === true) return;
      await this.#observe(lane);
    })).catch((error: unknown) => this.#report(error));
    this.#progressTimer = undefined;
    this.#followProgress();
  }

  #report(error: unknown): void {
    if (this.#stopped) return;
    const fault = error instanceof MillraceError ? error : new MillraceError('MILLRACE_INTERNAL', 'Something failed in the background.', { cache: this.context.settings.name, cause: error });
    this.context.events.emit('error', { error: fault });
  }
}
