import type { LaneHeader } from '../../core/lane.ts';
import { isMillraceError, MillraceError } from '../../errors.ts';
import type { Timer } from '../../ports/clock.ts';
import { StoreHeldBack } from '../base/breaker.ts';
import type { EngineContext } from '../base/context.ts';
import type { FlushSettings } from '../base/settings.ts';
import type { Watermark } from '../lanes/watermark.ts';
import type { FlushLane } from './flush-lane.ts';
import type { LetterRetry } from './letter-retry.ts';
import type { Recovery } from './recovery.ts';

/**
 * Which lanes this worker has. Takes the leases of lanes that nobody flushes, renews its own, finds out when another
 * worker took one, and looks now and then for what other processes wrote. A lease only avoids wasted work; who may
 * commit is decided by the epoch in the store.
 */
export class LaneLeases {
  readonly #context: EngineContext;
  readonly #flush: FlushSettings;
  readonly #lanes: readonly FlushLane[];
  readonly #watermarks: readonly Watermark[];
  readonly #recovery: Recovery;
  readonly #letters: LetterRetry;
  /** Called when there may be something to flush. */
  readonly #onWork: () => void;
  readonly #tickMs: number;
  #timer: Timer | undefined;
  #stopped = false;

  constructor({ context, flush, lanes, watermarks, recovery, letters, onWork }: LaneLeasesParts) {
    this.#context = context;
    this.#flush = flush;
    this.#lanes = lanes;
    this.#watermarks = watermarks;
    this.#recovery = recovery;
    this.#letters = letters;
    this.#onWork = onWork;
    // Often enough that what other processes write is seen within half its delay, and that a lease is kept.
    const pollMs = context.frontIsShared ? Math.min(500, Math.max(20, flush.maxDelayMs / 2)) : Number.POSITIVE_INFINITY;
    this.#tickMs = Math.min(flush.leaseMs / 3, pollMs);
  }

  /** Takes every lane that is free, and goes on looking after them until {@link stop}. */
  async start(): Promise<void> {
    this.#timer?.cancel();
    if (this.#stopped) return;
    await Promise.all(this.#lanes.map((lane) => this.#look(lane)));
    if (this.#stopped) return;
    this.#onWork();
    // A little apart from the other processes' looks.
    const delayMs = this.#tickMs * (0.8 + 0.4 * this.#context.random.fraction());
    this.#timer = this.#context.clock.after(delayMs, () => void this.start());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Gives the leases back, so that another worker need not wait for them to run out. */
  async release(): Promise<void> {
    const { front, owner } = this.#context;
    // A lease that cannot be given back runs out.
    await Promise.all(
      this.#lanes.filter((lane) => lane.isOurs).map((lane) => front.release(lane.index, owner).catch(() => undefined)),
    );
  }

  /** Makes a lane take writes again, and takes it over on the way unless a flush is under way. */
  async recover(lane: FlushLane): Promise<void> {
    if (lane.state === 'flushing' || lane.state === 'taking') await this.#recovery.ensure(lane.index);
    else if (!(await this.#context.front.header(lane.index)).current) await this.#take(lane);
    this.#onWork();
  }

  /** The lane is another worker's, or in need of recovery: a look decides, or the one that is under way. */
  disown(lane: FlushLane): void {
    // Late news of the epoch before: whatever took the lane away then, it is being taken again.
    if (lane.state === 'taking') return;
    lane.become('foreign');
    lane.renewedAt = Number.NEGATIVE_INFINITY;
    if (!this.#stopped) this.#context.clock.soon(() => void this.#look(lane).then(this.#onWork));
  }

  /** What a header tells of a lane that is ours. */
  learn(lane: FlushLane, header: LaneHeader): void {
    const { clock } = this.#context;
    if (header.epoch !== lane.epoch) this.lose(lane);
    else lane.learn(header, clock.now(), clock.monotonic(), this.#flush.maxDelayMs);
  }

  /** Another epoch was seen: not ours any more, unless a look finds otherwise. */
  lose(lane: FlushLane): void {
    if (lane.state === 'idle') lane.become('foreign');
    lane.renewedAt = Number.NEGATIVE_INFINITY;
  }

  /** Nothing of the lane can be stored until an operator acts; waiters are told, and it is tried again now and then. */
  stopLane(lane: FlushLane, error: MillraceError): void {
    const { clock, events, settings } = this.#context;
    lane.become('stopped');
    lane.lastError = error;
    lane.retryAt = clock.monotonic() + settings.retry.maxDelayMs;
    this.#watermark(lane).abandon(error);
    events.emit('stopped', { lane: lane.index, error });
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
          if (header !== undefined && current) this.learn(lane, header);
        }
        return;
      }
      if (this.#isCutOff(lane)) {
        const { header, current } = await front.header(lane.index);
        if (header === undefined || !current) return;
        this.#watermark(lane).observe(header);
        if (lane.state === 'idle') this.learn(lane, header);
        return;
      }
      const claimed = await front.claim(lane.index, owner, this.#flush.leaseMs);
      if (claimed.kind === 'unrecovered') {
        await this.#take(lane);
        return;
      }
      this.#watermark(lane).observe(claimed.header);
      if (!claimed.held) {
        if (lane.isOurs) this.lose(lane);
      } else if (lane.isOurs && claimed.header.epoch === lane.epoch) {
        lane.renewedAt = now;
        if (lane.state === 'idle') this.learn(lane, claimed.header);
      } else {
        await this.#take(lane);
      }
    } catch (error) {
      this.#report(lane, error);
    }
  }

  /**
   * Whether the store cannot be reached from here, so that leases are neither taken, because that needs a new epoch,
   * nor kept for longer than one runs: another worker may still reach the store.
   */
  #isCutOff(lane: FlushLane): boolean {
    const { breaker } = this.#context;
    return lane.isOurs ? breaker.downForMs > this.#flush.leaseMs : breaker.width === 0;
  }

  async #take(lane: FlushLane): Promise<void> {
    // A flush under way ends by itself: its fence does not match any more.
    if (lane.state === 'taking' || lane.state === 'flushing') return;
    lane.become('taking');
    try {
      const { header, isOurs } = await this.#recovery.recover(lane.index);
      if (isOurs) await this.#letters.taken(lane);
      lane.become(isOurs ? 'idle' : 'foreign');
      lane.epoch = header.epoch;
      lane.renewedAt = this.#context.clock.monotonic();
      lane.storedSeq = header.storedSeq;
      lane.isStoredSeqKnown = true;
      if (lane.state === 'idle') this.learn(lane, header);
    } catch (error) {
      lane.become('foreign');
      throw error;
    }
  }

  #report(lane: FlushLane, error: unknown): void {
    const fault = faultOf(error, this.#context.settings.name);
    lane.lastError = fault;
    // Whatever opened the breaker has been told of.
    if (error instanceof StoreHeldBack) return;
    if (fault.code === 'MILLRACE_LANE_STOPPED' || fault.code === 'MILLRACE_LANES') this.stopLane(lane, fault);
    else if (!this.#stopped) this.#context.events.emit('error', { error: fault });
  }

  #watermark(lane: FlushLane): Watermark {
    return this.#watermarks[lane.index] as Watermark;
  }
}

/** The error as it is reported; one that Millrace does not know is no reason to give up. */
export function faultOf(error: unknown, cache: string): MillraceError {
  if (isMillraceError(error)) return error;
  return new MillraceError(
    'MILLRACE_INTERNAL',
    'Something failed for a reason that Millrace does not know; it will be tried again.',
    { cache, cause: error },
  );
}

export interface LaneLeasesParts {
  readonly context: EngineContext;
  readonly flush: FlushSettings;
  readonly lanes: readonly FlushLane[];
  readonly watermarks: readonly Watermark[];
  readonly recovery: Recovery;
  readonly letters: LetterRetry;
  /** Called when there may be something to flush. */
  readonly onWork: () => void;
}
