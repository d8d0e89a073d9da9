/**
 * What becomes of a row that the store refused. Its letter waits for another attempt until the row is stored, a later
 * write of its key is stored, or its attempts are used up.
 *
 * ```
 * refused ──attempts left──▶ waiting ──retry refused, attempts left──▶ waiting
 *    │                          │ ├──retry stored──▶ stored
 *    └──none left──▶ dead ◀─────┘ ├──later write of the key──▶ superseded
 *                     │           └──operator──▶ discarded
 *                     ├──redrive──▶ waiting, unless a later write of the key is known
 *                     └──operator──▶ discarded
 * ```
 */
import { backoffMs } from './backoff.ts';

/** `stored`, `superseded` and `discarded` are finished: the letter has no value any more and is removed soon. */
export type LetterState = 'waiting' | 'dead' | 'stored' | 'superseded' | 'discarded';

/** How long a finished letter tells what became of it, at least. */
export const FINISHED_KEPT_MS = 60_000;

export interface Refusal {
  /** The store's code. */
  readonly code: string;
  /**
   * Attempts that the letter has used up; undefined when the row was refused with its generation, and has no letter
   * yet.
   */
  readonly attempts: number | undefined;
  /** The row that it refers to is missing, and may be on its way in another lane. */
  readonly lacksParent?: boolean;
}

/** `attempts` are used up now; a waiting row is tried again after `retryInMs`. */
export type Verdict =
  | { readonly state: 'waiting'; readonly attempts: number; readonly retryInMs: number }
  | { readonly state: 'dead'; readonly attempts: number };

export type Judge = (refusal: Refusal) => Verdict;

/** Of a row that was refused with others and not tried alone: no attempt is used up, and it is due at once. */
export const POSTPONED: Verdict = { state: 'waiting', attempts: 0, retryInMs: 0 };

export interface LetterPolicy {
  /** Refusals after which a row is dead; 1 at least. */
  readonly attempts: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** In this time every lane has flushed what was pending. */
  readonly flushDelayMs: number;
}

/**
 * A row is dead at its `attempts`-th refusal. One that lacks its parent in a generation uses up no attempt: the row
 * that it refers to is given the time of a flush. `fraction` is a random number from 0 to 1.
 */
export function judgeRefusal(refusal: Refusal, policy: LetterPolicy, fraction: number): Verdict {
  const { attempts: before, lacksParent = false } = refusal;
  if (before === undefined && lacksParent) {
    return {
      state: 'waiting',
      attempts: 0,
      retryInMs: policy.flushDelayMs + backoffMs(1, policy.minDelayMs, policy.maxDelayMs, fraction),
    };
  }
  const attempts = (before ?? 0) + 1;
  if (attempts >= policy.attempts) return { state: 'dead', attempts };
  return { state: 'waiting', attempts, retryInMs: backoffMs(attempts, policy.minDelayMs, policy.maxDelayMs, fraction) };
}

/**
 * Why a cache that has letters cannot go on without write-behind, or undefined: its writes would not replace what
 * waits, so a retry or a redrive could put an older value over a newer one.
 */
export function lettersInTheWay({
  waiting,
  dead,
  superseded,
}: {
  readonly waiting: number;
  readonly dead: number;
  readonly superseded: number;
}): string | undefined {
  if (waiting + dead + superseded === 0) return undefined;
  return (
    `It has ${waiting} waiting and ${dead + superseded} dead letters from a write-behind policy, which later writes ` +
    "would not replace. Store, redrive or discard them with policy: 'write-behind' (millrace dead list) before you " +
    'change it.'
  );
}
