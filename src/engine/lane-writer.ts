import type { WriteResult } from '../core/lane-write.ts';
import { isSyncLevel, type AckLevel, type SyncLevel } from '../core/acks.ts';
import { MillraceError } from '../errors.ts';
import type { Admission, Allowance } from './admission.ts';
import type { EngineContext } from './context.ts';
import { PendingReceipt, type Progress } from './receipt.ts';
import type { Position, Watermark } from './watermark.ts';
import { WRITE_BYTES_MAX, WRITE_KEYS_MAX, WRITES_IN_FLIGHT_MAX } from './settings.ts';

/** What a writer asks of the rest of the engine. */
export interface WriterHooks extends Progress {
  /** A batch was accepted; `pending` keys wait in the lane. Called before the callers learn of it. */
  accepted(lane: number, result: Extract<WriteResult, { kind: 'accepted' }>): void;
  /** A write was given an epoch that no header was seen of: something may have been lost before it. */
  newEpoch(lane: number): void;
  /** The lane must be recovered before it takes writes; resolves when it has been. */
  recover(lane: number): Promise<void>;
  /** The buffer is full; resolves when there may be room again. */
  waitForRoom(): Promise<void>;
  /** Looks at all lanes: others may have flushed them. */
  refreshOccupancy(): Promise<void>;
}

interface Caller {
  readonly key: string;
  readonly ack: AckLevel;
  resolve(receipt: PendingReceipt): void;
  reject(error: unknown): void;
}

/** Writes that go to the front in one step: distinct keys, the last slot of each, everybody who waits for them. */
class Collected {
  readonly index = new Map<string, number>();
  readonly keys: string[] = [];
  readonly slots: string[] = [];
  ttls: Map<number, number> | undefined;
  bytes = 0;
  readonly callers: Caller[] = [];
  /** Place in the lane's order. */
  readonly order: number;
  /** Sent at least once: takes no more writes, which would overtake those sent since. */
  closed = false;
  /** Refused for want of room, after which all lanes were looked at. */
  wasFull = false;
  /** Keys that a later batch has written meanwhile: what this batch holds of them must not be written any more. */
  superseded: Map<string, Position> | undefined;

  constructor(order: number) {
    this.order = order;
  }

  put(key: string, slot: string, ttlMs: number | undefined): void {
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

/**
 * Sends one lane's writes to the front: all that wait go in one step, two steps are under way at the most. Writes
 * of a key take effect in the order in which they were asked for, also when a step has to be repeated.
 */
export class LaneWriter {
  readonly #context: EngineContext;
  readonly #lane: number;
  readonly #watermark: Watermark;
  readonly #admission: Admission;
  readonly #hooks: WriterHooks;
  /** Batches to be sent, oldest first; only the last takes more writes. */
  readonly #queue: Collected[] = [];
  readonly #inFlight = new Set<Collected>();
  #wakeUpSet = false;
  #nextOrder = 0;
  /** Batches that wait to be repeated: nothing may overtake them. */
  #held = 0;
  #idle: (() => void)[] = [];
  /** Who waits for the next answer of the front. */
  #answered: (() => void)[] = [];

  constructor(context: EngineContext, lane: number, watermark: Watermark, admission: Admission, hooks: WriterHooks) {
    this.#context = context;
    this.#lane = lane;
    this.#watermark = watermark;
    this.#admission = admission;
    this.#hooks = hooks;
  }

  /** Resolves with the write's receipt when the front has acknowledged it at `ack` (`stored` counts as `buffered`). */
  write(key: string, slot: string, ttlMs: number | undefined, ack: AckLevel): Promise<PendingReceipt> {
    return new Promise<PendingReceipt>((resolve, reject) => {
      const batch = this.#open(slot.length);
      batch.put(key, slot, ttlMs);
      batch.callers.push({ key, ack, resolve, reject });
      this.#wakeUp();
    });
  }

  /** Whether a step is on its way to the front. */
  get isBusy(): boolean {
    return this.#inFlight.size > 0;
  }

  /** Resolves when every write that was asked for before the call has been answered. */
  idle(): Promise<void> {
    if (this.#queue.length === 0 && this.#inFlight.size === 0 && this.#held === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #open(bytes: number): Collected {
    let batch = this.#queue.at(-1);
    if (batch === undefined || batch.keys.length >= this.#keysMax || batch.bytes + bytes > WRITE_BYTES_MAX || batch.closed) {
      this.#queue.push((batch = new Collected(this.#nextOrder++)));
    }
    return batch;
  }

  /** A batch larger than the whole buffer could never be accepted. */
  get #keysMax(): number {
    return Math.min(WRITE_KEYS_MAX, this.#context.settings.backpressure.maxEntries);
  }

  #wakeUp(): void {
    if (this.#wakeUpSet || this.#held > 0 || this.#inFlight.size >= WRITES_IN_FLIGHT_MAX) return;
    this.#wakeUpSet = true;
    this.#context.clock.soon(() => {
      this.#wakeUpSet = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#held === 0 && this.#inFlight.size < WRITES_IN_FLIGHT_MAX) {
      const batch = this.#queue[0];
      if (batch === undefined) break;
      const allowance = this.#admission.begin(this.#lane, batch.keys.length, batch.bytes, () => this.#pump());
      if (allowance === undefined) break;
      this.#queue.shift();
      batch.closed = true;
      this.#inFlight.add(batch);
      void this.#send(batch, allowance);
    }
    if (this.#queue.length === 0 && this.#inFlight.size === 0 && this.#held === 0 && this.#idle.length > 0) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
  }

  /** The front has answered. */
  #leave(batch: Collected): void {
    this.#inFlight.delete(batch);
    const answered = this.#answered;
    this.#answered = [];
    for (const resolve of answered) resolve();
  }

  async #send(batch: Collected, { maxEntries, maxBytes }: Allowance): Promise<void> {
    const { keys, slots, ttls, bytes } = batch;
    let result: WriteResult;
    try {
      result = await this.#context.front.write(this.#lane, { accepted: batch.callers.length, keys, slots, ttls, bytes, maxEntries, maxBytes });
    } catch (error) {
      this.#leave(batch);
      this.#admission.end(keys.length, bytes);
      // Not sent again: the front may have it, and a late repetition could undo a newer write of another process.
      for (const caller of batch.callers) caller.reject(error);
      this.#pump();
      return;
    }
    if (result.kind === 'accepted') this.#watermark.occupied(result, result.entries, result.bytes);
    this.#admission.end(keys.length, bytes);
    if (result.kind === 'accepted') this.#accepted(batch, result);
    else await this.#refused(batch, result);
  }

  #accepted(batch: Collected, result: Extract<WriteResult, { kind: 'accepted' }>): void {
    const { counts } = this.#context;
    this.#leave(batch);
    counts.accepted += batch.callers.length;
    if (this.#watermark.gave(result.epoch, result.seq)) this.#hooks.newEpoch(this.#lane);
    // The flusher hears of it first: a cut that it asks for now comes before any write that a caller makes next.
    this.#hooks.accepted(this.#lane, result);
    this.#supersede(batch, { lane: this.#lane, epoch: result.epoch, seq: result.seq });

    const firstSeq = result.seq - batch.callers.length + 1;
    this.#answer(batch.callers, firstSeq, 1, { lane: this.#lane, epoch: result.epoch, seq: result.seq });
    this.#pump();
  }

  /** Resolves callers at positions that rise by `step`: at once, or when the front holds `last` at the level that they ask for. */
  #answer(callers: readonly Caller[], firstSeq: number, step: 0 | 1, last: Position): void {
    const resolve = (caller: Caller, i: number): void => caller.resolve(new PendingReceipt(this.#hooks, caller.key, this.#lane, last.epoch, firstSeq + i * step));
    const levels = new Set<SyncLevel>();
    callers.forEach((caller, i) => {
      if (isSyncLevel(caller.ack)) levels.add(caller.ack);
      else resolve(caller, i);
    });
    // Each level by itself: what is not confirmed at one is none of the others' business.
    for (const level of levels) {
      const each = (answer: (caller: Caller, i: number) => void): void => callers.forEach((caller, i) => caller.ack === level && answer(caller, i));
      this.#sync(level, last).then(
        () => each(resolve),
        (error: unknown) => each((caller) => caller.reject(error)),
      );
    }
  }

  /** A front that was restarted since the write confirms what it has, which may not be the write. */
  async #sync(level: SyncLevel, last: Position): Promise<void> {
    const { front, settings } = this.#context;
    await front.sync(level, this.#lane);
    const { header, current } = await front.header(this.#lane);
    if (header !== undefined && current) {
      this.#watermark.observe(header);
      if (this.#watermark.survived(last)) return;
    }
    throw new MillraceError('MILLRACE_LOST', `The front was restarted before it could confirm the write as '${level}'. The write may be lost; write it again.`, { cache: settings.name, lane: this.#lane });
  }

  /** Batches that were sent earlier and have to be repeated must not write these keys again. */
  #supersede(batch: Collected, position: Position): void {
    if (this.#held === 0) return;
    for (const earlier of this.#queue) {
      if (earlier.order >= batch.order) continue;
      for (const key of batch.keys) if (earlier.index.has(key)) (earlier.superseded ??= new Map()).set(key, position);
    }
  }

  async #refused(batch: Collected, result: Exclude<WriteResult, { kind: 'accepted' }>): Promise<void> {
    const { settings, counts } = this.#context;
    if (result.kind === 'stopped') {
      this.#leave(batch);
      const error = new MillraceError('MILLRACE_LANE_STOPPED', `Lane ${this.#lane} takes no writes: ${result.reason}.`, { cache: settings.name, lane: this.#lane });
      for (const caller of batch.callers) caller.reject(error);
      this.#pump();
      return;
    }
    if (result.kind === 'full' && settings.backpressure.onFull === 'reject' && batch.keys.length === 1 && batch.wasFull) {
      this.#leave(batch);
      counts.refused += batch.callers.length;
      const { maxEntries, maxBytes } = settings.backpressure;
      const message = `The buffer is full: ${maxEntries} entries or about ${maxBytes} bytes are pending. Slow down, raise backpressure.maxEntries or maxBytes, or use onFull: 'wait'.`;
      for (const caller of batch.callers) caller.reject(new MillraceError('MILLRACE_FULL', message, { cache: settings.name, key: caller.key, lane: this.#lane }));
      this.#pump();
      return;
    }
    await this.#repeat(batch, result);
  }

  /** Holds the lane until the batch can be sent again, in its place before all later ones. */
  async #repeat(batch: Collected, result: Extract<WriteResult, { kind: 'full' | 'unrecovered' }>): Promise<void> {
    this.#held++;
    this.#leave(batch);
    const at = this.#queue.findIndex((other) => other.order > batch.order);
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, batch);
    let failure: { readonly error: unknown } | undefined;
    try {
      if (result.kind === 'unrecovered') await this.#hooks.recover(this.#lane);
      else if (batch.wasFull && batch.keys.length === 1) await this.#hooks.waitForRoom();
      else if (!batch.wasFull) await this.#hooks.refreshOccupancy();
      // What was sent after it is answered before it is repeated, and may have replaced some of its keys.
      while (this.#inFlight.size > 0) await new Promise<void>((resolve) => this.#answered.push(resolve));
    } catch (error) {
      failure = { error };
    }
    batch.wasFull ||= result.kind === 'full';
    const parts = failure === undefined ? this.#split(batch, batch.wasFull) : [];
    if (failure !== undefined) for (const caller of batch.callers) caller.reject(failure.error);
    this.#queue.splice(this.#queue.indexOf(batch), 1, ...parts);
    this.#held--;
    this.#pump();
  }

  /** The batch without its superseded keys, in halves where it did not fit as a whole: what fits goes through. */
  #split(batch: Collected, inHalves: boolean): Collected[] {
    const keys = batch.keys.filter((key) => batch.superseded?.has(key) !== true);
    for (const caller of batch.callers) {
      const position = batch.superseded?.get(caller.key);
      if (position !== undefined) this.#answer([caller], position.seq, 0, position);
    }
    const middle = inHalves && keys.length > 1 ? Math.ceil(keys.length / 2) : keys.length;
    return [keys.slice(0, middle), keys.slice(middle)].filter((part) => part.length > 0).map((part) => {
      const half = new Collected(batch.order);
      half.closed = true;
      half.wasFull = batch.wasFull;
      for (const key of part) {
        const i = batch.index.get(key) as number;
        half.put(key, batch.slots[i] as string, batch.ttls?.get(i));
      }
      half.callers.push(...batch.callers.filter((caller) => half.index.has(caller.key)));
      return half;
    });
  }
}
