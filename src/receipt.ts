import type { Engine } from './engine/engine.ts';
import type { Position } from './engine/watermark.ts';

/** The acknowledgement of one write. */
export interface Receipt {
  /**
   * Resolves when the store has the write, or a later one of its key. Rejects with MILLRACE_REJECTED when the store
   * refused it, MILLRACE_LOST when the front lost it, MILLRACE_CLOSED when the cache was closed before.
   */
  stored(): Promise<void>;
}

/** The receipt of a write that the front holds. */
export class PendingReceipt implements Receipt {
  readonly #engine: Engine;
  readonly #position: Position;
  readonly #key: string;

  constructor(engine: Engine, position: Position, key: string) {
    this.#engine = engine;
    this.#position = position;
    this.#key = key;
  }

  stored(): Promise<void> {
    return this.#engine.stored(this.#position, this.#key);
  }
}

/** The receipt of a write that the store holds already. */
export const STORED_RECEIPT: Receipt = { stored: () => Promise.resolve() };
