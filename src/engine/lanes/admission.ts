import type { BackpressureSettings } from '../base/settings.ts';
import type { Watermark } from './watermark.ts';

/** A write step that may begin, with what it may fill its lane up to. */
export interface Admitted {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** What is reserved for it, to be given back with {@link Admission.end}. */
  readonly entries: number;
  readonly bytes: number;
}

export interface StepCounts {
  readonly begun: number;
  readonly ended: number;
}

/**
 * Keeps the entries and bytes of all lanes together within the cache's capacity. A front counts each lane for itself;
 * this counts what the process knows of the others. Far from the limit every writer goes ahead; near it one step goes
 * at a time, with exactly what is left.
 */
export class Admission {
  readonly #limits: BackpressureSettings;
  readonly #watermarks: readonly Watermark[];
  /** Steps begun and answered since the cache was attached, and the keys and bytes of those under way. */
  #begun = 0;
  #ended = 0;
  #entriesUnderWay = 0;
  #bytesUnderWay = 0;
  #waiting: (() => void)[] = [];

  constructor(limits: BackpressureSettings, watermarks: readonly Watermark[]) {
    this.#limits = limits;
    this.#watermarks = watermarks;
  }

  /** No step is under way on any lane. */
  get isQuiet(): boolean {
    return this.#begun === this.#ended;
  }

  /** How many steps have begun and ended since the cache was attached. */
  get steps(): StepCounts {
    return { begun: this.#begun, ended: this.#ended };
  }

  /** What occupies all lanes, as far as it is known here. */
  occupied(): { entries: number; bytes: number } {
    let entries = 0;
    let bytes = 0;
    for (const watermark of this.#watermarks) {
      entries += watermark.entries;
      bytes += watermark.bytes;
    }
    return { entries, bytes };
  }

  /** Lets a step begin, or calls `again` when it may be asked once more. Each begun step must {@link end}. */
  begin(lane: number, entries: number, bytes: number, again: () => void): Admitted | undefined {
    const { maxEntries, maxBytes } = this.#limits;
    return this.#begin(lane, entries, bytes, maxEntries, maxBytes, again);
  }

  /**
   * {@link begin} for a step of `onFull: 'write-through'`, which may go beyond the capacity by what could wait for
   * room.
   */
  beginBeyond(lane: number, entries: number, bytes: number, again: () => void): Admitted | undefined {
    const { maxEntries, maxBytes, maxWaiters, maxWaitingBytes } = this.#limits;
    return this.#begin(lane, entries, bytes, maxEntries + maxWaiters, maxBytes + maxWaitingBytes, again);
  }

  #begin(
    lane: number,
    entries: number,
    bytes: number,
    maxEntries: number,
    maxBytes: number,
    again: () => void,
  ): Admitted | undefined {
    const occupied = this.occupied();
    const fits =
      occupied.entries + this.#entriesUnderWay + entries <= maxEntries &&
      occupied.bytes + this.#bytesUnderWay + bytes <= maxBytes;
    if (!fits && !this.isQuiet) {
      this.#waiting.push(again);
      return undefined;
    }
    this.#begun++;
    this.#entriesUnderWay += entries;
    this.#bytesUnderWay += bytes;
    const own = this.#watermarks[lane] as Watermark;
    return {
      maxEntries: Math.max(0, maxEntries - occupied.entries + own.entries),
      maxBytes: Math.max(0, maxBytes - occupied.bytes + own.bytes),
      entries,
      bytes,
    };
  }

  /** For a step that must not take room: others wait for that. */
  beginWithoutRoom(): Admitted {
    this.#begun++;
    return { maxEntries: 0, maxBytes: 0, entries: 0, bytes: 0 };
  }

  end({ entries, bytes }: Admitted): void {
    this.#ended++;
    this.#entriesUnderWay -= entries;
    this.#bytesUnderWay -= bytes;
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const again of waiting) again();
  }
}
