import type { Position } from './watermark.ts';

/** The acknowledgement of one write. */
export interface Receipt {
  /**
   * Resolves when the store has the write, or a later one of its key. Rejects with MILLRACE_REJECTED when the store
   * refused it, MILLRACE_LOST when the front lost it, MILLRACE_CLOSED when the cache was closed before.
   */
  stored(): Promise<void>;
}

/** Who knows what became of a position. */
export interface ReceiptProgress {
  stored(position: Position, key: string | undefined): Promise<void>;
}

/** The receipt of a write that the front holds. One object per write, so it is its own position. */
export class PendingReceipt implements Receipt, Position {
  readonly #progress: ReceiptProgress;
  readonly key: string;
  readonly lane: number;
  readonly epoch: number;
  readonly seq: number;

  constructor(progress: ReceiptProgress, key: string, lane: number, epoch: number, seq: number) {
    this.#progress = progress;
    this.key = key;
    this.lane = lane;
    this.epoch = epoch;
    this.seq = seq;
  }

  stored(): Promise<void> {
    return this.#progress.stored(this, this.key);
  }
}

/** The receipt of a write that the store holds already. */
export const STORED_RECEIPT: Receipt = { stored: () => Promise.resolve() };
