import { MillraceError } from '../../errors.ts';
import type { Timer } from '../../ports/clock.ts';
import type { EngineContext } from '../base/context.ts';
import { WRITE_BYTES_MAX, WRITE_KEYS_MAX } from '../base/settings.ts';
import type { Admission } from '../lanes/admission.ts';
import type { Writer } from './batch.ts';
import type { Holder } from './caller.ts';

/** What the waiting room asks of the rest of the engine. */
export interface RoomHooks {
  /** Resolves when there may be room, or after a short while; what occupies the lanes has been looked at by then. */
  waitForRoom(): Promise<void>;
  /** Sends writes of one lane; resolves when each was answered or is {@link WaitingRoom.refused} again. */
  send(lane: number, writers: readonly Writer[]): Promise<void>;
  /** Asks for a write that has nothing more to wait for. */
  ask(lane: number, writer: Writer): void;
  /** Why nothing gets stored, for messages; undefined when flushes succeed. */
  trouble(): string | undefined;
}

/** A key that waits for room. */
interface Place {
  readonly lane: number;
  /** In the order in which they asked; the last value is the one that will be written. */
  writers: Writer[];
  /** How many of them, from the first, are on their way again. */
  released: number;
}

/**
 * Writes that need room in the buffer, of all lanes, in the order in which they came. A later write of a key that waits
 * here waits behind it. Writes that need no room (a pending key whose value does not become longer) never come here.
 * Count and bytes of what waits are bounded, and so is the time.
 */
export class WaitingRoom implements Holder<Writer> {
  readonly #context: EngineContext;
  readonly #admission: Admission;
  readonly #hooks: RoomHooks;
  readonly #places = new Map<string, Place>();
  #writers = 0;
  #bytes = 0;
  #isServing = false;
  #outOfMemory = false;
  #timer: Timer | undefined;
  #closed: MillraceError | undefined;
  #idle: (() => void)[] = [];

  constructor(context: EngineContext, admission: Admission, hooks: RoomHooks) {
    this.#context = context;
    this.#admission = admission;
    this.#hooks = hooks;
  }

  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /** Lets a write of a key that waits here wait behind it; false when the key does not. */
  join(writer: Writer): boolean {
    const place = this.#places.get(writer.key);
    if (place === undefined) return false;
    this.#admit(place, writer);
    return true;
  }

  /** Writes of one lane that were refused for want of room. */
  enter(lane: number, writers: readonly Writer[], outOfMemory: boolean): void {
    this.#outOfMemory ||= outOfMemory;
    for (const writer of writers) {
      const place = this.#places.get(writer.key) ?? { lane, writers: [], released: 0 };
      this.#admit(place, writer);
      if (place.writers.length > 0) this.#places.set(writer.key, place);
    }
    if (!this.#isServing && !this.isEmpty) void this.#serve();
  }

  /** Writes that were sent from here need room still: they keep their place, which nobody gives up while they are on their way. */
  refused(keys: Iterable<string>, outOfMemory: boolean): void {
    this.#outOfMemory ||= outOfMemory;
    for (const key of keys) {
      const place = this.#places.get(key) as Place;
      place.released = 0;
      for (const writer of place.writers) writer.holder = this;
      for (const writer of place.writers.filter(({ isGone }) => isGone)) this.remove(writer);
    }
    if (this.#closed !== undefined) this.close(this.#closed);
  }

  /** Writes that were sent from here are answered; who came to wait behind them asks anew. */
  answered(keys: Iterable<string>): void {
    for (const key of keys) {
      const place = this.#places.get(key) as Place;
      this.#places.delete(key);
      for (const writer of place.writers) this.#forget(writer);
      for (const writer of place.writers.slice(place.released)) this.#hooks.ask(place.lane, writer);
    }
    this.#tellIdle();
  }

  /** Takes back a write that waits here. */
  remove(writer: Writer): boolean {
    const place = this.#places.get(writer.key);
    const at = place?.writers.indexOf(writer) ?? -1;
    if (place === undefined || at < place.released) return false;
    place.writers.splice(at, 1);
    this.#forget(writer);
    if (place.writers.length === 0) this.#places.delete(writer.key);
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
    for (const writer of this.#waiting()) {
      this.remove(writer);
      writer.reject(error);
    }
  }

  #admit(place: Place, writer: Writer): void {
    const { settings, clock } = this.#context;
    const { maxWaiters, maxWaitingBytes, maxWaitMs, maxBytes } = settings.backpressure;
    if (this.#closed !== undefined) return writer.reject(this.#closed);
    if (writer.slot.length > maxBytes)
      return this.#refuse(place.lane, writer, 'The value alone has more than backpressure.maxBytes');
    if (this.#writers >= maxWaiters)
      return this.#refuse(
        place.lane,
        writer,
        `${this.#writers} writes wait for room already (backpressure.maxWaiters)`,
      );
    if (this.#bytes + writer.slot.length > maxWaitingBytes) {
      return this.#refuse(
        place.lane,
        writer,
        `Writes of about ${this.#bytes} bytes wait for room already (backpressure.maxWaitingBytes)`,
      );
    }
    place.writers.push(writer);
    writer.holder = this;
    writer.waitsUntil ??= clock.monotonic() + maxWaitMs;
    this.#writers++;
    this.#bytes += writer.slot.length;
    this.#setTimer(writer.waitsUntil);
  }

  #refuse(lane: number, writer: Writer, why: string): void {
    this.#context.counts.refused++;
    writer.reject(this.full(lane, writer.key, this.#outOfMemory, why));
  }

  /** What a write is told for which there is no room. */
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
    return new MillraceError('MILLRACE_FULL', parts.filter((part) => part !== undefined).join('. '), {
      cache: settings.name,
      key,
      lane,
    });
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    while (!this.isEmpty && this.#closed === undefined) {
      await this.#hooks.waitForRoom();
      await this.#release();
    }
    this.#isServing = false;
  }

  /** Sends on who has room now, first come, first served; the first in any case, because what is known may be old. */
  async #release(): Promise<void> {
    const { maxEntries, maxBytes } = this.#context.settings.backpressure;
    const occupied = this.#admission.occupied();
    let entries = maxEntries - occupied.entries;
    let bytes = maxBytes - occupied.bytes;
    const byLane = new Map<number, { writers: Writer[]; keys: number; bytes: number }>();
    for (const place of this.#places.values()) {
      const size = (place.writers.at(-1) as Writer).slot.length;
      const step = byLane.get(place.lane) ?? { writers: [], keys: 0, bytes: 0 };
      const isFirst = byLane.size === 0;
      // One at a time finds out whether the server has memory again.
      if (!isFirst && (this.#outOfMemory || entries < 1 || size > bytes)) break;
      if (step.keys >= WRITE_KEYS_MAX || (step.keys > 0 && step.bytes + size > WRITE_BYTES_MAX)) break;
      entries--;
      bytes -= size;
      step.keys++;
      step.bytes += size;
      step.writers.push(...place.writers);
      place.released = place.writers.length;
      byLane.set(place.lane, step);
    }
    this.#outOfMemory = false;
    await Promise.all([...byLane].map(([lane, { writers }]) => this.#hooks.send(lane, writers)));
  }

  *#waiting(): Generator<Writer> {
    for (const place of this.#places.values()) yield* place.writers.slice(place.released);
  }

  #forget(writer: Writer): void {
    this.#writers--;
    this.#bytes -= writer.slot.length;
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
    this.#timer = this.#context.clock.after(
      Math.max(1, at - this.#context.clock.monotonic()),
      () => this.#expire(),
      true,
    );
  }

  /** Turns away who has waited long enough. */
  #expire(): void {
    this.#timer = undefined;
    const now = this.#context.clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const place of this.#places.values()) {
      for (const [i, writer] of [...place.writers].entries()) {
        const until = writer.waitsUntil as number;
        // Who is on the way is answered, or comes back.
        if (until > now || i < place.released) next = Math.min(next, Math.max(until, now + 10));
        else {
          this.remove(writer);
          this.#refuse(
            place.lane,
            writer,
            `The write waited ${this.#context.settings.backpressure.maxWaitMs} ms for room (backpressure.maxWait)`,
          );
        }
      }
    }
    if (next !== Number.POSITIVE_INFINITY) this.#setTimer(next);
  }
}
