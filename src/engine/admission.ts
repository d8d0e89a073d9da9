import type { BackpressureSettings } from './settings.ts';
import type { Watermark } from './watermark.ts';

/** What one write step may fill its lane up to. */
export interface Allowance {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/**
 * Keeps the entries and bytes of all lanes together within the cache's capacity. A front counts each lane for itself;
 * this counts what the process knows of the others. Far from the limit every writer goes ahead; near it one step goes
 * at a time, with exactly what is left.
 */
export class Admission {
  readonly #limits: BackpressureSettings;
  readonly #watermarks: readonly Watermark[];
  /** Keys and bytes of the steps under way. */
  #steps = 0;
  #entriesUnderWay = 0;
  #bytesUnderWay = 0;
  #waiting: (() => void)[] = [];

  constructor(limits: BackpressureSettings, watermarks: readonly Watermark[]) {
    this.#limits = limits;
    this.#watermarks = watermarks;
  }

  /** Lets a step begin, or calls `again` when it may be asked once more. Each begun step must {@link end}. */
  begin(lane: number, entries: number, bytes: number, again: () => void): Allowance | undefined {
    let others = 0;
    let otherBytes = 0;
    let own: Watermark | undefined;
    for (let i = 0; i < this.#watermarks.length; i++) {
      const watermark = this.#watermarks[i] as Watermark;
      if (i === lane) own = watermark;
      else {
        others += watermark.entries;
        otherBytes += watermark.bytes;
      }
    }
    const fits =
      others + (own?.entries ?? 0) + this.#entriesUnderWay + entries <= this.#limits.maxEntries &&
      otherBytes + (own?.bytes ?? 0) + this.#bytesUnderWay + bytes <= this.#limits.maxBytes;
    if (!fits && this.#steps > 0) {
      this.#waiting.push(again);
      return undefined;
    }
    this.#steps++;
    this.#entriesUnderWay += entries;
    this.#bytesUnderWay += bytes;
    return { maxEntries: Math.max(0, this.#limits.maxEntries - others), maxBytes: Math.max(0, this.#limits.maxBytes - otherBytes) };
  }

  end(entries: number, bytes: number): void {
    this.#steps--;
    this.#entriesUnderWay -= entries;
    this.#bytesUnderWay -= bytes;
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const again of waiting) again();
  }
}
