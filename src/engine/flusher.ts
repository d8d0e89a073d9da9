import { backoffMs } from '../core/backoff.ts';
import type { Flight, LaneHeader } from '../core/lane.ts';
import type { WriteResult } from '../core/lane-write.ts';
import { isMillraceError, MillraceError } from '../errors.ts';
import type { Timer } from '../ports/clock.ts';
import type { ApplyResult, DeadMutation } from '../ports/store.ts';
import type { EngineContext } from './context.ts';
import { FlushLane } from './flush-lane.ts';
import { GenerationReader, LaneTaken } from './generation-reader.ts';
import type { Recovery } from './recovery.ts';
import { ACKNOWLEDGE_KEYS_MAX, type FlushSettings } from './settings.ts';
import type { Watermark } from './watermark.ts';

/**
 * A full batch waits this long for the answers to writes that are under way on other lanes: they belong to the same
 * burst, and batches become full instead of broken.
 */
const BURST_MS = 2;
/** With more than this many batches pending, a flush is divided over the free connections. */
const BATCHES_PER_FLUSH = 16;

/** A lane with the generation that it brings into a flush. */
interface Cut {
  readonly lane: FlushLane;
  readonly flight: Flight;
}

/**
 * Moves pending mutations into the store. Takes the leases of lanes that nobody flushes, cuts generations when a
 * batch is full, the oldest mutation is due or somebody waits, applies them (several lanes in one transaction) and
 * acknowledges them. A failure is retried with the same generation for as long as it takes.
 */
export class Flusher {
  readonly #context: EngineContext;
  readonly #flush: FlushSettings;
  readonly #watermarks: readonly Watermark[];
  readonly #recovery: Recovery;
  readonly #lanes: readonly FlushLane[];
  /** Whether writes of this process are under way. */
  readonly #writersBusy: () => boolean;
  readonly #tickMs: number;
  #runSet = false;
  /** Since when a batch is full, monotonic ms. */
  #fullSince = Number.POSITIVE_INFINITY;
  #tickTimer: Timer | undefined;
  #wakeTimer: Timer | undefined;
  readonly #active = new Set<Promise<void>>();
  #paused = false;
  #stopped = false;
  #roomWaiters: (() => void)[] = [];

  constructor(context: EngineContext, flush: FlushSettings, watermarks: readonly Watermark[], recovery: Recovery, writersBusy: () => boolean) {
    this.#context = context;
    this.#flush = flush;
    this.#watermarks = watermarks;
    this.#recovery = recovery;
    this.#writersBusy = writersBusy;
    this.#lanes = watermarks.map((_, index) => new FlushLane(index));
    // Often enough that what other processes write is seen within half its delay, and that a lease is kept.
    const pollMs = context.frontIsShared ? Math.min(500, Math.max(20, flush.maxDelayMs / 2)) : Number.POSITIVE_INFINITY;
    this.#tickMs = Math.min(flush.leaseMs / 3, pollMs);
  }

  /** Takes every lane that is free. Resolves when each is taken, found in other hands, or has failed. */
  async start(): Promise<void> {
    await this.#tick();
  }

  lane(index: number): FlushLane {
    return this.#lanes[index] as FlushLane;
  }

  /** The writer had a batch accepted. */
  accepted(index: number, result: Extract<WriteResult, { kind: 'accepted' }>): void {
    const lane = this.lane(index);
    lane.pending = result.pending;
    if (lane.dueAt === Number.POSITIVE_INFINITY) lane.dueAt = this.#context.clock.monotonic() + this.#flush.maxDelayMs;
    if (lane.isOurs) {
      if (result.epoch !== lane.epoch) this.#lose(lane);
      else this.#runSoon();
    }
  }

  /** Flushes a lane as soon as possible. */
  hurry(index: number): void {
    this.lane(index).urgent = true;
    this.#run();
  }

  /** Makes the lane take writes again, and takes it over on the way unless a flush is under way. */
  async recover(index: number): Promise<void> {
    const lane = this.lane(index);
    if (lane.state === 'flushing' || lane.state === 'taking') await this.#recovery.ensure(index);
    else if (!(await this.#context.front.header(index)).current) await this.#take(lane);
    this.#run();
  }

  /** Somebody read the lane's header on behalf of a barrier. */
  observed(index: number, header: LaneHeader): void {
    const lane = this.lane(index);
    if (lane.state === 'idle') this.#learn(lane, header);
  }

  pause(): void {
    this.#paused = true;
  }

  /** Goes on after {@link pause}, and tries stopped lanes again. */
  resume(): void {
    this.#paused = false;
    for (const lane of this.#lanes) if (lane.state === 'stopped') lane.become('foreign');
    void this.#tick();
  }

  /** Resolves after the next flush, or soon when another process flushes: then there may be room. */
  room(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#context.clock.after(this.#flush.maxDelayMs, resolve, true);
      this.#roomWaiters.push(() => {
        timer.cancel();
        resolve();
      });
      for (const lane of this.#lanes) lane.urgent = true;
      this.#run();
    });
  }

  /** Finishes what is in flight, stops, and gives the leases back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#tickTimer?.cancel();
    this.#wakeTimer?.cancel();
    await Promise.all(this.#active);
    const ours = this.#lanes.filter((lane) => lane.isOurs);
    await Promise.all(ours.map((lane) => this.#context.front.release(lane.index, this.#context.owner).catch(() => undefined)));
  }

  // Owning lanes.

  async #tick(): Promise<void> {
    this.#tickTimer?.cancel();
    if (this.#stopped) return;
    await Promise.all(this.#lanes.map((lane) => this.#look(lane)));
    if (this.#stopped) return;
    this.#run();
    // A little apart from the other processes' ticks.
    const delayMs = this.#tickMs * (0.8 + 0.4 * this.#context.random.fraction());
    this.#tickTimer = this.#context.clock.after(delayMs, () => void this.#tick());
  }

  /** Renews or tries to take a lane's lease when that is due; otherwise looks for what other processes wrote. */
  async #look(lane: FlushLane): Promise<void> {
    const { front, clock, owner } = this.#context;
    const now = clock.monotonic();
    if (lane.state === 'taking' || (lane.state === 'stopped' && now < lane.retryAt)) return;
    if (lane.state === 'stopped') lane.become('foreign');
    try {
      if (lane.isOurs && now - lane.renewedAt < this.#flush.leaseMs / 3) {
        if (this.#context.frontIsShared && lane.state === 'idle') {
          const { header, current } = await front.header(lane.index);
          if (header !== undefined && current) this.#learn(lane, header);
        }
        return;
      }
      const claimed = await front.claim(lane.index, owner, this.#flush.leaseMs);
      if (claimed.kind === 'unrecovered') {
        await this.#take(lane);
        return;
      }
      this.#watermark(lane).observe(claimed.header);
      if (!claimed.held) {
        if (lane.isOurs) this.#lose(lane);
      } else if (lane.isOurs && claimed.header.epoch === lane.epoch) {
        lane.renewedAt = now;
        if (lane.state === 'idle') this.#learn(lane, claimed.header);
      } else {
        await this.#take(lane);
      }
    } catch (error) {
      this.#report(lane, error);
    }
  }

  async #take(lane: FlushLane): Promise<void> {
    // A flush under way ends by itself: its fence does not match any more.
    if (lane.state === 'taking' || lane.state === 'flushing') return;
    lane.become('taking');
    try {
      const header = await this.#recovery.recover(lane.index);
      lane.become(header.owner === this.#context.owner ? 'idle' : 'foreign');
      lane.epoch = header.epoch;
      lane.renewedAt = this.#context.clock.monotonic();
      lane.storedSeq = header.storedSeq;
      if (lane.state === 'idle') this.#learn(lane, header);
    } catch (error) {
      lane.become('foreign');
      throw error;
    }
  }

  #learn(lane: FlushLane, header: LaneHeader): void {
    const { clock } = this.#context;
    if (header.epoch !== lane.epoch) {
      this.#lose(lane);
      return;
    }
    lane.learn(header, clock.now(), clock.monotonic(), this.#flush.maxDelayMs);
  }

  #lose(lane: FlushLane): void {
    if (lane.state === 'idle') lane.become('foreign');
    lane.renewedAt = Number.NEGATIVE_INFINITY;
  }

  // Deciding what to flush.

  /**
   * Decides at the end of this turn, when the answers that arrived together have been seen. A cut that comes of it is
   * sent before any write that a caller makes in answer to them.
   */
  #runSoon(): void {
    if (this.#runSet) return;
    this.#runSet = true;
    this.#context.clock.soon(() => {
      this.#runSet = false;
      this.#run();
    });
  }

  #run(): void {
    if (this.#stopped || this.#paused) return;
    const now = this.#context.clock.monotonic();
    for (;;) {
      const free = this.#flush.concurrency - this.#active.size;
      if (free <= 0) break;
      const ready = this.#lanes.filter((lane) => lane.isReady(now));
      const pending = ready.reduce((sum, lane) => sum + lane.pending, 0);
      if (!this.#isFull(pending, now) && !ready.some((lane) => lane.isDue(now))) break;
      // All that is ready comes along: batches are fuller and transactions fewer.
      const group = pending > BATCHES_PER_FLUSH * this.#flush.batchSize && free > 1 ? largestShare(ready, pending / free) : ready;
      const flushed: Promise<void> = this.#flushGroup(group).finally(() => {
        this.#active.delete(flushed);
        this.#run();
      });
      this.#active.add(flushed);
    }
    this.#setWakeTimer(now);
  }

  #isFull(pending: number, now: number): boolean {
    if (pending < this.#flush.batchSize) {
      this.#fullSince = Number.POSITIVE_INFINITY;
      return false;
    }
    if (this.#writersBusy() && now < Math.min(this.#fullSince, now) + BURST_MS) {
      this.#fullSince = Math.min(this.#fullSince, now);
      return false;
    }
    this.#fullSince = Number.POSITIVE_INFINITY;
    return true;
  }

  #setWakeTimer(now: number): void {
    this.#wakeTimer?.cancel();
    this.#wakeTimer = undefined;
    let at = this.#fullSince + BURST_MS;
    for (const lane of this.#lanes) {
      if (lane.state !== 'idle' || (lane.pending === 0 && !lane.hasFlight)) continue;
      at = Math.min(at, Math.max(lane.retryAt, lane.isDue(now) ? now : lane.dueAt));
    }
    // A lane that is due now waits for a free connection, and is seen to when one is.
    if (at > now && at !== Number.POSITIVE_INFINITY) this.#wakeTimer = this.#context.clock.after(at - now, () => this.#run(), true);
  }

  // Flushing.

  async #flushGroup(lanes: readonly FlushLane[]): Promise<void> {
    const { clock } = this.#context;
    for (const lane of lanes) lane.become('flushing');
    const startedAt = clock.monotonic();
    try {
      const cuts = await this.#cut(lanes);
      const unstored = cuts.filter(({ flight }) => flight.state === 'cut');
      const stored = cuts.filter(({ flight }) => flight.state === 'stored');
      await Promise.all(stored.map((cut) => this.#acknowledge(cut, [])));
      if (unstored.length > 0) await this.#store(unstored, startedAt);
    } catch (error) {
      this.#failed(lanes, error);
    } finally {
      for (const lane of lanes) if (lane.state === 'flushing') lane.become('idle');
      this.#tellRoom();
    }
  }

  async #cut(lanes: readonly FlushLane[]): Promise<Cut[]> {
    const { front, random } = this.#context;
    const cuts = await Promise.all(
      lanes.map(async (lane): Promise<Cut | undefined> => {
        // Called in the same turn in which the flush was decided on: no write of this process comes between.
        const result = await front.cut(lane.index, lane.epoch, random.token());
        switch (result.kind) {
          case 'cut':
            lane.wasCut();
            return { lane, flight: result.flight };
          case 'empty':
            lane.wasCut();
            lane.hasFlight = false;
            return undefined;
          case 'refused':
          case 'unrecovered':
            this.#disown(lane);
            return undefined;
          case 'stopped':
            this.#stopLane(lane, new MillraceError('MILLRACE_LANE_STOPPED', `Lane ${lane.index} does not flush: ${result.reason}.`, { cache: this.#context.settings.name, lane: lane.index }));
            return undefined;
        }
      }),
    );
    const found = cuts.filter((cut) => cut !== undefined);
    if (this.#context.settings.ack === 'fsynced') {
      // What the store is told of must not be unknown to the front after a power loss.
      await Promise.all(found.map(({ lane }) => front.sync('fsynced', lane.index)));
    }
    return found;
  }

  async #store(cuts: readonly Cut[], startedAt: number): Promise<void> {
    const { store, clock } = this.#context;
    const generations = cuts.map(({ lane, flight }) => ({
      lane: lane.index,
      epoch: lane.epoch,
      generation: flight.generation,
      cutSeq: flight.cutSeq,
      digest: flight.digest,
    }));
    const batches = new GenerationReader(this.#context, generations, this.#flush.batchSize);
    const result = await store.apply({ lanes: generations, batches });
    if (result.kind === 'fenced') {
      await this.#fenced(cuts, result);
      return;
    }
    this.#stored(cuts, result, batches.missing, clock.monotonic() - startedAt);
    await Promise.all(cuts.map((cut) => this.#acknowledge(cut, result.dead.filter(({ lane }) => lane === cut.lane.index))));
  }

  /** Tells listeners and counters of a commit. */
  #stored(cuts: readonly Cut[], result: Extract<ApplyResult, { kind: 'applied' }>, missing: ReadonlyMap<number, number>, durationMs: number): void {
    const { counts, events, clock } = this.#context;
    counts.flushes++;
    counts.statements += result.statements;
    counts.stored += result.rows;
    counts.dead += result.dead.length;
    let sinceMs = Number.POSITIVE_INFINITY;
    for (const { lane, flight } of cuts) {
      const lost = missing.get(lane.index) ?? 0;
      // Each seq between two cuts is a mutation; what is not an entry of the generation was replaced by a later one.
      counts.coalesced += Math.max(0, flight.cutSeq - 1 - lane.storedSeq - flight.entries);
      if (lost > 0) {
        counts.lost += lost;
        events.emit('loss', { lane: lane.index, count: lost, cause: 'value-removed' });
      }
      sinceMs = Math.min(sinceMs, flight.sinceMs);
    }
    for (const { lane, key, code, message } of result.dead) events.emit('dead-letter', { lane, key, code, message });
    events.emit('flush', {
      lanes: cuts.map(({ lane }) => lane.index),
      rows: result.rows,
      statements: result.statements,
      dead: result.dead.length,
      durationMs,
      lagMs: Math.max(0, clock.now() - sinceMs),
    });
  }

  async #fenced(cuts: readonly Cut[], result: Extract<ApplyResult, { kind: 'fenced' }>): Promise<void> {
    for (const { lane: index, verdict } of result.lanes) {
      const cut = cuts.find(({ lane }) => lane.index === index);
      if (cut === undefined) continue;
      // Applied: an earlier attempt was committed although its answer was lost.
      if (verdict === 'applied') await this.#acknowledge(cut, []);
      else this.#disown(cut.lane);
    }
  }

  /** Cleans a stored generation in bounded steps; its waiters learn of it after the first. */
  async #acknowledge({ lane, flight }: Cut, dead: readonly DeadMutation[]): Promise<void> {
    const { front, settings } = this.#context;
    const watermark = this.#watermark(lane);
    if (dead.length > 0) watermark.refuse(new Map(dead.map((row) => [row.key, this.#rejected(row)])), flight.cutSeq);
    let deadKeys = dead.map(({ key }) => key);
    for (;;) {
      const result = await front.acknowledge(lane.index, {
        epoch: lane.epoch,
        generation: flight.generation,
        deadKeys,
        ttlMs: settings.ttlMs,
        limit: ACKNOWLEDGE_KEYS_MAX,
      });
      if (result.kind === 'refused') {
        this.#disown(lane);
        return;
      }
      deadKeys = [];
      lane.storedSeq = result.header.storedSeq;
      lane.failures = 0;
      lane.lastError = undefined;
      watermark.observe(result.header);
      if (result.kind === 'done') {
        lane.hasFlight = false;
        return;
      }
    }
  }

  #rejected(row: DeadMutation): MillraceError {
    return new MillraceError('MILLRACE_REJECTED', `The store refused key "${row.key}" (${row.code}: ${row.message}). It is kept as a dead letter.`, {
      cache: this.#context.settings.name,
      key: row.key,
      lane: row.lane,
    });
  }

  // When something goes wrong.

  #failed(lanes: readonly FlushLane[], error: unknown): void {
    const { counts, events, clock, random, settings } = this.#context;
    const taken = laneTaken(error);
    if (taken !== undefined) {
      this.#disown(this.lane(taken.lane));
      for (const lane of lanes) lane.hasFlight = true;
      return;
    }
    const fault = this.#fault(error);
    // A refusal gets here only from a store that cannot keep dead letters.
    if (fault.code === 'MILLRACE_STORE_SCHEMA' || fault.code === 'MILLRACE_REJECTED') {
      for (const lane of lanes) this.#stopLane(lane, fault);
      return;
    }
    counts.flushFailures++;
    const affected = lanes.filter((lane) => lane.state === 'flushing');
    const failures = Math.max(0, ...affected.map((lane) => lane.failures)) + 1;
    const retryInMs = backoffMs(failures, settings.retry.minDelayMs, settings.retry.maxDelayMs, random.fraction());
    for (const lane of affected) {
      lane.failures = failures;
      lane.lastError = fault;
      lane.hasFlight = true;
      lane.retryAt = clock.monotonic() + retryInMs;
    }
    events.emit('flush-failed', { lanes: affected.map(({ index }) => index), error: fault, attempt: failures, retryInMs });
  }

  #fault(error: unknown): MillraceError {
    if (isMillraceError(error)) return error;
    return new MillraceError('MILLRACE_INTERNAL', 'A flush failed for a reason that Millrace does not know; it will be tried again.', { cache: this.#context.settings.name, cause: error });
  }

  /** The lane is another worker's, or in need of recovery: the next look decides. */
  #disown(lane: FlushLane): void {
    if (lane.isOurs) lane.become('foreign');
    lane.renewedAt = Number.NEGATIVE_INFINITY;
    if (!this.#stopped) this.#context.clock.soon(() => void this.#look(lane).then(() => this.#run()));
  }

  /** Nothing of the lane can be stored until an operator acts; waiters are told, and it is tried again now and then. */
  #stopLane(lane: FlushLane, error: MillraceError): void {
    const { clock, events, settings } = this.#context;
    lane.become('stopped');
    lane.lastError = error;
    lane.retryAt = clock.monotonic() + settings.retry.maxDelayMs;
    this.#watermark(lane).abandon(error);
    events.emit('stopped', { lane: lane.index, error });
  }

  #report(lane: FlushLane, error: unknown): void {
    const fault = this.#fault(error);
    lane.lastError = fault;
    if (fault.code === 'MILLRACE_LANE_STOPPED' || fault.code === 'MILLRACE_LANES') {
      if (lane.state !== 'stopped') this.#stopLane(lane, fault);
    } else if (!this.#stopped) {
      this.#context.events.emit('error', { error: fault });
    }
  }

  #tellRoom(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const tell of waiters) tell();
  }

  #watermark(lane: FlushLane): Watermark {
    return this.#watermarks[lane.index] as Watermark;
  }
}

/** The store passes on what its source of rows threw, as a cause. */
function laneTaken(error: unknown): LaneTaken | undefined {
  if (error instanceof LaneTaken) return error;
  return error instanceof Error && error.cause !== undefined ? laneTaken(error.cause) : undefined;
}

/** The lanes with most pending, up to about `share` entries; at least one. */
function largestShare(lanes: readonly FlushLane[], share: number): FlushLane[] {
  const bySize = [...lanes].sort((a, b) => b.pending - a.pending);
  const group: FlushLane[] = [];
  let entries = 0;
  for (const lane of bySize) {
    if (group.length > 0 && entries + lane.pending > share * 1.2) continue;
    group.push(lane);
    entries += lane.pending;
  }
  return group;
}
