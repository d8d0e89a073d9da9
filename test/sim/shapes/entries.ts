import type { DeadLetter } from '../../../src/ports/store.ts';
import type { SimTable } from '../sim-table.ts';

/** Where a mutation stands in its lane. */
export interface Pos {
  readonly lane: number;
  readonly epoch: number;
  readonly seq: number;
}

/** What the front executed of one key in one step: the sum of some increments, or one event. */
export interface Entry {
  readonly lane: number;
  readonly key: string;
  /** The sum, or the event with its order key, as the store is given it. */
  readonly json: string;
  readonly epoch: number;
  /** Seqs of its step, or its own. */
  readonly fromSeq: number;
  readonly seq: number;
  fate: 'pending' | 'stored' | 'refused' | 'lost';
  /** Whether it was refused for the last time at some time. */
  wasDead: boolean;
}

/** What names the entries that a letter was written for. */
export type LetterOf = Pick<DeadLetter, 'lane' | 'key' | 'fromSeq' | 'cutSeq'>;

/**
 * Everything that the front executed, and what became of it. What is lost by a restart or FLUSHALL is taken out, unless
 * a transaction with it is under way: then it is in doubt, until that is committed or cannot be any more.
 */
export class Entries {
  /** What the front has and the store does not, by lane, in the order of execution. */
  readonly #pending: Entry[][];
  readonly #all: Entry[][];
  /** What the front has lost while a transaction with it was under way. */
  readonly #doubt: Entry[][];
  /** The last epoch that the store issued, by lane. */
  readonly #epochs: number[] = [];
  /** Up to which seq a transaction under way reaches whose lane was rewound, by lane. */
  readonly #inFlightSeq: number[] = [];
  /** Lanes that lost something at some time. */
  readonly lossy = new Set<number>();
  losses = 0;

  constructor(lanes: number) {
    const perLane = (): Entry[][] => Array.from({ length: lanes }, () => []);
    this.#pending = perLane();
    this.#all = perLane();
    this.#doubt = perLane();
  }

  pending(lane: number): readonly Entry[] {
    return this.#pending[lane] as Entry[];
  }

  find({ lane, epoch, seq }: Pos, key: string): Entry | undefined {
    return (this.#all[lane] as Entry[]).findLast((entry) => entry.key === key && entry.epoch === epoch && entry.fromSeq <= seq && seq <= entry.seq);
  }

  /** What a letter was written for. */
  ofLetter({ lane, key, fromSeq, cutSeq }: LetterOf): readonly Entry[] {
    return (this.#all[lane] as Entry[]).filter((entry) => entry.key === key && fromSeq <= entry.seq && entry.seq <= cutSeq && (entry.fate === 'refused' || entry.fate === 'stored'));
  }

  executed(entry: Entry): void {
    (this.#pending[entry.lane] as Entry[]).push(entry);
    (this.#all[entry.lane] as Entry[]).push(entry);
  }

  /** A commit takes everything up to the seq, in order; what is left stays pending. */
  take(lane: number, cutSeq: number): readonly Entry[] {
    const doubtful = (this.#doubt[lane] as Entry[]).splice(0);
    const all = [...this.pending(lane), ...doubtful].sort((a, b) => a.seq - b.seq);
    this.#pending[lane] = all.filter((entry) => entry.seq > cutSeq && entry.fate !== 'lost');
    return all.filter((entry) => entry.seq <= cutSeq);
  }

  /**
   * Remembers what became of everything. What is returned restores that, at a time when nothing is pending: what the store does not
   * have any more is lost.
   */
  copy(): () => void {
    const fates = this.#all.map((entries) => entries.map(({ fate }) => fate));
    return () => {
      this.#all.forEach((entries, lane) => {
        entries.forEach((entry, i) => {
          const fate = fates[lane]?.[i];
          entry.fate = fate === 'stored' || fate === 'refused' ? fate : 'lost';
        });
      });
    };
  }

  /** The front's lane was replaced by an earlier state of it, or by nothing. */
  rewound(lane: number, before: SimTable | undefined, seq: number): void {
    const flight = before?.header?.flight;
    // Only a transaction of the last epoch can still be committed.
    const inFlightSeq = Math.max(this.#inFlightSeq[lane] ?? 0, flight?.state === 'cut' && before?.header?.epoch === this.#epochs[lane] ? flight.cutSeq : 0);
    this.#inFlightSeq[lane] = inFlightSeq;
    const lost = this.pending(lane).filter((entry) => entry.seq > seq);
    for (const entry of lost) {
      entry.fate = 'lost';
      if (entry.seq <= inFlightSeq) (this.#doubt[lane] as Entry[]).push(entry);
      this.losses++;
      this.lossy.add(lane);
    }
    this.#pending[lane] = this.pending(lane).filter((entry) => entry.seq <= seq);
  }

  /** From now on no transaction of an earlier epoch can be committed. */
  epochRaised(lane: number, epoch: number): void {
    this.#epochs[lane] = epoch;
    this.#inFlightSeq[lane] = 0;
    (this.#doubt[lane] as Entry[]).length = 0;
  }
}
