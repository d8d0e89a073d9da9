import type { AckLevel } from '../../core/acks.ts';
import type { Accepted } from '../../core/lane.ts';
import type { WriteResult } from '../../core/lane-write.ts';
import { MillraceError } from '../../errors.ts';
import type { EngineContext } from '../base/context.ts';
import { WRITE_BYTES_MAX, WRITE_KEYS_MAX, WRITES_IN_FLIGHT_MAX } from '../base/settings.ts';
import type { Admission, Admitted } from '../lanes/admission.ts';
import type { PendingReceipt } from '../lanes/receipt.ts';
import type { Position, Watermark } from '../lanes/watermark.ts';
import { LaneAnswers } from './answers.ts';
import { Collected, type Writer } from './batch.ts';
import { Caller } from './caller.ts';
import type { WaitingRoom } from './waiting-room.ts';
import type { WriterHooks } from './writer-hooks.ts';

type Repeated = Extract<WriteResult, { kind: 'full' | 'unrecovered' }>;

/**
 * Sends one lane's writes to the front: all that wait go in one step, two steps are under way at the most. Writes
 * of a key take effect in the order in which they were asked for, also when a step has to be repeated. What has no room
 * in the front is left in the waiting room, or refused; what needs none passes.
 */
export class LaneWriter {
  readonly #context: EngineContext;
  readonly #lane: number;
  readonly #watermark: Watermark;
  readonly #admission: Admission;
  readonly #room: WaitingRoom;
  readonly #hooks: WriterHooks;
  readonly #answers: LaneAnswers;
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

  constructor(
    context: EngineContext,
    lane: number,
    watermark: Watermark,
    admission: Admission,
    room: WaitingRoom,
    hooks: WriterHooks,
  ) {
    this.#context = context;
    this.#lane = lane;
    this.#watermark = watermark;
    this.#admission = admission;
    this.#room = room;
    this.#hooks = hooks;
    this.#answers = new LaneAnswers(context, lane, watermark, hooks);
  }

  /**
   * Resolves with the write's receipt when the front has acknowledged it at `ack` (`stored` counts as `buffered`). A
   * signal that is aborted before the write was sent takes it back.
   */
  write(
    key: string,
    slot: string,
    ttlMs: number | undefined,
    ack: AckLevel,
    signal?: AbortSignal,
  ): Promise<PendingReceipt> {
    if (signal !== undefined) return this.#writeWithSignal(key, slot, ttlMs, ack, signal);
    return new Promise((resolve, reject) => this.ask(new Caller(key, slot, ttlMs, ack, resolve, reject)));
  }

  async #writeWithSignal(
    key: string,
    slot: string,
    ttlMs: number | undefined,
    ack: AckLevel,
    signal: AbortSignal,
  ): Promise<PendingReceipt> {
    let abort = (): void => undefined;
    try {
      return await new Promise((resolve, reject) => {
        const writer: Writer = new Caller(key, slot, ttlMs, ack, resolve, reject);
        abort = () => writer.abort(signal.reason, this.#context.settings.name);
        signal.addEventListener('abort', abort);
        if (signal.aborted) abort();
        else this.ask(writer);
      });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Sends a write with the next step, unless one of its key waits for room. */
  ask(writer: Writer): void {
    if (!this.#room.isEmpty && this.#room.join(writer)) return;
    this.#open(writer.slot.length).put(writer);
    this.#wakeUp();
  }

  /** Sends writes that waited for room; resolves when they are answered, or refused again. */
  resume(writers: readonly Writer[]): Promise<void> {
    return new Promise((resolve) => {
      const batch = new Collected(this.#nextOrder++);
      for (const writer of writers) batch.put(writer);
      batch.closed = true;
      batch.waited = { keys: new Set(batch.keys), done: resolve };
      this.#queue.unshift(batch);
      this.#pump();
    });
  }

  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#inFlight.size === 0 && this.#held === 0;
  }

  /** Resolves when every write that was asked for before the call has been answered, or waits for room. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #open(bytes: number): Collected {
    let batch = this.#queue.at(-1);
    if (
      batch === undefined ||
      batch.keys.length >= this.#keysMax ||
      batch.bytes + bytes > WRITE_BYTES_MAX ||
      batch.closed
    ) {
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
    const isLone = (): boolean => this.#queue.length === 1 && this.#queue[0]?.callers.length === 1;
    this.#context.sendTurns.collect(this.#admission.isQuiet, isLone, () => {
      this.#wakeUpSet = false;
      return this.#pump();
    });
  }

  #goOn(): void {
    this.#context.sendTurns.answered(() => this.#pump());
  }

  /** Gives how many keys it sent. */
  #pump(): number {
    let sent = 0;
    while (this.#held === 0 && this.#inFlight.size < WRITES_IN_FLIGHT_MAX) {
      const batch = this.#queue[0];
      if (batch === undefined) break;
      if (batch.callers.length === 0) {
        this.#queue.shift();
        this.#settle(batch);
        continue;
      }
      const admitted = this.#admit(batch);
      if (admitted === undefined) break;
      this.#queue.shift();
      batch.closed = true;
      batch.sent = true;
      this.#inFlight.add(batch);
      sent += batch.keys.length;
      void this.#send(batch, admitted);
    }
    if (this.isIdle && this.#idle.length > 0) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
    return sent;
  }

  #admit(batch: Collected): Admitted | undefined {
    // Who comes later takes no room before those who wait for it.
    if (batch.waited === undefined && !this.#room.isEmpty) return this.#admission.beginWithoutRoom();
    const again = (): void => void this.#pump();
    if (batch.isThrough) return this.#admission.beginBeyond(this.#lane, batch.keys.length, batch.bytes, again);
    return this.#admission.begin(this.#lane, batch.keys.length, batch.bytes, again);
  }

  /** The front has answered. */
  #leave(batch: Collected): void {
    this.#inFlight.delete(batch);
    const answered = this.#answered;
    this.#answered = [];
    for (const resolve of answered) resolve();
  }

  async #send(batch: Collected, admitted: Admitted): Promise<void> {
    const { keys, slots, ttls } = batch;
    const { maxEntries, maxBytes } = admitted;
    let result: WriteResult;
    try {
      result = await this.#context.front.write(this.#lane, {
        accepted: batch.callers.length,
        keys,
        slots,
        ttls,
        maxEntries,
        maxBytes,
      });
    } catch (error) {
      this.#leave(batch);
      this.#admission.end(admitted);
      // Not sent again: the front may have it, and a late repetition could undo a newer write of another process.
      this.#supersede(batch, undefined);
      this.#fail(batch, error);
      this.#goOn();
      return;
    }
    if (result.kind === 'accepted') this.#watermark.occupied(result, result.entries, result.bytes);
    this.#admission.end(admitted);
    if (result.kind === 'accepted') this.#accepted(batch, result);
    else if (result.kind === 'stopped') {
      this.#leave(batch);
      this.#fail(
        batch,
        new MillraceError('MILLRACE_LANE_STOPPED', `Lane ${this.#lane} takes no writes: ${result.reason}.`, {
          cache: this.#context.settings.name,
          lane: this.#lane,
        }),
      );
      this.#goOn();
    } else await this.#repeat(batch, result, admitted.maxEntries === 0 && admitted.maxBytes === 0);
  }

  #fail(batch: Collected, error: unknown): void {
    for (const caller of batch.callers) caller.reject(error);
    this.#settle(batch);
  }

  #accepted(batch: Collected, result: Accepted): void {
    const { counts } = this.#context;
    this.#leave(batch);
    counts.accepted += batch.callers.length;
    if (this.#watermark.gave(result.epoch, result.seq, batch.callers.length)) this.#hooks.newEpoch(this.#lane);
    // The flusher hears of it first: a cut that it asks for now comes before any write that a caller makes next.
    this.#hooks.accepted(this.#lane, result);
    this.#supersede(batch, { lane: this.#lane, epoch: result.epoch, seq: result.seq });

    // Who wrote a key behind one of these comes next, and before whoever writes it in answer to them.
    this.#settle(batch);
    this.#answers.accepted(batch, result);
    this.#goOn();
  }

  /** Batches that were sent earlier and have to be repeated must not write these keys again. Without a position the front may have them or not. */
  #supersede(batch: Collected, position: Position | undefined): void {
    if (this.#held === 0) return;
    for (const earlier of this.#queue) {
      if (earlier.order >= batch.order) continue;
      const superseded = (earlier.superseded ??= new Map());
      for (const key of batch.keys) if (earlier.index.has(key)) superseded.set(key, position ?? superseded.get(key));
    }
  }

  /** Holds the lane until the batch can be sent again, in its place before all later ones. Nothing of it was written. */
  async #repeat(batch: Collected, result: Repeated, wasWithoutRoom: boolean): Promise<void> {
    this.#held++;
    this.#leave(batch);
    const keys =
      result.kind === 'full' ? new Set(result.refused.map((i) => batch.keys[i] as string)) : new Set<string>();
    batch.sent = false;
    batch.dropGone();
    const at = this.#queue.findIndex((other) => other.order > batch.order);
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, batch);
    let failure: { readonly error: unknown } | undefined;
    try {
      if (result.kind === 'unrecovered') await this.#hooks.recover(this.#lane);
      else if (!batch.wasFull && !wasWithoutRoom) await this.#hooks.refreshOccupancy();
      // What was sent after it is answered before it is repeated, and may have replaced some of its keys.
      while (this.#inFlight.size > 0) await new Promise<void>((resolve) => this.#answered.push(resolve));
    } catch (error) {
      failure = { error };
    }
    this.#answers.superseded(batch);
    if (failure !== undefined) {
      this.#queue.splice(this.#queue.indexOf(batch), 1);
      this.#fail(batch, failure.error);
    } else if (result.kind === 'full') {
      if (batch.wasFull || wasWithoutRoom) batch.withoutRoom = { keys, outOfMemory: result.outOfMemory === true };
      batch.wasFull = true;
    }
    if (--this.#held > 0) return;
    // In the order of the lane, whichever was answered first.
    for (const each of this.#queue.slice())
      if (each.withoutRoom !== undefined) this.#leaveWhatHasNoRoom(each, each.withoutRoom);
    this.#pump();
  }

  /** The rest of the batch fits. */
  #leaveWhatHasNoRoom(batch: Collected, { keys, outOfMemory }: NonNullable<Collected['withoutRoom']>): void {
    const { settings, counts } = this.#context;
    batch.withoutRoom = undefined;
    const writers = batch.extract(keys);
    if (batch.waited !== undefined) {
      for (const key of keys) batch.waited.keys.delete(key);
      this.#room.refused(keys, outOfMemory);
    } else if (settings.backpressure.onFull === 'reject') {
      counts.refused += writers.length;
      for (const writer of writers) writer.reject(this.#room.full(this.#lane, writer.key, outOfMemory, undefined));
    } else if (
      settings.backpressure.onFull === 'write-through' &&
      !batch.isThrough &&
      !outOfMemory &&
      this.#room.isEmpty
    ) {
      // Goes again in its place, beyond the capacity.
      const through = new Collected(batch.order);
      for (const writer of writers) through.put(writer);
      through.closed = true;
      through.wasFull = true;
      through.isThrough = true;
      this.#queue.splice(this.#queue.indexOf(batch), 0, through);
    } else {
      // Whoever writes these keys waits with them in the lane's order: later ones would overtake them, and earlier ones that are
      // left without room at their next attempt would come behind them.
      const others = this.#queue.map((other) => ({ order: other.order, writers: other.extract(keys) }));
      const inOrder = [...others, { order: batch.order, writers }].toSorted((a, b) => a.order - b.order);
      this.#room.enter(
        this.#lane,
        inOrder.flatMap((each) => each.writers),
        outOfMemory,
      );
    }
  }

  /** All of a batch is answered, or waits again. */
  #settle({ waited }: Collected): void {
    if (waited === undefined) return;
    this.#room.answered(waited.keys);
    waited.done();
  }
}
