import type { AckLevel } from '../../core/acks.ts';
import type { Position } from '../lanes/watermark.ts';
import { Batch } from '../writing/batch.ts';
import { Caller } from '../writing/caller.ts';

/** A write that was asked for. */
export class DocumentCaller extends Caller {
  /** JSON text, or a tombstone. */
  readonly slot: string;
  readonly ttlMs: number | undefined;

  constructor(
    key: string,
    slot: string,
    ttlMs: number | undefined,
    ack: AckLevel,
    resolve: Caller['resolve'],
    reject: Caller['reject'],
  ) {
    super(key, slot.length, ack, resolve, reject);
    this.slot = slot;
    this.ttlMs = ttlMs;
  }
}

/** Writes that go to the front in one step: distinct keys, the last slot of each, everybody who waits for them. */
export class DocumentBatch extends Batch<DocumentCaller> {
  readonly index = new Map<string, number>();
  keys: string[] = [];
  slots: string[] = [];
  ttls: Map<number, number> | undefined;
  /**
   * Keys that a later batch has written meanwhile, and where; undefined where it is not known whether it has. What this
   * batch holds of them must not be written any more.
   */
  #overtaken: Map<string, Position | undefined> | undefined;

  override get size(): number {
    return this.keys.length;
  }

  override overtakenBy(later: DocumentBatch, position: Position | undefined): void {
    const overtaken = (this.#overtaken ??= new Map());
    for (const key of later.keys) if (this.index.has(key)) overtaken.set(key, position ?? overtaken.get(key));
  }

  override takeOvertaken(): { readonly caller: DocumentCaller; readonly position: Position | undefined }[] {
    const overtaken = this.#overtaken;
    if (overtaken === undefined) return [];
    this.#overtaken = undefined;
    const callers = this.extract(({ key }) => overtaken.has(key));
    return callers.map((caller) => ({ caller, position: overtaken.get(caller.key) }));
  }

  protected override take({ key, slot, ttlMs }: DocumentCaller): void {
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

  protected override reset(): void {
    super.reset();
    this.index.clear();
    this.keys = [];
    this.slots = [];
    this.ttls = undefined;
  }
}
