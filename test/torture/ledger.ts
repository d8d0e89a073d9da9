import { closeSync, openSync, writeSync } from 'node:fs';

/** What a write asks for, and what a cycle's faults leave alone. */
export type Level = 'buffered' | 'fsynced' | 'replicated' | 'stored';

/** What a cycle's processes share: documents by key, counters, a log, and a leaderboard. */
export const CACHES = ['docs', 'counts', 'events', 'scores'] as const;
export type CacheName = (typeof CACHES)[number];

export type Mutation = 'put' | 'delete' | 'delta' | 'append' | 'score';

const CACHE_OF = { put: 'docs', delete: 'docs', delta: 'counts', append: 'events', score: 'scores' } as const;
export const cacheOf = (mutation: Mutation): CacheName => CACHE_OF[mutation];

/** Keys whose writes the store refuses; each is written once. */
export const isRefusedKey = (key: string): boolean => key.startsWith('refused');

/**
 * How many increments a counter's key takes, each another power of 4: a digit of the sum tells of each whether it was
 * added, and how often.
 */
export const DIGITS = 31;
/** How many additions a member of the leaderboard takes, in the same way: scores are doubles, and exact below 2^53. */
export const SCORE_DIGITS = 26;

/** What is about to be asked for. */
export interface Asked {
  /** Names it in the whole cycle, and is in the document or the event. */
  readonly id: string;
  /** Of the document or the counter; events of one key have an order. */
  readonly key: string;
  readonly mutation: Mutation;
  readonly level: Level;
  /** Of an increment or a score: it adds 4 to this power, which nobody else adds to its key. */
  readonly digit?: number;
}

/**
 * One line of a member's ledger. `t` and `from` are milliseconds on the clock of {@link now}, the same for all
 * processes.
 */
export type Line =
  | ({ readonly what: 'ask'; readonly t: number } & Asked)
  /** It was acknowledged at its level; where it stands in its lane, if the subject tells. */
  | {
      readonly what: 'ack';
      readonly t: number;
      readonly id: string;
      readonly lane: number;
      readonly epoch: number;
      readonly seq: number;
    }
  /** It was refused, or its outcome is not known. */
  | { readonly what: 'fail'; readonly t: number; readonly id: string; readonly code: string }
  /** `receipt.stored()` resolved, or rejected. */
  | { readonly what: 'stored'; readonly t: number; readonly id: string }
  | { readonly what: 'unstored'; readonly t: number; readonly id: string; readonly code: string }
  /** A read answered at `t`: the id that was in the document, or null for no value. */
  | {
      readonly what: 'got';
      readonly from: number;
      readonly t: number;
      readonly key: string;
      readonly id: string | null;
    }
  /** A counter's total or a member's score, as text. */
  | {
      readonly what: 'total';
      readonly cache: 'counts' | 'scores';
      readonly from: number;
      readonly t: number;
      readonly key: string;
      readonly total: string;
    }
  /** The subject reported that acknowledged writes are gone. */
  | {
      readonly what: 'loss';
      readonly t: number;
      readonly cache: CacheName;
      readonly lane: number;
      readonly count: number;
      readonly cause: string;
    }
  /** Something that ends the cycle in failure: a lane that stopped, a drain that did not end. */
  | { readonly what: 'stuck'; readonly t: number; readonly why: string }
  /** The whole leaderboard after the drain, the best first. */
  | { readonly what: 'board'; readonly t: number; readonly rows: readonly (readonly [member: string, score: string])[] }
  /** A dead letter that was there after the drain. */
  | { readonly what: 'dead'; readonly t: number; readonly cache: CacheName; readonly key: string; readonly id: string }
  /** The process was killed; written by who killed it. */
  | { readonly what: 'killed'; readonly t: number }
  /** For who reads the ledger. */
  | { readonly what: 'note'; readonly t: number; readonly text: string };

/** Milliseconds since the machine was started: processes agree on it, and nobody sets it. */
export const now = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

/**
 * Appends lines to a file; each is in the hands of the operating system before the next step, so kill -9 loses none.
 */
export class Ledger {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(line: Line): void {
    // Begins with the line's end: what follows a line that was cut off is whole.
    writeSync(this.#file, `\n${JSON.stringify(line)}`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The lines of a ledger; one that a crash cut off counts as not written. */
export function parseLedger(text: string): Line[] {
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Line];
    } catch {
      return [];
    }
  });
}
