import type { SimTable } from '../sim-table.ts';

/** Where a mutation stands in its lane. */
export interface Pos {
  readonly lane: number;
  readonly epoch: number;
  readonly seq: number;
}

/** One mutation that the front executed. */
export interface Entry {
  readonly lane: number;
  readonly key: string;
  /** JSON text; undefined for a delete. */
  readonly json: string | undefined;
  readonly epoch: number;
  /** Seqs of the batch it was in. */
  readonly fromSeq: number;
  readonly seq: number;
  fate: 'pending' | 'committed' | 'superseded' | 'dead' | 'lost';
  /** Whether the store refused it at some time. */
  wasRefused: boolean;
  /** Whether it was refused for the last time. */
  isBuried: boolean;
}

/** What a commit up to a seq takes. */
export interface Taken {
  /** The last entry of each key up to there: what must be stored, or refused. */
  readonly last: ReadonlyMap<string, Entry>;
  /** The last entry of each key, however late. */
  readonly newest: ReadonlyMap<string, Entry>;
  /** Entries that the front had lost, and the transaction had not. */
  readonly doubtful: readonly Entry[];
}

/**
 * Every mutation that the front executed, and what became of it. What is lost by a restart or FLUSHALL is taken out, unless
 * a transaction with it is under way: then it is in doubt, until that is committed or cannot be any more.
 */
export class History {
  /** Mutations that the front has and the store does not, by lane, in the order of their execution. */
  readonly #pending: Entry[][];
  /** All mutations ever executed, by lane. */
  readonly #all: Entry[][];
  /** Entries that the front has lost while a transaction with them was under way: it may still be committed. */
  readonly #doubt: Entry[][];
  /** The last epoch that the store issued, by lane. */
  readonly #epochs: number[] = [];
  /** Up to which seq a transaction under way reaches whose lane was rewound, by lane. */
  readonly #inFlightSeq: number[] = [];
  /** Lanes that lost acknowledged mutations at some time. */
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

  ofKey(lane: number, key: string): readonly Entry[] {
    return (this.#all[lane] as Entry[]).filter((entry) => entry.key === key);
  }

  find({ lane, epoch, seq }: Pos, key: string): Entry | undefined {
    return (this.#all[lane] as Entry[]).findLast((entry) => entry.key === key && entry.epoch === epoch && entry.fromSeq <= seq && seq <= entry.seq);
  }

  /** The entry of which the store holds this row, or its letter. */
  findRow(lane: number, key: string, json: string | undefined): Entry | undefined {
    return (this.#all[lane] as Entry[]).findLast((entry) => entry.key === key && entry.json === json);
  }

  /** A later mutation of the same key that the store was given, if there is one. */
  laterOf(entry: Entry): Entry | undefined {
    const own = this.ofKey(entry.lane, entry.key);
    return own.slice(own.indexOf(entry) + 1).find(({ fate }) => fate !== 'pending' && fate !== 'lost');
  }

  executed(entry: Entry): void {
    (this.#pending[entry.lane] as Entry[]).push(entry);
    (this.#all[entry.lane] as Entry[]).push(entry);
  }

  /** A commit takes everything up to the seq; what is left stays pending. */
  take(lane: number, cutSeq: number): Taken {
    const doubtful = (this.#doubt[lane] as Entry[]).splice(0);
    const log = [...this.pending(lane), ...doubtful].sort((a, b) => a.seq - b.seq);
    const last = new Map<string, Entry>();
    const newest = new Map<string, Entry>();
    for (const entry of log) {
      newest.set(entry.key, entry);
      if (entry.seq > cutSeq) continue;
      const earlier = last.get(entry.key);
      if (earlier !== undefined) earlier.fate = 'superseded';
      last.set(entry.key, entry);
    }
    this.#pending[lane] = log.filter((entry) => entry.seq > cutSeq && entry.fate !== 'lost');
    return { last, newest, doubtful };
  }

  /** A refused write that waited, or is dead, has a later one now; of two that are refused, one that is dead stays so. */
  supersedeRefused(lane: number, key: string, isRefusedToo: boolean): void {
    for (const earlier of this.ofKey(lane, key)) if (earlier.fate === 'dead' && !(earlier.isBuried && isRefusedToo)) earlier.fate = 'superseded';
  }

  /** The front's lane was replaced by an earlier state of it, or by nothing. */
  rewound(lane: number, before: SimTable | undefined, seq: number): void {
    const flight = before?.header?.flight;
    // Only a transaction of the last epoch can still be committed.
    const inFlightSeq = Math.max(this.#inFlightSeq[lane] ?? 0, flight?.state === 'cut' && before?.header?.epoch === this.#epochs[lane] ? flight.cutSeq : 0);
    this.#inFlightSeq[lane] = inFlightSeq;
    const log = this.#pending[lane] as Entry[];
    for (const entry of log) {
      if (entry.seq <= seq) continue;
      entry.fate = 'lost';
      if (entry.seq <= inFlightSeq) (this.#doubt[lane] as Entry[]).push(entry);
      this.losses++;
      this.lossy.add(lane);
    }
    this.#pending[lane] = log.filter((entry) => entry.seq <= seq);
  }

  /** From now on no transaction of an earlier epoch can be committed. */
  epochRaised(lane: number, epoch: number): void {
    this.#epochs[lane] = epoch;
    this.#inFlightSeq[lane] = 0;
    (this.#doubt[lane] as Entry[]).length = 0;
  }

  /** The store has lost what came after the seq. */
  rolledBack(lane: number, seq: number): void {
    for (const entry of this.#all[lane] as Entry[]) if (entry.seq > seq) entry.fate = 'lost';
  }
}
