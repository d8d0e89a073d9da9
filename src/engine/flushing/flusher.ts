import { type Deferred, defer } from '../../core/deferred.ts';
import type { Accepted, LaneHeader } from '../../core/lane.ts';
import { Pace } from '../../core/pace.ts';
import type { Timer } from '../../ports/clock.ts';
import type { EngineContext, StoreWith } from '../base/context.ts';
import type { FlushSettings } from '../base/settings.ts';
import type { Admission } from '../lanes/admission.ts';
import type { Watermark } from '../lanes/watermark.ts';
import { FlushLane } from './flush-lane.ts';
import { GenerationFlush } from './generation-flush.ts';
import type { GenerationPages } from './generation-pages.ts';
import { LaneLeases } from './lane-leases.ts';
import { LetterRetry } from './letter-retry.ts';
import type { Recovery } from './recovery.ts';

/** How long a full batch waits at the most for the rest of its burst. */
const BURST_MS = 50;
/** With more than this many batches pending, a flush is divided over the free connections. */
const BATCHES_PER_FLUSH = 16;

/**
 * Decides what is flushed and when: a batch is full, the oldest mutation is due, somebody waits, or a generation was
 * left over. All lanes that are ready go together, because batches are fuller and transactions fewer that way.
 */
export class Flusher {
  readonly #context: EngineContext;
  readonly #flush: FlushSettings;
  readonly pace: Pace;
  readonly #lanes: readonly FlushLane[];
  readonly #leases: LaneLeases;
  readonly #generations: GenerationFlush;
  /** Knows the write steps of this process, on all lanes. */
  readonly #admission: Admission;
  #runSet = false;
  /**
   * Of a full batch that waits for the answers to the steps that were under way when it became full: they belong to the
   * same burst, and batches become full instead of broken. How many steps have ended then, and until when it waits,
   * monotonic ms.
   */
  #burst: { readonly ended: number; readonly until: number } | undefined;
  #wakeTimer: Timer | undefined;
  readonly #active = new Set<Promise<void>>();
  #paused = false;
  #stopped = false;
  #nextFlush: Deferred<void> | undefined;

  constructor({ context, flush, watermarks, recovery, admission, pages }: FlusherParts) {
    this.#context = context;
    this.#flush = flush;
    this.pace = new Pace(flush);
    this.#lanes = watermarks.map((_, index) => new FlushLane(index));
    this.#admission = admission;
    const lanes = this.#lanes;
    const letters = new LetterRetry(context, flush);
    const onWork = (): void => this.#run();
    const leases = new LaneLeases({ context, flush, lanes, watermarks, recovery, letters, onWork });
    this.#leases = leases;
    this.#generations = new GenerationFlush({ context, pace: this.pace, lanes, watermarks, leases, letters, pages });
  }

  /** Takes every lane that is free. Resolves when each is taken, found in other hands, or has failed. */
  start(): Promise<void> {
    return this.#leases.start();
  }

  lane(index: number): FlushLane {
    return this.#lanes[index] as FlushLane;
  }

  /** The writer had a batch accepted. */
  accepted(index: number, result: Accepted): void {
    const lane = this.lane(index);
    lane.pending = result.pending;
    if (lane.dueAt === Number.POSITIVE_INFINITY) lane.dueAt = this.#context.clock.monotonic() + this.#flush.maxDelayMs;
    if (lane.isOurs) {
      if (result.epoch !== lane.epoch) this.#leases.lose(lane);
      else this.#runSoon();
    }
  }

  /** Flushes a lane as soon as possible. */
  hurry(index: number): void {
    this.lane(index).urgent = true;
    this.#run();
  }

  /** A letter of the lane was redriven: if the lane is ours, it is seen to at once. */
  lettersChanged(index: number): void {
    this.lane(index).lettersChanged(this.#context.clock.monotonic());
    this.#run();
  }

  /** Makes the lane take writes again, and takes it over on the way unless a flush is under way. */
  async recover(index: number): Promise<void> {
    await this.#leases.recover(this.lane(index));
  }

  /** Somebody read the lane's header on behalf of a barrier. */
  observed(index: number, header: LaneHeader): void {
    const lane = this.lane(index);
    if (lane.state === 'idle') this.#leases.learn(lane, header);
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    this.#paused = true;
  }

  /** Goes on after {@link pause}, and tries stopped lanes again. */
  resume(): void {
    this.#paused = false;
    for (const lane of this.#lanes) {
      if (lane.state !== 'stopped') continue;
      lane.become('foreign');
      lane.retryAt = 0;
    }
    void this.#leases.start();
  }

  /** The breaker lets more through; `isBack`: the store answers again, so nobody sits out his own backoff. */
  storeHasRoom(isBack: boolean): void {
    if (isBack)
      for (const lane of this.#lanes)
        if (lane.lastError?.code === 'MILLRACE_STORE_UNAVAILABLE' && lane.state !== 'stopped') lane.retryAt = 0;
    this.#run();
  }

  /** Resolves after the next flush, whatever becomes of it. */
  nextFlush(): Promise<void> {
    return (this.#nextFlush ??= defer<void>()).promise;
  }

  /** Begins nothing more; resolves when what is in flight has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#leases.stop();
    this.#wakeTimer?.cancel();
    await Promise.all(this.#active);
  }

  /** Gives the leases back, also those of flushes that hang: whoever takes a lane fences them out. */
  giveBack(): Promise<void> {
    return this.#leases.release();
  }

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
      // While the store is held to be down nothing is cut, however urgent; after that, one flush finds out.
      const free = Math.min(this.pace.concurrency, this.#context.breaker.width) - this.#active.size;
      if (free <= 0) break;
      const ready = this.#lanes.filter((lane) => lane.isReady(now));
      const pending = ready.reduce((sum, lane) => sum + lane.pending, 0);
      if (!this.#isFull(pending, now) && !ready.some((lane) => lane.isDue(now))) break;
      // All that is ready comes along: batches are fuller and transactions fewer.
      const group =
        pending > BATCHES_PER_FLUSH * this.pace.batchSize && free > 1 ? largestShare(ready, pending / free) : ready;
      const flushed: Promise<void> = this.#generations.flush(group).finally(() => {
        this.#active.delete(flushed);
        this.#nextFlush?.resolve();
        this.#nextFlush = undefined;
        this.#run();
      });
      this.#active.add(flushed);
    }
    this.#setWakeTimer(now);
  }

  #isFull(pending: number, now: number): boolean {
    if (pending < this.pace.batchSize) {
      this.#burst = undefined;
      return false;
    }
    const { begun, ended } = this.#admission.steps;
    this.#burst ??= { ended: begun, until: now + BURST_MS };
    if (ended < this.#burst.ended && now < this.#burst.until) return false;
    this.#burst = undefined;
    return true;
  }

  #setWakeTimer(now: number): void {
    this.#wakeTimer?.cancel();
    this.#wakeTimer = undefined;
    let at = this.#burst?.until ?? Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) at = Math.min(at, lane.wantedAt(now));
    // A lane that is due now waits for a free connection, and is seen to when one is. Letters are safe in the store,
    // and keep no process alive.
    const { width, nextAtMs } = this.#context.breaker;
    if (width === 0) at = Math.max(at, nextAtMs);
    if (at > now && at !== Number.POSITIVE_INFINITY)
      this.#wakeTimer = this.#context.clock.after(
        at - now,
        () => this.#run(),
        this.#lanes.some((lane) => lane.state === 'idle' && lane.hasWork),
      );
  }
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

export interface FlusherParts {
  readonly context: EngineContext & StoreWith<'lanes'>;
  readonly flush: FlushSettings;
  readonly watermarks: readonly Watermark[];
  readonly recovery: Recovery;
  readonly admission: Admission;
  /** How the generations of the cache's shape are read. */
  readonly pages: GenerationPages;
}
