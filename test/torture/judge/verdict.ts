import type { CacheName, Level } from '../ledger.ts';
import { type History, show, type Write } from './history.ts';

/** What the store was found to hold, and what it held before. */
export interface Evidence {
  /**
   * Every version of every document in the order in which the store made them: the id in it, null for a deleted row.
   */
  readonly versions: ReadonlyMap<string, readonly (string | null)[]>;
  /** The documents at the end. */
  readonly stored: ReadonlyMap<string, string>;
  /** The sum of each counter at the end. */
  readonly counts: ReadonlyMap<string, bigint>;
  /** The score of each member at the end. */
  readonly scores: ReadonlyMap<string, bigint>;
  /** The rows of the log, in the order in which the store made them, each with its order key. */
  readonly events: readonly { readonly id: string; readonly order: number }[];
}

/** What the kind of cycle promises. */
export interface Terms {
  /** Levels whose writes outlive the cycle's faults; what another level loses has to be reported. */
  readonly survives: ReadonlySet<Level>;
}

export const OFFENCES = ['lost', 'duplicated', 'reordered', 'resurrected', 'misread', 'falseAlarms', 'stuck'] as const;
export type Offence = (typeof OFFENCES)[number];

export interface Violation {
  readonly offence: Offence;
  readonly what: string;
}

/** All that a verdict is made of. */
export interface Case {
  readonly history: History;
  readonly evidence: Evidence;
  /** Acknowledged writes that may be gone: their level does not survive the faults, and their loss was reported. */
  readonly excused: ReadonlySet<Write>;
  /** Whether a write that was never acknowledged can vanish after it was seen. */
  readonly forgets: boolean;
}

/** Who judges what became of the writes of one cache. */
export abstract class Accuser {
  protected readonly matter: Case;
  protected readonly accusations: Violation[] = [];

  constructor(matter: Case) {
    this.matter = matter;
  }

  protected accuse(offence: Offence, what: string): void {
    this.accusations.push({ offence, what });
  }

  /** Whether it has to be found: it was acknowledged, and nothing excuses its loss. */
  protected isPromised(write: Write): boolean {
    return write.acked !== undefined && !this.matter.excused.has(write);
  }

  /** A write that the store refuses ends as one dead letter. */
  protected judgeRefused(cache: CacheName, write: Write): void {
    const letters = this.matter.history.dead.filter(
      (letter) => letter.cache === cache && (cache === 'events' ? letter.id === write.id : letter.key === write.key),
    ).length;
    if (letters === 0 && this.isPromised(write))
      this.accuse('lost', `${show(write)} was acknowledged, and is no dead letter`);
    if (letters > 1) this.accuse('duplicated', `${show(write)} has ${letters} dead letters`);
  }
}

export function grouped<T>(items: Iterable<T>, by: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(by(item));
    if (group === undefined) groups.set(by(item), [item]);
    else group.push(item);
  }
  return groups;
}
