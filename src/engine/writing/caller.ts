import type { AckLevel } from '../../core/acks.ts';
import { aborted } from '../base/abort.ts';

/** Where a write is kept until it is sent; `remove` takes it back, unless it is too late for that. */
export interface Holder<C> {
  remove(caller: C): boolean;
}

/** One write that was asked for, until it is answered. */
export class Caller<T> {
  readonly key: string;
  readonly slot: string;
  readonly ttlMs: number | undefined;
  readonly ack: AckLevel;
  readonly resolve: (answer: T) => void;
  readonly reject: (error: unknown) => void;
  /** Undefined until it is asked for. */
  holder: Holder<Caller<T>> | undefined;
  /** Gave up after the write was sent: it is not sent again. */
  isGone = false;
  /** Until when it may wait for room, monotonic ms; set when it begins to wait. */
  waitsUntil: number | undefined;

  constructor(
    key: string,
    slot: string,
    ttlMs: number | undefined,
    ack: AckLevel,
    resolve: (answer: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.key = key;
    this.slot = slot;
    this.ttlMs = ttlMs;
    this.ack = ack;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** The caller's signal was aborted: takes the write back if it was not sent yet, and says which it is. */
  abort(reason: unknown, cache: string): void {
    const isWithdrawn = this.holder?.remove(this) ?? true;
    this.isGone = true;
    this.reject(aborted(isWithdrawn, reason, cache, this.key));
  }
}
