import type { Accepted, Stopped, Unrecovered } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import type { FrontSide, Surroundings } from '../base/context.ts';
import { LOAD_WAITERS_MAX, WRITE_BYTES_MAX } from '../base/settings.ts';
import type { Admission, Admitted } from '../lanes/admission.ts';
import { PendingReceipt } from '../lanes/receipt.ts';
import type { Position, Watermark } from '../lanes/watermark.ts';
import { answerAtLevels } from './ack-levels.ts';
import type { Batch } from './batch.ts';
import type { Caller } from './caller.ts';
import type { Again, NoRoom, Placed, StepResult, Steps, Wait } from './steps.ts';
import type { WaitingRoom } from './waiting-room.ts';
import type { WriterHooks } from './writer-hooks.ts';

/**
 * Sends one lane's mutations to the front: all that wait go in one step. They take effect in the order in which they
 * were asked for, also when a step has to be repeated. What has no room in the front is left in the waiting room, or
 * refused; what needs none passes. A step whose answer is lost is not repeated: it may have taken effect.
 */
export class LaneQueue<C extends Caller> {
  readonly #context: Surroundings & FrontSide;
  readonly #lane: number;
  readonly #watermark: Watermark;
  readonly #admission: Admission;
  readonly #room: WaitingRoom<C>;
  readonly #hooks: WriterHooks;
  readonly #steps: Steps<C>;
  /** Batches to be sent, oldest first; only the last takes more mutations. */
  readonly #queue: Batch<C>[] = [];
  readonly #inFlight = new Set<Batch<C>>();
  #wakeUpSet = false;
  #nextOrder = 0;
  /** Batches that wait to be repeated: nothing may overtake them. */
  #held = 0;
  /** Mutations that wait for something of their own, while others pass. */
  #later = 0;
  /** The lane is held until what it needs is loaded. */
  #isLoading = false;
  #idle: (() => void)[] = [];
  /** Who waits for the next answer of the front. */
  #answered: (() => void)[] = [];

  constructor({ context, lane, watermark, admission, room, hooks, steps }: LaneQueueParts<C>) {
    this.#context = context;
    this.#lane = lane;
    this.#watermark = watermark;
    this.#admission = admission;
    this.#room = room;
    this.#hooks = hooks;
    this.#steps = steps;
  }

  /** Sends a mutation with the next step, unless it has to wait behind one that waits for room. */
  ask(caller: C): void {
    if (!this.#room.isEmpty && this.#room.join(this.#lane, caller)) return;
    if (this.#isLoading && !this.#mayWaitForLoad(caller)) return;
    this.#open(caller).put(caller);
    this.#wakeUp();
  }

  /** Sends mutations that waited for room; `done` is told who is refused again, and whether the front took all. */
  resume(callers: readonly C[], done: (refused: readonly C[], isTaken: boolean) => void): void {
    const batch = this.#steps.newBatch(this.#nextOrder++);
    for (const caller of callers) batch.put(caller);
    batch.isClosed = true;
    batch.waited = { refused: [], done };
    // Those who were asked for earlier, and have room, come before.
    const at = this.#queue.findIndex((other) => !other.fits);
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, batch);
    this.#pump();
  }

  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#inFlight.size === 0 && this.#held === 0 && this.#later === 0;
  }

  /** Resolves when every mutation that was asked for before the call has been answered, or waits for room. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #open({ bytes }: C): Batch<C> {
    const last = this.#queue.at(-1);
    const isOpen = last !== undefined && !last.isClosed && last.size < this.#steps.sizeMax;
    if (isOpen && last.bytes + bytes <= WRITE_BYTES_MAX) return last;
    const batch = this.#steps.newBatch(this.#nextOrder++);
    this.#queue.push(batch);
    return batch;
  }

  /** Waiting for a load is not waiting for room: it has a bound of its own. */
  #mayWaitForLoad(caller: C): boolean {
    const waiting = this.#queue.reduce((sum, { callers }) => sum + callers.length, 0);
    if (waiting >= LOAD_WAITERS_MAX) {
      this.#refuseLoading(caller);
      return false;
    }
    caller.loadsUntil = this.#loadsUntil();
    return true;
  }

  #refuseLoading(caller: C): void {
    this.#context.counts.refused++;
    const why = `${LOAD_WAITERS_MAX} mutations wait for the leaderboard to be loaded already`;
    caller.reject(this.#room.full(this.#lane, caller.key, false, why));
  }

  #loadsUntil(): number {
    const { clock, settings } = this.#context;
    return clock.monotonic() + settings.loadWaitMs;
  }

  #wakeUp(): void {
    if (this.#wakeUpSet || this.#held > 0 || this.#inFlight.size >= this.#steps.inFlightMax) return;
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

  /** Gives how much it sent. */
  #pump(): number {
    let sent = 0;
    while (this.#held === 0 && this.#inFlight.size < this.#steps.inFlightMax) {
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
      batch.isClosed = true;
      batch.isSent = true;
      this.#inFlight.add(batch);
      sent += batch.size;
      void this.#send(batch, admitted);
    }
    if (this.#idle.length > 0 && this.isIdle) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
    return sent;
  }

  #admit(batch: Batch<C>): Admitted | undefined {
    // Who comes later takes no room before those who wait for it.
    if (batch.waited === undefined && !batch.fits && !this.#room.isEmpty) return this.#admission.beginWithoutRoom();
    const again = (): void => void this.#pump();
    const entries = this.#steps.entriesOf(batch);
    if (batch.isThrough) return this.#admission.beginBeyond(this.#lane, entries, batch.bytes, again);
    return this.#admission.begin(this.#lane, entries, batch.bytes, again);
  }

  async #send(batch: Batch<C>, admitted: Admitted): Promise<void> {
    let result: StepResult<C>;
    try {
      result = await this.#steps.send(this.#lane, batch, admitted);
    } catch (error) {
      this.#leave(batch);
      this.#admission.end(admitted);
      // Not sent again: the front may have it, and a late repetition could undo a newer write of another process.
      this.#overtake(batch, undefined);
      this.#fail(batch, error);
      this.#goOn();
      return;
    }
    if (result.kind === 'accepted') this.#watermark.occupied(result, result.entries, result.bytes);
    // Before the step ends: others that wait for that may send, and what comes behind this batch must not.
    const isBack = result.kind === 'wait' || result.kind === 'full' || result.kind === 'unrecovered';
    if (isBack && !this.#steps.mayOvertake) this.#putBack(batch);
    this.#admission.end(admitted);
    if (isBack && this.#steps.mayOvertake) this.#putBack(batch);
    switch (result.kind) {
      case 'accepted':
        this.#accepted(batch, result);
        break;
      case 'again':
        this.#again(batch, result);
        break;
      case 'stopped':
        this.#leave(batch);
        this.#fail(batch, this.#stopped(result));
        break;
      case 'wait':
        await this.#wait(batch, result);
        break;
      case 'unrecovered':
      case 'full':
        await this.#repeat(batch, result, admitted.maxEntries === 0 && admitted.maxBytes === 0);
        // It has gone on by itself.
        return;
    }
    this.#goOn();
  }

  /** The front has answered. */
  #leave(batch: Batch<C>): void {
    this.#inFlight.delete(batch);
    const answered = this.#answered;
    this.#answered = [];
    for (const resolve of answered) resolve();
  }

  #stopped({ reason }: Stopped): MillraceError {
    const { name } = this.#context.settings;
    const message = `Lane ${this.#lane} takes no writes: ${reason}.`;
    return new MillraceError('MILLRACE_LANE_STOPPED', message, { cache: name, lane: this.#lane });
  }

  #fail(batch: Batch<C>, error: unknown): void {
    for (const caller of batch.callers) caller.reject(error);
    this.#settle(batch, false);
  }

  #accepted(batch: Batch<C>, result: Placed<C>): void {
    const { epoch, seq, accepted } = result;
    const position = { lane: this.#lane, epoch, seq };
    this.#leave(batch);
    this.#context.counts.accepted += accepted;
    // What was told of something that others gave is lost with it.
    if (this.#watermark.gave(epoch, seq, Math.max(1, accepted))) this.#hooks.newEpoch(this.#lane);
    // The flusher hears of it first: a cut that it asks for now comes before any write that a caller makes next.
    this.#hooks.accepted(this.#lane, result satisfies Accepted);
    this.#overtake(batch, position);
    // Who waits behind one of these comes next, and before whoever asks in answer to them.
    this.#settle(batch);
    const { callers } = batch;
    const { answer } = result;
    if (batch.isThrough) {
      // What went beyond the capacity is answered when it is stored, and so at every level.
      this.#hooks.hurry(this.#lane);
      callers.forEach(answer);
    } else answerAtLevels(this.#context, this.#watermark, position, callers, answer);
  }

  /** Batches that were sent earlier and have to be repeated must not undo this one. */
  #overtake(batch: Batch<C>, position: Position | undefined): void {
    if (this.#held === 0) return;
    for (const earlier of this.#queue) if (earlier.order < batch.order) earlier.overtakenBy(batch, position);
  }

  #answerOvertaken(batch: Batch<C>): void {
    for (const { caller, position } of batch.takeOvertaken()) {
      if (position === undefined) caller.reject(this.#overtaken(caller));
      else {
        const receipt = new PendingReceipt(this.#hooks, caller.key, this.#lane, position.epoch, position.seq);
        if (batch.isThrough) answerWhenStored(caller, receipt);
        else answerAtLevels(this.#context, this.#watermark, position, [caller], () => caller.resolve(receipt));
      }
    }
  }

  #overtaken({ key }: C): MillraceError {
    const { name } = this.#context.settings;
    const message =
      'The front had to be asked again for a write, and did not answer a later one of the same key ' +
      `in cache '${name}'; it was not written.`;
    return new MillraceError('MILLRACE_FRONT_UNAVAILABLE', message, { cache: name, key, lane: this.#lane });
  }

  #again(batch: Batch<C>, { rejected, later, ready }: Again<C>): void {
    this.#leave(batch);
    this.#return(batch);
    const refused = new Map(rejected.map(({ caller, error }) => [caller, error]));
    for (const caller of batch.extract((each) => refused.has(each))) caller.reject(refused.get(caller));
    if (later.length === 0) return;
    // Those who waited for room are seen to together.
    const waiting = batch.waited === undefined ? new Set(later) : new Set(batch.callers);
    const own = this.#steps.newBatch(batch.order);
    own.isClosed = true;
    for (const caller of batch.extract((each) => waiting.has(each))) own.put(caller);
    own.waited = batch.waited;
    batch.waited = undefined;
    this.#later++;
    ready
      .then(
        () => void this.#queue.unshift(own),
        (error: unknown) => this.#fail(own, error),
      )
      .finally(() => {
        this.#later--;
        this.#pump();
      });
  }

  /** Into its place before all later ones; nothing of it was taken in. */
  #return(batch: Batch<C>): void {
    batch.isSent = false;
    batch.dropGone();
    const at = this.#queue.findIndex((other) => other.order > batch.order);
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, batch);
  }

  /** Lets nothing go before what the batch waits for has come. */
  #putBack(batch: Batch<C>): void {
    this.#held++;
    this.#leave(batch);
    this.#return(batch);
  }

  /** Holds the lane until what the batch needs is loaded; nobody who needs it waits for longer than he may. */
  async #wait(batch: Batch<C>, { isNeeding, load }: Wait<C>): Promise<void> {
    this.#isLoading = true;
    const callers = this.#queue.flatMap((each) => each.callers);
    const latest = this.#loadsUntil();
    for (const caller of callers) caller.loadsUntil ??= latest;
    const beyond = new Set(callers.slice(LOAD_WAITERS_MAX));
    this.#turnAway(
      (caller) => beyond.has(caller),
      (caller) => this.#refuseLoading(caller),
    );
    const until = batch.callers.reduce((min, { loadsUntil = latest }) => Math.min(min, loadsUntil), latest);
    try {
      await load(until);
    } catch (error) {
      const now = this.#context.clock.monotonic();
      const isLate = ({ loadsUntil = latest }: C): boolean => loadsUntil <= now;
      const isBatch = new Set(batch.callers);
      const isTold = (caller: C): boolean =>
        isNeeding(caller) && (isLate(caller) || (until > now && isBatch.has(caller)));
      this.#turnAway(isTold, (caller) => caller.reject(error));
    }
    this.#isLoading = false;
    this.#held--;
  }

  #turnAway(is: (caller: C) => boolean, tell: (caller: C) => void): void {
    for (const each of this.#queue) for (const caller of each.extract(is)) tell(caller);
  }

  /** Sends a batch that was put back again, when what it needs has come. */
  async #repeat(batch: Batch<C>, result: NoRoom<C> | Unrecovered, wasWithoutRoom: boolean): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    try {
      if (result.kind === 'unrecovered') await this.#hooks.recover(this.#lane);
      else if (!batch.wasFull && !wasWithoutRoom) await this.#hooks.refreshOccupancy();
      // What was sent after it is answered before it is repeated, and may have replaced some of it.
      while (this.#inFlight.size > 0) await new Promise<void>((resolve) => this.#answered.push(resolve));
    } catch (error) {
      failure = { error };
    }
    this.#answerOvertaken(batch);
    if (failure !== undefined) {
      this.#queue.splice(this.#queue.indexOf(batch), 1);
      this.#fail(batch, failure.error);
    } else if (result.kind === 'full') {
      if (batch.wasFull || wasWithoutRoom)
        batch.withoutRoom = { callers: new Set(result.refused), outOfMemory: result.outOfMemory === true };
      batch.wasFull = true;
    }
    if (--this.#held > 0) return;
    // In the order of the lane, whichever was answered first.
    for (const each of this.#queue.slice())
      if (each.withoutRoom !== undefined) this.#leaveWhatHasNoRoom(each, each.withoutRoom);
    this.#pump();
  }

  /** The rest of the batch fits. */
  #leaveWhatHasNoRoom(batch: Batch<C>, { callers, outOfMemory }: NonNullable<Batch<C>['withoutRoom']>): void {
    const { settings, counts } = this.#context;
    const { onFull } = settings.backpressure;
    batch.withoutRoom = undefined;
    const left = batch.extract((caller) => callers.has(caller));
    if (batch.waited !== undefined) {
      for (const caller of left) batch.waited.refused.push(caller);
      if (outOfMemory) this.#room.noteOutOfMemory();
    } else if (onFull === 'reject') {
      counts.refused += left.length;
      for (const caller of left) caller.reject(this.#room.full(this.#lane, caller.key, outOfMemory, undefined));
    } else if (onFull === 'write-through' && !batch.isThrough && !outOfMemory && this.#room.isEmpty) {
      // Goes again in its place, beyond the capacity.
      const through = this.#steps.newBatch(batch.order);
      for (const caller of left) through.put(caller);
      through.isClosed = true;
      through.wasFull = true;
      through.isThrough = true;
      this.#queue.splice(this.#queue.indexOf(batch), 0, through);
    } else {
      this.#room.enter(this.#lane, this.#withThoseBehind(batch, left), { isBefore: batch.fits, outOfMemory });
    }
    batch.fits = true;
  }

  /**
   * Whoever asks for the same waits with those who are left, in the lane's order: later ones would overtake them, and
   * earlier ones that are left without room at their next attempt would come behind them.
   */
  #withThoseBehind(batch: Batch<C>, left: readonly C[]): C[] {
    const places = new Set(left.map((caller) => this.#room.placeOf(this.#lane, caller)));
    const isBehind = (caller: C): boolean => places.has(this.#room.placeOf(this.#lane, caller));
    const all = [{ order: batch.order, callers: left }];
    for (const other of this.#queue) {
      if (other === batch) continue;
      const callers = other.extract(isBehind);
      // Those who came out of the waiting room have a place there still.
      if (other.waited === undefined) all.push({ order: other.order, callers });
      else for (const caller of callers) other.waited.refused.push(caller);
    }
    return all.toSorted((a, b) => a.order - b.order).flatMap(({ callers }) => callers);
  }

  /** All of a batch is answered, or waits again. */
  #settle({ waited }: Batch<C>, isTaken = true): void {
    waited?.done(waited.refused, isTaken && waited.refused.length === 0);
  }
}

/** Answers a caller when the store has what it wrote. */
export function answerWhenStored(caller: Caller, receipt: PendingReceipt): void {
  receipt.stored().then(
    () => caller.resolve(receipt),
    (error: unknown) => caller.reject(error),
  );
}

/** What one lane's queue is made of. */
export interface LaneQueueParts<C extends Caller> {
  readonly context: Surroundings & FrontSide;
  readonly lane: number;
  readonly watermark: Watermark;
  readonly admission: Admission;
  readonly room: WaitingRoom<C>;
  readonly hooks: WriterHooks;
  readonly steps: Steps<C>;
}
