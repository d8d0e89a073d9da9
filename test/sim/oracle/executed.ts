import type { SimTable } from '../sim-table.ts';

/** Where a mutation stands in its lane. */
export interface Pos {
  readonly lane: number;
  readonly epoch: number;
  readonly seq: number;
}

/** What the front executed of one key in one step. */
export interface Mutated extends Pos {
  readonly key: string;
  /** The first seq of its step, or its own; `seq` is the last. */
  readonly fromSeq: number;
  fate: string;
}

/**
 * Everything that the front executed, and what became of it. What is lost by a restart or FLUSHALL is taken out, unless
 * a transaction with it is under way: then it is in doubt, until that is committed or cannot be any more.
 */
export abstract class Executed<E extends Mutated> {
  /** What the front has and the store does not, by lane, in the order of execution. */
  readonly #pending: E[][];
  /** Everything ever executed, by lane. */
  protected readonly all: readonly E[][];
  /** What the front has lost while a transaction with it was under way: it may still be committed. */
  readonly #doubt: E[][];
  /** The last epoch that the store issued, by lane. */
  readonly #epochs: number[] = [];
  /** Up to which seq a transaction under way reaches whose lane was rewound, by lane. */
  readonly #inFlightSeq: number[] = [];
  /** Lanes that lost something at some time. */
  readonly lossy = new Set<number>();
  losses = 0;

  constructor(lanes: number) {
    const perLane = (): E[][] => Array.from({ length: lanes }, () => []);
    this.#pending = perLane();
    this.all = perLane();
    this.#doubt = perLane();
  }

  pending(lane: number): readonly E[] {
    return this.#pending[lane] as E[];
  }

  find({ lane, epoch, seq }: Pos, key: string): E | undefined {
    return (this.all[lane] as E[]).findLast(
      (entry) => entry.key === key && entry.epoch === epoch && entry.fromSeq <= seq && seq <= entry.seq,
    );
  }

  executed(entry: E): void {
    (this.#pending[entry.lane] as E[]).push(entry);
    (this.all[entry.lane] as E[]).push(entry);
  }

  /** A commit takes everything up to the seq; what is left stays pending. In order, with what was in doubt. */
  protected takeAll(lane: number, cutSeq: number): { readonly log: readonly E[]; readonly doubtful: readonly E[] } {
    const doubtful = (this.#doubt[lane] as E[]).splice(0);
    const log = [...this.pending(lane), ...doubtful].sort((a, b) => a.seq - b.seq);
    this.#pending[lane] = log.filter((entry) => entry.seq > cutSeq && entry.fate !== 'lost');
    return { log, doubtful };
  }

  /** The front's lane was replaced by an earlier state of it, or by nothing. */
  rewound(lane: number, before: SimTable | undefined, seq: number): void {
    const flight = before?.header?.flight;
    // Only a transaction of the last epoch can still be committed.
    const inFlightSeq = Math.max(
      this.#inFlightSeq[lane] ?? 0,
      flight?.state === 'cut' && before?.header?.epoch === this.#epochs[lane] ? flight.cutSeq : 0,
    );
    this.#inFlightSeq[lane] = inFlightSeq;
    const log = this.pending(lane);
    for (const entry of log) {
      if (entry.seq <= seq) continue;
      entry.fate = 'lost';
      if (entry.seq <= inFlightSeq) (this.#doubt[lane] as E[]).push(entry);
      this.losses++;
      this.lossy.add(lane);
    }
    this.#pending[lane] = log.filter((entry) => entry.seq <= seq);
  }

  /** From now on no transaction of an earlier epoch can be committed. */
  epochRaised(lane: number, epoch: number): void {
    this.#epochs[lane] = epoch;
    this.#inFlightSeq[lane] = 0;
    (this.#doubt[lane] as E[]).length = 0;
  }
}
