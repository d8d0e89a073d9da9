import { Executed, type Mutated } from './executed.ts';

/** One mutation that the front executed. */
export interface Entry extends Mutated {
  /** JSON text; undefined for a delete. */
  readonly json: string | undefined;
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

/** Every mutation of a document, of which a later one of the key replaces an earlier. */
export class History extends Executed<Entry> {
  ofKey(lane: number, key: string): readonly Entry[] {
    return (this.all[lane] as Entry[]).filter((entry) => entry.key === key);
  }

  /** The entry of which the store holds this row, or its letter. */
  findRow(lane: number, key: string, json: string | undefined): Entry | undefined {
    return (this.all[lane] as Entry[]).findLast((entry) => entry.key === key && entry.json === json);
  }

  /** A later mutation of the same key that the store was given, if there is one. */
  laterOf(entry: Entry): Entry | undefined {
    const own = this.ofKey(entry.lane, entry.key);
    return own.slice(own.indexOf(entry) + 1).find(({ fate }) => fate !== 'pending' && fate !== 'lost');
  }

  /** A commit takes everything up to the seq; what is left stays pending. */
  take(lane: number, cutSeq: number): Taken {
    const { log, doubtful } = this.takeAll(lane, cutSeq);
    const last = new Map<string, Entry>();
    const newest = new Map<string, Entry>();
    for (const entry of log) {
      newest.set(entry.key, entry);
      if (entry.seq > cutSeq) continue;
      const earlier = last.get(entry.key);
      if (earlier !== undefined) earlier.fate = 'superseded';
      last.set(entry.key, entry);
    }
    return { last, newest, doubtful };
  }

  /**
   * A refused write that waited, or is dead, has a later one now; of two that are refused, one that is dead stays so.
   */
  supersedeRefused(lane: number, key: string, isRefusedToo: boolean): void {
    for (const earlier of this.ofKey(lane, key))
      if (earlier.fate === 'dead' && !(earlier.isBuried && isRefusedToo)) earlier.fate = 'superseded';
  }

  /** The store has lost what came after the seq. */
  rolledBack(lane: number, seq: number): void {
    for (const entry of this.all[lane] as Entry[]) if (entry.seq > seq) entry.fate = 'lost';
  }
}
