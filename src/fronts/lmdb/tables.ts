import type { Database, Key, RootDatabase } from 'lmdb';
import { utf8Keys } from './keys.ts';
import { ValueBytes } from './value-bytes.ts';

/** Layout of the environment; another number is another layout, which this version does not read. */
export const FORMAT = '2';

export type SetKind = 'slots' | 'marks';

/** The tables of an environment, all in one file and one transaction. */
export class Tables {
  /** One row for each lane, and what belongs to the whole environment: run id, processes, garbage, numbers. */
  readonly lanes: Database<string, Key>;
  /**
   * `<set><key>`: a slot or a frozen value; `<set><number>`: an entry of a log. The entry's version is when it expires,
   * in ms, or 0.
   */
  readonly slots: Database<string, string>;
  /** `<set><key>`: marks of pending and of flight, deltas, and expiries of keys that are still dirty. */
  readonly marks: Database<string, string>;
  /** `<time><set><key>`: slots to look at, by when. One may have been written or removed since. */
  readonly due: Database<string, string>;
  readonly #bytes = new ValueBytes();
  readonly #onGarbage: () => void;

  /** `onGarbage` is told when there is something to remove. */
  constructor(root: RootDatabase, onGarbage: () => void) {
    const common = { encoding: 'string', keyEncoder: utf8Keys } as const;
    this.lanes = root.openDB<string, Key>({ name: 'lanes', encoding: 'string' });
    this.slots = root.openDB<string, string>({ name: 'slots', useVersions: true, ...common });
    this.marks = root.openDB<string, string>({ name: 'marks', ...common });
    this.due = root.openDB<string, string>({ name: 'due', ...common });
    this.#onGarbage = onGarbage;
  }

  /** Puts a slot, a frozen value or an entry of a log. Only in a transaction. */
  putSlot(row: string, text: string, expiresAtMs = 0): void {
    void this.slots.put(row, this.#bytes.of(text), expiresAtMs);
  }

  /** A number that nothing in this environment had before. Only in a transaction. */
  takeNumber(): number {
    const next = Number(this.lanes.get('next') ?? '1');
    void this.lanes.put('next', String(next + 1));
    return next;
  }

  /** Nobody uses this set any more: it is removed in the background. Only in a transaction. */
  addGarbage(kind: SetKind, set: string): void {
    if (set === '') return;
    void this.lanes.put(['garbage', set], kind);
    this.#onGarbage();
  }
}
