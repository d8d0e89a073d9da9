import { type Duration, parseDuration } from './core/duration.ts';
import { untilAborted } from './engine/base/abort.ts';
import type { Engine } from './engine/engine.ts';
import { type Receipt, STORED_RECEIPT } from './engine/lanes/receipt.ts';
import type { Ways } from './engine/shapes/plug.ts';
import { MillraceError } from './errors.ts';
import type { DeadLetterStore, DeadLetter as StoredLetter } from './ports/store.ts';

/** A write that the store refused, with the value it had: `waiting` for another attempt, or `dead`. */
export interface DeadLetter<V> extends Omit<StoredLetter, 'json'> {
  /** `undefined` for a delete. */
  readonly value: V | undefined;
}

/**
 * What redriving a letter did. `redriven`: its value is stored. `superseded`: the key has been written since, the store
 * keeps what it has, and the letter was removed. `scheduled`: it is due, and nobody has tried it yet, because nobody
 * flushes or the store is down; `receipt.stored()` waits on.
 */
export type Redrive =
  | {
      /** Whether its value is stored already. */
      readonly outcome: 'redriven' | 'scheduled';
      /** Waits for the store, where it is not. */
      readonly receipt: Receipt;
    }
  | {
      /** The store keeps a later write of the key. */
      readonly outcome: 'superseded';
    };

/** Options of one `redrive`. */
export interface RedriveOptions {
  /** How long to wait for the outcome before it is `scheduled`; 0 does not wait. Default '5s'. */
  readonly timeout?: Duration;
  /** Gives up waiting; the letter stays due. */
  readonly signal?: AbortSignal;
}

const REDRIVE_TIMEOUT_MS = 5_000;

/**
 * The letters of one cache: writes that the store refused. Rejects with MILLRACE_UNSUPPORTED where the store keeps
 * none.
 */
export class DeadLetters<V> {
  readonly #cache: string;
  readonly #engine: () => Promise<Engine<Ways>>;
  readonly #read: (json: string) => V;

  /** @internal */
  constructor(cache: string, engine: () => Promise<Engine<Ways>>, read: (json: string) => V) {
    this.#cache = cache;
    this.#engine = engine;
    this.#read = read;
  }

  /** A page of letters, oldest first; `after` is the id of the last one seen. Default limit 100, and both states. */
  async list(
    page: { readonly limit?: number; readonly after?: string; readonly state?: 'waiting' | 'dead' } = {},
  ): Promise<DeadLetter<V>[]> {
    const letters = await (await this.#letters()).list({
      limit: page.limit ?? 100,
      after: page.after,
      state: page.state,
    });
    return letters.map((letter) => this.#reveal(letter));
  }

  /** The letter with this id, while it waits or is dead; undefined when there is none. */
  async get(id: string): Promise<DeadLetter<V> | undefined> {
    const letter = await (await this.#letters()).get(id);
    return letter === undefined ? undefined : this.#reveal(letter);
  }

  /**
   * Makes a letter due at once, with all attempts before it, and waits for what becomes of it. Whoever flushes its lane
   * stores it, in order with the lane's writes: a later write of the key is never replaced, be it pending, stored or
   * refused. Rejects with MILLRACE_KEY when there is no such letter, with MILLRACE_REJECTED when the store refuses it
   * to the end again, and with MILLRACE_ABORTED.
   */
  async redrive(id: string, options: RedriveOptions = {}): Promise<Redrive> {
    const timeoutMs = parseDuration(options.timeout ?? REDRIVE_TIMEOUT_MS);
    if (timeoutMs === undefined)
      throw new MillraceError(
        'MILLRACE_OPTIONS',
        `timeout must be a duration such as '5s' or milliseconds, not ${String(options.timeout)}.`,
        { cache: this.#cache },
      );
    const letters = await this.#letters();
    const done = await letters.redrive(id);
    if (done === undefined) throw this.#missing(id);
    if (done.kind === 'superseded') return { outcome: 'superseded' };
    const engine = await this.#engine();
    if (done.revived) engine.counts.accepted++;
    const outcome = engine.letterOutcome(id);
    // Whoever asks for the receipt hears of it; nobody has to.
    outcome.catch(() => undefined);
    engine.lettersChanged(done.lane);
    const state = await untilAborted(
      engine.letterOutcomeWithin(timeoutMs, outcome),
      options.signal,
      this.#cache,
      undefined,
    );
    if (state === 'superseded') return { outcome: 'superseded' };
    if (state === 'stored') return { outcome: 'redriven', receipt: STORED_RECEIPT };
    return { outcome: 'scheduled', receipt: { stored: () => outcome.then(() => undefined) } };
  }

  /**
   * Removes a letter's value for good; a write that waits is given up. Rejects with MILLRACE_KEY when there is no such
   * letter.
   */
  async discard(id: string): Promise<void> {
    const was = await (await this.#letters()).discard(id);
    if (was === undefined) throw this.#missing(id);
    if (was === 'waiting') (await this.#engine()).counts.dead++;
  }

  async #letters(): Promise<DeadLetterStore> {
    const { letters } = await this.#engine();
    if (letters !== undefined) return letters;
    throw new MillraceError(
      'MILLRACE_UNSUPPORTED',
      `Cache "${this.#cache}" keeps no dead letters: its policy or its store has none.`,
      { cache: this.#cache },
    );
  }

  #missing(id: string): MillraceError {
    return new MillraceError(
      'MILLRACE_KEY',
      `Cache "${this.#cache}" has no dead letter ${id}; list them to see which there are.`,
      { cache: this.#cache },
    );
  }

  #reveal({ json, ...letter }: StoredLetter): DeadLetter<V> {
    return { ...letter, value: json === undefined ? undefined : this.#read(json) };
  }
}
