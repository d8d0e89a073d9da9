import type { Position } from '../lanes/watermark.ts';
import type { Caller, Holder } from './caller.ts';

/** Mutations that go to the front in one step, in the order in which they were asked for, with who waits for them. */
export class Batch<C extends Caller> implements Holder {
  callers: C[] = [];
  bytes = 0;
  /** Place in the lane's order. */
  readonly order: number;
  /** Takes no more mutations, which would overtake those of later batches. */
  isClosed = false;
  /** On its way to the front. */
  isSent = false;
  /** Goes beyond the capacity, and is answered when it is stored. */
  isThrough = false;
  /** Refused for want of room, after which all lanes were looked at. */
  wasFull = false;
  /** What had no room was taken out of it: the rest takes room before those who wait for it, and comes before them. */
  fits = false;
  /** For whom the front had no room. */
  withoutRoom: { readonly callers: ReadonlySet<C>; readonly outOfMemory: boolean } | undefined;
  /** Of mutations that had waited for room: those that need it still, and who is told when all are seen to. */
  waited: { readonly refused: C[]; readonly done: (refused: readonly C[], isTaken: boolean) => void } | undefined;

  constructor(order: number) {
    this.order = order;
  }

  /** How large it is, of the {@link Steps.sizeMax} that one step takes. */
  get size(): number {
    return this.callers.length;
  }

  put(caller: C): void {
    this.callers.push(caller);
    caller.holder = this;
    this.take(caller);
  }

  /** False when it is on its way. */
  remove(caller: Caller): boolean {
    if (this.isSent || !this.callers.includes(caller as C)) return false;
    this.#keep((other) => other !== caller);
    return true;
  }

  /** Takes out, and returns, those of whom it is so. */
  extract(is: (caller: C) => boolean): C[] {
    const extracted = this.callers.filter(is);
    if (extracted.length > 0) this.#keep((caller) => !is(caller));
    return extracted;
  }

  /** Forgets who gave up while the batch was under way. */
  dropGone(): void {
    if (this.callers.some(({ isGone }) => isGone)) this.#keep(({ isGone }) => !isGone);
  }

  /**
   * A later batch of the lane was answered, at `position`; undefined where it is not known whether it has taken effect.
   */
  overtakenBy(_later: Batch<C>, _position: Position | undefined): void {
    // Mutations that are added, or of which one step is under way at a time, cannot be overtaken.
  }

  /** Takes out whoever must not be sent again, because a later batch was answered; and where that took effect. */
  takeOvertaken(): { readonly caller: C; readonly position: Position | undefined }[] {
    return [];
  }

  #keep(isKept: (caller: C) => boolean): void {
    this.callers = this.callers.filter(isKept);
    this.reset();
    for (const caller of this.callers) this.take(caller);
  }

  /** Counts one more. */
  protected take({ bytes }: C): void {
    this.bytes += bytes;
  }

  /** Counts from the beginning. */
  protected reset(): void {
    this.bytes = 0;
  }
}
