import type { DeadLetter } from '../../../src/ports/store.ts';
import { Executed, type Mutated } from '../oracle/executed.ts';

/** What the front executed of one key in one step: the sum of some increments, or one event. */
export interface Entry extends Mutated {
  /** The sum, or the event with its order key, as the store is given it. */
  readonly json: string;
  fate: 'pending' | 'stored' | 'refused' | 'lost';
  /** Whether it was refused for the last time at some time. */
  wasDead: boolean;
}

/** What names the entries that a letter was written for. */
export type LetterOf = Pick<DeadLetter, 'lane' | 'key' | 'fromSeq' | 'cutSeq'>;

/** Every sum, event and score, each of which counts by itself. */
export class Entries extends Executed<Entry> {
  /** What a letter was written for. */
  ofLetter({ lane, key, fromSeq, cutSeq }: LetterOf): readonly Entry[] {
    return (this.all[lane] as Entry[]).filter(
      (entry) =>
        entry.key === key &&
        fromSeq <= entry.seq &&
        entry.seq <= cutSeq &&
        (entry.fate === 'refused' || entry.fate === 'stored'),
    );
  }

  /** A commit takes everything up to the seq, in order; what is left stays pending. */
  take(lane: number, cutSeq: number): readonly Entry[] {
    return this.takeAll(lane, cutSeq).log.filter((entry) => entry.seq <= cutSeq);
  }

  /**
   * Remembers what became of everything. What is returned restores that, at a time when nothing is pending: what the
   * store does not have any more is lost.
   */
  copy(): () => void {
    const fates = this.all.map((entries) => entries.map(({ fate }) => fate));
    return () => {
      this.all.forEach((entries, lane) => {
        entries.forEach((entry, i) => {
          const fate = fates[lane]?.[i];
          entry.fate = fate === 'stored' || fate === 'refused' ? fate : 'lost';
        });
      });
    };
  }
}
