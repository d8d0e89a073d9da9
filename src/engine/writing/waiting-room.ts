import { MillraceError } from '../../errors.ts';
import type { Timer } from '../../ports/clock.ts';
import type { Surroundings } from '../base/context.ts';
import { WRITE_BYTES_MAX, WRITE_KEYS_MAX } from '../base/settings.ts';
import type { Admission } from '../lanes/admission.ts';
import type { Caller, Holder } from './caller.ts';

/**
 * Mutations that need room in the buffer, of all lanes, in the order in which they came. Whatever has to come behind
 * one that waits here waits behind it. What needs no room (one of a pending key whose value does not become longer)
 * never comes here. Count and bytes of what waits are bounded, for the whole cache, and so is the time.
 */
export class WaitingRoom<C extends Caller> implements Holder {
  readonly #context: Surroundings;
  readonly #admission: Admission;
  readonly #placing: Placing<C>;
  readonly #hooks: RoomHooks<C>;
  readonly #places = new Map<string, Place<C>>();
  /** Everybody who waits, and where. */
  readonly #waiting = new Map<C, Place<C>>();
  /** On their way to the front again: they keep their places, and cannot be taken back. */
  readonly #away = new Set<C>();
  #bytes = 0;
  #isServing = false;
  #outOfMemory = false;
  #timer: Timer | undefined;
  #closed: MillraceError | undefined;
  #idle: (() => void)[] = [];

  constructor(context: Surroundings, admission: Admission, placing: Placing<C>, hooks: RoomHooks<C>) {
    this.#context = context;
    this.#admission = admission;
    this.#placing = placing;
    this.#hooks = hooks;
  }

  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /** Whoever has the same place waits behind each other. */
  placeOf(lane: number, caller: C): string {
    return this.#placing.placeOf(lane, caller);
  }

  /** Lets a mutation wait behind those at its place; false when nobody waits there. */
  join(lane: number, caller: C): boolean {
    const place = this.#places.get(this.placeOf(lane, caller));
    if (place === undefined) return false;
    this.#admit(place, caller, place.callers.length);
    return true;
  }

  /**
   * Mutations of one lane that were refused for want of room. `isBefore`: they were asked for before those of the lane
   * that wait here already.
   */
  enter(
    lane: number,
    callers: readonly C[],
    { isBefore, outOfMemory }: { readonly isBefore: boolean; readonly outOfMemory: boolean },
  ): void {
    this.#outOfMemory ||= outOfMemory;
    const before = new Map<Place<C>, number>();
    for (const caller of callers) {
      const name = this.placeOf(lane, caller);
      const place = this.#places.get(name) ?? { name, lane, callers: [] };
      const at = isBefore ? (before.get(place) ?? 0) : place.callers.length;
      if (this.#admit(place, caller, at)) before.set(place, at + 1);
      if (place.callers.length > 0) this.#places.set(name, place);
    }
    if (!this.#isServing && !this.isEmpty) void this.#serve();
  }

  /** The front's server has no memory left. */
  noteOutOfMemory(): void {
    this.#outOfMemory = true;
  }

  /** Takes back a mutation that waits here. */
  remove(caller: Caller): boolean {
    const place = this.#waiting.get(caller as C);
    if (place === undefined || this.#away.has(caller as C)) return false;
    place.callers.splice(place.callers.indexOf(caller as C), 1);
    this.#forget(caller as C);
    if (place.callers.length === 0) this.#places.delete(place.name);
    this.#tellIdle();
    return true;
  }

  /** Resolves when nobody waits. */
  idle(): Promise<void> {
    return this.isEmpty ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Turns everybody away. */
  close(error: MillraceError): void {
    this.#closed = error;
    this.#timer?.cancel();
    for (const caller of this.#waiting.keys()) if (this.remove(caller)) caller.reject(error);
  }

  /** What a mutation is told for which there is no room. */
  full(lane: number, key: string, outOfMemory: boolean, why: string | undefined): MillraceError {
    const { settings } = this.#context;
    const { maxEntries, maxBytes } = settings.backpressure;
    const { entries, bytes } = this.#admission.occupied();
    const parts = [
      `The buffer is full: ${entries} of ${maxEntries} entries and about ${bytes} of ${maxBytes} bytes are pending`,
      outOfMemory ? 'The server of the front is out of memory (maxmemory)' : undefined,
      why,
      this.#hooks.trouble(),
      'Nothing of the write was kept. Slow down, or raise backpressure.maxEntries or maxBytes.',
    ];
    const message = parts.filter((part) => part !== undefined).join('. ');
    return new MillraceError('MILLRACE_FULL', message, { cache: settings.name, key, lane });
  }

  #admit(place: Place<C>, caller: C, at: number): boolean {
    const { settings, clock, counts } = this.#context;
    const refuse = (why: string): false => {
      counts.refused++;
      caller.reject(this.full(place.lane, caller.key, this.#outOfMemory, why));
      return false;
    };
    const { maxWaiters, maxWaitingBytes, maxWaitMs, maxBytes } = settings.backpressure;
    if (this.#closed !== undefined) {
      caller.reject(this.#closed);
      return false;
    }
    if (caller.bytes > maxBytes) return refuse('The value alone has more than backpressure.maxBytes');
    if (this.#waiting.size >= maxWaiters)
      return refuse(`${this.#waiting.size} writes wait for room already (backpressure.maxWaiters)`);
    if (this.#bytes + caller.bytes > maxWaitingBytes)
      return refuse(`Writes of about ${this.#bytes} bytes wait for room already (backpressure.maxWaitingBytes)`);
    place.callers.splice(at, 0, caller);
    caller.holder = this;
    caller.waitsUntil ??= clock.monotonic() + maxWaitMs;
    this.#waiting.set(caller, place);
    this.#bytes += caller.bytes;
    this.#setTimer(caller.waitsUntil);
    return true;
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    // What was sent on may have left room: not every mutation takes an entry, and then no flush makes any.
    for (let hasRoom = false; !this.isEmpty && this.#closed === undefined; ) {
      if (!hasRoom) await this.#hooks.waitForRoom();
      const isTaken = await this.#release();
      hasRoom = isTaken && this.#hasRoom();
    }
    this.#isServing = false;
  }

  #hasRoom(): boolean {
    const { maxEntries, maxBytes } = this.#context.settings.backpressure;
    const { entries, bytes } = this.#admission.occupied();
    return entries < maxEntries && bytes < maxBytes;
  }

  /**
   * Sends on who has room now, first come, first served; the first in any case, because what is known may be old. True
   * when the front took all.
   */
  async #release(): Promise<boolean> {
    const steps = this.#whoHasRoom();
    this.#outOfMemory = false;
    const sent = [...steps].map(
      ([lane, { callers }]) =>
        new Promise<boolean>((resolve) => {
          for (const caller of callers) this.#away.add(caller);
          this.#hooks.send(lane, callers, (refused, isTaken) => {
            this.#returned(lane, callers, refused);
            resolve(isTaken);
          });
        }),
    );
    return (await Promise.all(sent)).every(Boolean);
  }

  #whoHasRoom(): ReadonlyMap<number, Step<C>> {
    const { maxEntries, maxBytes } = this.#context.settings.backpressure;
    const occupied = this.#admission.occupied();
    let entries = maxEntries - occupied.entries;
    let bytes = maxBytes - occupied.bytes;
    const byLane = new Map<number, Step<C>>();
    for (const { lane, callers } of this.#places.values()) {
      const { isOneEntry, isEach, sizeMax } = this.#placing;
      const parts = isOneEntry ? [callers] : callers.map((caller) => [caller]);
      for (const part of parts) {
        const { key, bytes: size } = part.at(-1) as C;
        const step = byLane.get(lane) ?? { callers: [], keys: new Set(), entries: 0, bytes: 0 };
        // One at a time finds out whether the server has memory again.
        const isFirst = byLane.size === 0;
        const isFresh = isEach || !step.keys.has(key);
        if (!isFirst && (this.#outOfMemory || (isFresh && (entries < 1 || size > bytes)))) return byLane;
        if (step.entries >= WRITE_KEYS_MAX || (step.entries > 0 && step.bytes + size > WRITE_BYTES_MAX)) return byLane;
        if (!isOneEntry && step.callers.length >= sizeMax) return byLane;
        if (isFresh) {
          entries--;
          bytes -= size;
          step.keys.add(key);
          step.entries++;
          step.bytes += size;
        }
        for (const caller of part) step.callers.push(caller);
        byLane.set(lane, step);
      }
    }
    return byLane;
  }

  /** Mutations that were sent from here are answered, but for those that need room still: these keep their places. */
  #returned(lane: number, sent: readonly C[], refused: readonly C[]): void {
    const impossible = this.#impossible(sent, refused);
    const back = new Set(refused);
    const places = new Set(sent.map((caller) => this.#waiting.get(caller) as Place<C>));
    for (const caller of sent) {
      this.#away.delete(caller);
      if (!back.has(caller)) this.#forget(caller);
    }
    for (const place of places) {
      place.callers = place.callers.filter((caller) => this.#waiting.has(caller));
      if (place.callers.length === 0) this.#places.delete(place.name);
      else if (this.#placing.isOneEntry && !place.callers.some((caller) => back.has(caller))) this.#askAnew(place);
    }
    for (const caller of refused) {
      caller.holder = this;
      if (impossible.has(caller) && this.remove(caller)) this.#refuseAlone(lane, caller);
    }
    this.#tellIdle();
    if (this.#closed !== undefined) this.close(this.#closed);
  }

  /** Who has no room where nothing is pending: for them there will never be any. */
  #impossible(sent: readonly C[], refused: readonly C[]): ReadonlySet<C> {
    const { entries, bytes } = this.#admission.occupied();
    const [first] = refused;
    if (first === undefined || first !== sent[0] || this.#outOfMemory || entries > 0 || bytes > 0) return new Set();
    return new Set(this.#placing.isOneEntry ? refused.filter(({ key }) => key === first.key) : [first]);
  }

  #refuseAlone(lane: number, caller: C): void {
    this.#context.counts.refused++;
    const why = 'The value alone has more than backpressure.maxBytes';
    caller.reject(this.full(lane, caller.key, false, why));
  }

  /** What they wait behind is pending now, so that they may need no room. */
  #askAnew({ name, lane, callers }: Place<C>): void {
    this.#places.delete(name);
    for (const caller of callers) this.#forget(caller);
    for (const caller of callers) this.#hooks.ask(lane, caller);
  }

  #forget(caller: C): void {
    this.#waiting.delete(caller);
    this.#bytes -= caller.bytes;
  }

  #tellIdle(): void {
    if (!this.isEmpty) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  #setTimer(at: number): void {
    if (this.#timer !== undefined) return;
    const { clock } = this.#context;
    this.#timer = clock.after(Math.max(1, at - clock.monotonic()), () => this.#expire(), true);
  }

  /** Turns away who has waited long enough. */
  #expire(): void {
    this.#timer = undefined;
    const { clock, counts, settings } = this.#context;
    const now = clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const [caller, { lane }] of this.#waiting) {
      const until = caller.waitsUntil as number;
      // Who is on the way is answered, or comes back.
      if (until > now || !this.remove(caller)) next = Math.min(next, Math.max(until, now + 10));
      else {
        counts.refused++;
        const why = `The write waited ${settings.backpressure.maxWaitMs} ms for room (backpressure.maxWait)`;
        caller.reject(this.full(lane, caller.key, this.#outOfMemory, why));
      }
    }
    if (next !== Number.POSITIVE_INFINITY) this.#setTimer(next);
  }
}

/** Where mutations of a shape wait. */
export interface Placing<C extends Caller> {
  /**
   * Of a shape whose later mutations of a key replace or join the earlier: the key; where all keep their order: the
   * lane.
   */
  placeOf(lane: number, caller: C): string;
  /** Whether all at one place are one entry of the front, and go together. */
  readonly isOneEntry: boolean;
  /** Whether each is an entry of its own; otherwise those of one key are one. */
  readonly isEach: boolean;
  /** How many go in one step at the most, where they do not go together. */
  readonly sizeMax: number;
}

/** What the waiting room asks of the rest of the engine. */
export interface RoomHooks<C extends Caller> {
  /** Resolves when there may be room, or after a short while; what occupies the lanes has been looked at by then. */
  waitForRoom(): Promise<void>;
  /**
   * Sends mutations of one lane; `returned` is called when each was answered, with those that are refused again.
   * `isTaken`: the front took all.
   */
  send(lane: number, callers: readonly C[], returned: (refused: readonly C[], isTaken: boolean) => void): void;
  /** Asks for a mutation that has nothing more to wait for. */
  ask(lane: number, caller: C): void;
  /** Why nothing gets stored, for messages; undefined when flushes succeed. */
  trouble(): string | undefined;
}

/** What waits at one place, in the order in which it was asked for. */
interface Place<C extends Caller> {
  readonly name: string;
  readonly lane: number;
  callers: C[];
}

/** What is sent on to one lane. */
interface Step<C extends Caller> {
  readonly callers: C[];
  readonly keys: Set<string>;
  entries: number;
  bytes: number;
}
