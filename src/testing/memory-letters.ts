/** The letters of the store in memory. */
import { FINISHED_KEPT_MS, type Judge, type Verdict } from '../core/letter.ts';
import { kindField, kindOf, kindTraits } from '../core/shape.ts';
import type {
  DeadLetter,
  DeadLetterStore,
  DueLetters,
  LaneGeneration,
  Mutation,
  RedriveResult,
} from '../ports/store.ts';

interface Kept extends DeadLetter {
  readonly finishedAtMs?: number;
}

/** The letters of one cache in memory, with the contract of `DeadLetterStore`. Each method is one atomic step. */
export class MemoryLetters {
  readonly #cache: string;
  readonly #nowMs: () => number;
  #letters = new Map<string, Kept>();
  #lastId = 0;

  constructor(cache: string, nowMs: () => number) {
    this.#cache = cache;
    this.#nowMs = nowMs;
  }

  /** Every letter, oldest first. */
  get all(): readonly DeadLetter[] {
    return [...this.#letters.values()];
  }

  /** Remembers the letters as they are. What is returned restores that. */
  snapshot(): () => void {
    const letters = new Map(this.#letters);
    return () => void (this.#letters = new Map(letters));
  }

  /** Keeps a row that was refused with its generation; returns the id of its letter. */
  insert(mutation: Mutation, { generation, fromSeq, cutSeq }: LaneGeneration, code: string, verdict: Verdict): string {
    const id = `${(this.#lastId += 1)}`;
    const { lane, key, json } = mutation;
    const createdAt = new Date(this.#nowMs());
    const outcome = this.#outcomeOf(verdict);
    this.#letters.set(id, {
      id,
      cache: this.#cache,
      lane,
      key,
      kind: kindOf(mutation),
      json,
      code,
      message: 'refused',
      generation,
      fromSeq,
      cutSeq,
      createdAt,
      tries: 0,
      triedIn: undefined,
      supersededAt: undefined,
      ...outcome,
    });
    return id;
  }

  /** A later write of the keys is the last word now. Returns how many letters waited. */
  supersede(keys: ReadonlySet<string>): number {
    let waited = 0;
    for (const letter of this.#open()) {
      if (!keys.has(letter.key) || letter.supersededAt !== undefined) continue;
      const superseded = { ...letter, supersededAt: new Date(this.#nowMs()) };
      if (letter.state === 'waiting') waited++;
      this.#letters.set(letter.id, letter.state === 'waiting' ? this.#finished(superseded, 'superseded') : superseded);
    }
    return waited;
  }

  /** Removes what is finished for long enough. */
  sweep(lane: number): void {
    for (const { id, lane: of, finishedAtMs } of this.#letters.values()) {
      if (of === lane && finishedAtMs !== undefined && finishedAtMs < this.#nowMs() - FINISHED_KEPT_MS)
        this.#letters.delete(id);
    }
  }

  /** `epoch` tries letters that still wait again; `write` stores a row, or gives the code with which it is refused. */
  retry(
    epoch: number,
    letters: readonly DeadLetter[],
    judge: Judge,
    write: (row: Mutation) => string | undefined,
  ): DeadLetter[] {
    return letters.flatMap(({ id, lane, key, kind, json, tries }) => {
      const before = this.#letters.get(id);
      if (before?.state !== 'waiting' || before.tries !== tries) return [];
      const letter = { ...before, tries: tries + 1, triedIn: epoch };
      const code = write({
        lane,
        key,
        json: kindTraits(kind).isDelete ? undefined : json,
        ...kindField(kind),
      });
      const after =
        code === undefined
          ? this.#finished(letter, 'stored')
          : { ...letter, code, ...this.#outcomeOf(judge({ code, attempts: letter.attempts })) };
      this.#letters.set(id, after);
      return [after];
    });
  }

  /** All but `retry`, which writes rows. */
  readonly store: Omit<DeadLetterStore, 'retry'> = {
    list: ({ limit, after = '0', state }) =>
      Promise.resolve(
        this.#open()
          .filter((letter) => Number(letter.id) > Number(after) && (state ?? letter.state) === letter.state)
          .slice(0, limit),
      ),
    get: (id) => Promise.resolve(this.#open().find((letter) => letter.id === id)),
    ofKey: (key) => Promise.resolve(this.#open().findLast((letter) => letter.key === key)),
    count: () => {
      const dead = this.#open().filter(({ state }) => state === 'dead');
      const superseded = dead.filter(({ supersededAt }) => supersededAt !== undefined).length;
      return Promise.resolve({
        waiting: this.#open().length - dead.length,
        dead: dead.length - superseded,
        superseded,
      });
    },
    find: (ids) => Promise.resolve(this.all.filter(({ id }) => ids.includes(id))),
    ofWrite: (key, seq) =>
      Promise.resolve(this.all.find((letter) => letter.key === key && letter.fromSeq <= seq && seq <= letter.cutSeq)),
    ofGeneration: (lane, generation) =>
      Promise.resolve(this.all.filter((letter) => letter.lane === lane && letter.generation === generation)),
    due: (lane, limit) => Promise.resolve(this.#due(lane, limit)),
    storedKeys: (lane) =>
      Promise.resolve([
        ...new Set(
          this.all.filter((letter) => letter.lane === lane && letter.state === 'stored').map(({ key }) => key),
        ),
      ]),
    redrive: (id) => Promise.resolve(this.#redrive(id)),
    discard: (id) => Promise.resolve(this.#discard(id)),
  };

  #open(): (DeadLetter & { readonly state: 'waiting' | 'dead' })[] {
    return this.all.filter(
      (letter): letter is DeadLetter & { readonly state: 'waiting' | 'dead' } =>
        letter.state === 'waiting' || letter.state === 'dead',
    );
  }

  #due(lane: number, limit: number): DueLetters {
    const waiting = this.#open().filter((letter) => letter.lane === lane && letter.state === 'waiting');
    const dueInMs = (letter: DeadLetter): number => (letter.retryAt?.getTime() ?? 0) - this.#nowMs();
    const sorted = waiting.toSorted((a, b) => dueInMs(a) - dueInMs(b) || Number(a.id) - Number(b.id));
    const [next] = sorted;
    return {
      letters: sorted.filter((letter) => dueInMs(letter) <= 0).slice(0, limit),
      nextInMs: next === undefined ? undefined : dueInMs(next),
      any: this.all.some((letter) => letter.lane === lane),
    };
  }

  #redrive(id: string): RedriveResult | undefined {
    const letter = this.#open().find((open) => open.id === id);
    if (letter === undefined) return undefined;
    if (letter.supersededAt !== undefined) {
      this.#letters.set(id, this.#finished(letter, 'discarded'));
      return { kind: 'superseded' };
    }
    this.#letters.set(id, { ...letter, ...this.#outcomeOf({ state: 'waiting', attempts: 0, retryInMs: 0 }) });
    return { kind: 'waiting', lane: letter.lane, revived: letter.state === 'dead' };
  }

  #discard(id: string): 'waiting' | 'dead' | undefined {
    const letter = this.#open().find((open) => open.id === id);
    if (letter !== undefined) this.#letters.set(id, this.#finished(letter, 'discarded'));
    return letter?.state;
  }

  #finished(letter: DeadLetter, state: 'stored' | 'superseded' | 'discarded'): Kept {
    return { ...letter, state, json: undefined, retryAt: undefined, finishedAtMs: this.#nowMs() };
  }

  #outcomeOf(verdict: Verdict): Pick<DeadLetter, 'state' | 'attempts' | 'retryAt'> {
    const { state, attempts } = verdict;
    return {
      state,
      attempts,
      retryAt: verdict.state === 'waiting' ? new Date(this.#nowMs() + verdict.retryInMs) : undefined,
    };
  }
}
