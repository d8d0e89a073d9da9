import type { PendingReceipt } from '../lanes/receipt.ts';
import type { Position } from '../lanes/watermark.ts';
import type { Caller, Holder } from './caller.ts';

export type Writer = Caller<PendingReceipt>;

/** Writes that go to the front in one step: distinct keys, the last slot of each, everybody who waits for them. */
export class Collected implements Holder<Writer> {
  readonly index = new Map<string, number>();
  keys: string[] = [];
  slots: string[] = [];
  ttls: Map<number, number> | undefined;
  bytes = 0;
  callers: Writer[] = [];
  /** Place in the lane's order. */
  readonly order: number;
  /** Takes no more writes, which would overtake those of later batches. */
  closed = false;
  /** On its way to the front. */
  sent = false;
  /** Goes beyond the capacity, and is answered when it is stored. */
  isThrough = false;
  /** Refused for want of room, after which all lanes were looked at. */
  wasFull = false;
  /** Keys for which the front had no room. */
  withoutRoom: { readonly keys: ReadonlySet<string>; readonly outOfMemory: boolean } | undefined;
  /**
   * Keys that a later batch has written meanwhile, and where; undefined where it is not known whether it has. What this batch holds of
   * them must not be written any more.
   */
  superseded: Map<string, Position | undefined> | undefined;
  /** Of writes that had waited for room: their keys that do not wait again, and who is told when all are seen to. */
  waited: { readonly keys: Set<string>; readonly done: () => void } | undefined;

  constructor(order: number) {
    this.order = order;
  }

  put(caller: Writer): void {
    this.callers.push(caller);
    caller.holder = this;
    this.#take(caller);
  }

  /** False when it is on its way. */
  remove(caller: Writer): boolean {
    if (this.sent || !this.callers.includes(caller)) return false;
    this.#keep((other) => other !== caller);
    return true;
  }

  /** Takes out, and returns, who writes these keys. */
  extract(keys: ReadonlySet<string>): Writer[] {
    const extracted = this.callers.filter(({ key }) => keys.has(key));
    if (extracted.length > 0) this.#keep(({ key }) => !keys.has(key));
    return extracted;
  }

  /** Forgets who gave up while the batch was under way. */
  dropGone(): void {
    if (this.callers.some(({ isGone }) => isGone)) this.#keep(({ isGone }) => !isGone);
  }

  #keep(isKept: (caller: Writer) => boolean): void {
    this.callers = this.callers.filter(isKept);
    this.index.clear();
    this.keys = [];
    this.slots = [];
    this.ttls = undefined;
    this.bytes = 0;
    for (const caller of this.callers) this.#take(caller);
  }

  #take({ key, slot, ttlMs }: Writer): void {
    let i = this.index.get(key);
    if (i === undefined) {
      i = this.keys.length;
      this.index.set(key, i);
      this.keys.push(key);
      this.slots.push(slot);
      this.bytes += slot.length;
    } else {
      this.bytes += slot.length - (this.slots[i] as string).length;
      this.slots[i] = slot;
      this.ttls?.delete(i);
    }
    if (ttlMs !== undefined) (this.ttls ??= new Map()).set(i, ttlMs);
  }
}
