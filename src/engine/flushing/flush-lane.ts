import type { Flight, LaneHeader } from '../../core/lane.ts';
import type { MillraceError } from '../../errors.ts';

/**
 * A lane as its flusher sees it.
 *
 * ```
 * foreign ──claim won──▶ taking ──recovered──▶ idle ──due──▶ flushing ──stored──▶ idle
 *    ▲                     │                    ▲              │ transient fault: idle, with `retryAt`
 *    └──── lost / failed ──┘                    └──────────────┤
 *    ▲                                                         │ fence or front says another has it
 *    └─────────────────────────────────────────────────────────┘
 * any ──needs an operator──▶ stopped ──resume or retry──▶ foreign
 * ```
 */
export type FlushLaneState = 'foreign' | 'taking' | 'idle' | 'flushing' | 'stopped';

const TRANSITIONS: Readonly<Record<FlushLaneState, readonly FlushLaneState[]>> = {
  foreign: ['taking', 'stopped'],
  taking: ['idle', 'foreign', 'stopped'],
  idle: ['flushing', 'taking', 'foreign', 'stopped'],
  flushing: ['idle', 'foreign', 'stopped'],
  stopped: ['foreign', 'taking'],
};

/** What its flusher knows of a lane's letters. */
export interface LaneLetters {
  /** Whether there may be any. */
  any: boolean;
  /** Monotonic ms at which they are to be looked at. */
  dueAt: number;
  /** Ids of those that are being tried, and of those whose last try was not answered while they waited. */
  unknown: readonly string[];
  /** Keys that a retry stored and the front has yet to forget. */
  readonly stale: string[];
}

export class FlushLane {
  readonly index: number;
  #state: FlushLaneState = 'foreign';
  /** Rises with each flush. */
  turn = 0;
  /** The epoch under which this worker has the lane. */
  epoch = 0;
  /** Keys known to be pending. */
  pending = 0;
  /** A generation is cut and not yet cleaned up. */
  hasFlight = false;
  storedSeq = 0;
  /** False while an acknowledgement has not been answered: the front may have cleaned more than `storedSeq` says. */
  isStoredSeqKnown = true;
  /** Monotonic ms at which the oldest pending mutation is due; Infinity when nothing is. */
  dueAt = Number.POSITIVE_INFINITY;
  /** Somebody waits: due now. */
  urgent = false;
  /** Not to be flushed before this monotonic time. */
  retryAt = 0;
  /** Failures in a row. */
  failures = 0;
  /** When the lease was last taken or renewed, monotonic ms. */
  renewedAt = Number.NEGATIVE_INFINITY;
  lastError: MillraceError | undefined;
  letters: LaneLetters = { any: false, dueAt: Number.POSITIVE_INFINITY, unknown: [], stale: [] };

  constructor(index: number) {
    this.index = index;
  }

  get state(): FlushLaneState {
    return this.#state;
  }

  get isOurs(): boolean {
    return this.#state === 'idle' || this.#state === 'flushing';
  }

  become(next: FlushLaneState): void {
    if (this.#state === next) return;
    if (!TRANSITIONS[this.#state].includes(next))
      throw new Error(`lane ${this.index}: ${this.#state} cannot become ${next}`);
    this.#state = next;
    if (next === 'flushing') this.turn++;
  }

  /** Takes over what a header tells of the work to do. */
  learn(header: LaneHeader, nowMs: number, nowMonotonic: number, maxDelayMs: number): void {
    this.storedSeq = Math.max(this.storedSeq, header.storedSeq);
    this.hasFlight = header.flight !== undefined;
    this.pending = header.pendingEntries;
    if (header.pendingEntries > 0) {
      // The front's clock may differ from ours: an age is believed only between zero and the longest delay.
      const ageMs = Math.min(maxDelayMs, Math.max(0, nowMs - header.pendingSinceMs));
      this.dueAt = Math.min(this.dueAt, nowMonotonic + maxDelayMs - ageMs);
    }
    if (header.flushSeq > header.storedSeq && (this.pending > 0 || this.hasFlight)) this.urgent = true;
  }

  /** Something is pending, or left over. */
  get hasWork(): boolean {
    return this.pending > 0 || this.hasFlight;
  }

  /** Whether it may be flushed at all now. */
  isReady(nowMonotonic: number): boolean {
    return (
      this.#state === 'idle' && (this.hasWork || this.letters.dueAt <= nowMonotonic) && this.retryAt <= nowMonotonic
    );
  }

  isDue(nowMonotonic: number): boolean {
    return this.urgent || this.hasFlight || Math.min(this.dueAt, this.letters.dueAt) <= nowMonotonic;
  }

  /** Monotonic ms at which it wants to be flushed next; Infinity when nothing is to do, or something is under way. */
  wantedAt(nowMonotonic: number): number {
    if (this.#state !== 'idle') return Number.POSITIVE_INFINITY;
    const flushAt = this.hasWork ? (this.isDue(nowMonotonic) ? nowMonotonic : this.dueAt) : Number.POSITIVE_INFINITY;
    return Math.max(this.retryAt, Math.min(flushAt, this.letters.dueAt));
  }

  /** Letters were written, or redriven: they are looked at after the next generation. */
  lettersChanged(nowMonotonic: number): void {
    this.letters.any = true;
    this.letters.dueAt = nowMonotonic;
  }

  /** Everything that was pending is in the flight now. */
  wasCut(): void {
    this.pending = 0;
    this.dueAt = Number.POSITIVE_INFINITY;
    this.urgent = false;
    this.hasFlight = true;
  }
}

/** A lane with the generation that it brings into a flush. */
export interface Cut {
  readonly lane: FlushLane;
  readonly flight: Flight;
}
