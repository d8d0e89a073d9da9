import type { Engine } from './engine/engine.ts';
import type { Receipt } from './engine/receipt.ts';
import { MillraceError } from './errors.ts';
import type { DeadLetter as StoredLetter, DeadLetterStore } from './ports/store.ts';

/** A write that the store refused for good, with the value it had. */
export interface DeadLetter<V> extends Omit<StoredLetter, 'json'> {
  /** `undefined` for a delete. */
  readonly value: V | undefined;
}

/** What redriving a letter did: `superseded` when the key has been written since, and the letter was only removed. */
export type Redrive = { readonly outcome: 'redriven'; readonly receipt: Receipt } | { readonly outcome: 'superseded' };

/** The dead letters of one cache. Rejects with MILLRACE_UNSUPPORTED where the store keeps none. */
export class DeadLetters<V> {
  readonly #cache: string;
  readonly #engine: () => Promise<Engine>;
  readonly #write: (key: string, json: string | undefined) => Promise<Receipt>;

  /** @internal */
  constructor(cache: string, engine: () => Promise<Engine>, write: (key: string, json: string | undefined) => Promise<Receipt>) {
    this.#cache = cache;
    this.#engine = engine;
    this.#write = write;
  }

  /** A page of letters, oldest first; `after` is the id of the last one seen. Default limit 100. */
  async list(page: { readonly limit?: number; readonly after?: string } = {}): Promise<DeadLetter<V>[]> {
    const letters = await (await this.#letters()).list({ limit: page.limit ?? 100, after: page.after });
    return letters.map((letter) => reveal<V>(letter));
  }

  async get(id: string): Promise<DeadLetter<V> | undefined> {
    const letter = await (await this.#letters()).get(id);
    return letter === undefined ? undefined : reveal<V>(letter);
  }

  /**
   * Writes the letter's value again and removes the letter. A key with a write that is pending, or with a later letter,
   * is left alone and only the letter removed. Rejects with MILLRACE_KEY when there is no such letter.
   */
  async redrive(id: string): Promise<Redrive> {
    const letters = await this.#letters();
    const letter = await letters.get(id);
    if (letter === undefined) throw this.#missing(id);
    const engine = await this.#engine();
    const newer = await this.#isSuperseded(engine, letter);
    if (newer) {
      await letters.remove([id]);
      return { outcome: 'superseded' };
    }
    const receipt = await this.#write(letter.key, letter.json);
    await letters.remove([id]);
    return { outcome: 'redriven', receipt };
  }

  /** Removes the letter and its value for good. Rejects with MILLRACE_KEY when there is no such letter. */
  async discard(id: string): Promise<void> {
    if ((await (await this.#letters()).remove([id])) === 0) throw this.#missing(id);
  }

  /** Dirty, or refused again since: then a later write of the key exists. */
  async #isSuperseded(engine: Engine, letter: StoredLetter): Promise<boolean> {
    const { front, store } = engine.context;
    const report = await front.inspect(letter.lane, letter.key);
    if (report.pending || report.inFlight) return true;
    const latest = await store.deadLetters?.ofKey(letter.key);
    return latest !== undefined && latest.id !== letter.id;
  }

  async #letters(): Promise<DeadLetterStore> {
    const { store } = (await this.#engine()).context;
    if (store.deadLetters !== undefined) return store.deadLetters;
    throw new MillraceError('MILLRACE_UNSUPPORTED', `Cache "${this.#cache}" keeps no dead letters: its policy or its store has none.`, { cache: this.#cache });
  }

  #missing(id: string): MillraceError {
    return new MillraceError('MILLRACE_KEY', `Cache "${this.#cache}" has no dead letter ${id}; list them to see which there are.`, { cache: this.#cache });
  }
}

function reveal<V>({ json, ...letter }: StoredLetter): DeadLetter<V> {
  return { ...letter, value: json === undefined ? undefined : (JSON.parse(json) as V) };
}
