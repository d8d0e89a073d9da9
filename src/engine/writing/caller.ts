import type { AckLevel } from '../../core/acks.ts';
import { aborted } from '../base/abort.ts';
import type { PendingReceipt } from '../lanes/receipt.ts';

/** What a mutation came to, where that is told: a total, or a weight. */
export type Told = bigint | number | undefined;

/**
 * One mutation that was asked for, until it is answered. What a shape has to say beside its key is added by the class
 * of the shape.
 */
export class Caller {
  readonly key: string;
  /** What it counts with while it waits, and what it is estimated to take of the front. */
  readonly bytes: number;
  readonly ack: AckLevel;
  readonly resolve: (receipt: PendingReceipt, told?: Told) => void;
  readonly reject: (error: unknown) => void;
  /** Undefined until it is asked for. */
  holder: Holder | undefined;
  /** Gave up after the mutation was sent: it is not sent again. */
  isGone = false;
  /** Until when it may wait for room, monotonic ms; set when it begins to wait. */
  waitsUntil: number | undefined;
  /** Until when it may wait for something to be loaded, monotonic ms; set when it begins to wait for that. */
  loadsUntil: number | undefined;

  constructor(key: string, bytes: number, ack: AckLevel, resolve: Caller['resolve'], reject: Caller['reject']) {
    this.key = key;
    this.bytes = bytes;
    this.ack = ack;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** The caller's signal was aborted: takes the mutation back if it was not sent yet, and says which it is. */
  abort(reason: unknown, cache: string): void {
    const isWithdrawn = this.holder?.remove(this) ?? true;
    this.isGone = true;
    this.reject(aborted(isWithdrawn, reason, cache, this.key));
  }
}

/** Where a mutation is kept until it is sent; `remove` takes it back, unless it is too late for that. */
export interface Holder {
  remove(caller: Caller): boolean;
}

/** Beside its key, what a mutation is estimated to take that is a number. */
export const NUMBER_BYTES = 24;

/** Asks for a mutation, and resolves as its caller does. A signal that is aborted before it was sent takes it back. */
export function askWithSignal<C extends Caller, T>(
  signal: AbortSignal,
  cache: string,
  make: (resolve: (answer: T) => void, reject: Caller['reject']) => C,
  send: (caller: C) => void,
): Promise<T> {
  let abort = (): void => undefined;
  return new Promise<T>((resolve, reject) => {
    const caller = make(resolve, reject);
    abort = () => caller.abort(signal.reason, cache);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    else send(caller);
  }).finally(() => signal.removeEventListener('abort', abort));
}
