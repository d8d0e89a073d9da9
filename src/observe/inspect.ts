import type { LaneHeader } from '../core/lane.ts';
import { readSlot } from '../core/slot.ts';
import type { SlotReport } from '../ports/front.ts';
import type { DeadLetter } from '../ports/store.ts';

/**
 * Where one key's value is. `state` is the short answer:
 * `pending` the front has it, the store not yet; `in-flight` a flush is bringing it there now; `stored` both have it
 * (or the front has let go of it); `waiting` the store refused its last write, which is tried again; `dead` it is not
 * any more; `writing` a write-through is under way;
 * `absent` neither has it; `cached` a value of a cache without write-behind.
 */
export interface Inspection {
  /** The key. */
  readonly key: string;
  /** Its lane, from 0. */
  readonly lane: number;
  /** The short answer. */
  readonly state: 'pending' | 'in-flight' | 'stored' | 'waiting' | 'dead' | 'writing' | 'absent' | 'cached';
  /** What the front's slot holds. */
  readonly front: 'value' | 'tombstone' | 'filling' | 'refreshing' | 'intent' | 'empty';
  /** Milliseconds until the front lets go of it; undefined when it does not expire. */
  readonly frontTtlMs: number | undefined;
  /** Whether the store has a row of the key. */
  readonly inStore: boolean;
  /** Since when the lane's oldest mutation waits that the store does not have; the key's own is at most as old. */
  readonly waitingSince: Date | undefined;
  /** Failed attempts in a row to flush its lane, as this process knows them. */
  readonly attempts: number;
  /** The last error of these; undefined when the last attempt did well, or was another process's. */
  readonly lastError:
    | {
        /** A code of `MillraceError`. */
        readonly code: string;
        /** What happened. */
        readonly message: string;
      }
    | undefined;
  /** The letter of its last refused write, with the reason; not one that a later write of the key has superseded. */
  readonly deadLetter:
    | {
        /** For `deadLetters.get` and `redrive`. */
        readonly id: string;
        /** `waiting` for another attempt, or `dead`. */
        readonly state: 'waiting' | 'dead';
        /** The store's code, an SQLSTATE where there is one. */
        readonly code: string;
        /** The store's reason, without the row's values. */
        readonly message: string;
        /** Attempts used up. */
        readonly attempts: number;
        /** When a waiting one is tried again. */
        readonly retryAt: Date | undefined;
        /** When the row was refused for the first time. */
        readonly createdAt: Date;
      }
    | undefined;
  /** How its lane stands in the front; undefined where the front has no such lane yet. */
  readonly lanes:
    | {
        /** Fencing token of whoever may flush it. */
        readonly epoch: number;
        /** Number of the last generation that was cut. */
        readonly generation: number;
        /** Worker that flushes it; '' when nobody does. */
        readonly owner: string;
        /** Why it takes no writes and does not flush; '' when it does. */
        readonly stopped: string;
      }
    | undefined;
}

/** What was found out about the key, each part from its own place. */
export interface Findings {
  readonly key: string;
  readonly lane: number;
  readonly slot: SlotReport;
  readonly inStore: boolean;
  readonly deadLetter: DeadLetter | undefined;
  readonly attempts: number;
  readonly lastError: { readonly code: string; readonly message: string } | undefined;
  readonly writeBehind: boolean;
}

export function describeFindings(findings: Findings): Inspection {
  const { slot } = findings;
  const letter = lastWord(findings.deadLetter);
  const front = readSlot(slot.raw).kind;
  const waiting = slot.pending || slot.inFlight;
  return {
    key: findings.key,
    lane: findings.lane,
    state: stateOf(findings, letter, front),
    front,
    frontTtlMs: slot.ttlMs,
    inStore: findings.inStore,
    waitingSince: waiting && slot.header !== undefined ? since(slot.header, slot.inFlight) : undefined,
    attempts: findings.attempts,
    lastError: findings.lastError,
    deadLetter: letter,
    lanes: slot.header && {
      epoch: slot.header.epoch,
      generation: slot.header.generation,
      owner: slot.header.owner,
      stopped: slot.header.stopped,
    },
  };
}

/** The letter, if no later write of its key is stored. */
function lastWord(letter: DeadLetter | undefined): Inspection['deadLetter'] {
  if (
    letter === undefined ||
    letter.supersededAt !== undefined ||
    (letter.state !== 'waiting' && letter.state !== 'dead')
  )
    return undefined;
  const { id, state, code, message, attempts, retryAt, createdAt } = letter;
  return { id, state, code, message, attempts, retryAt, createdAt };
}

function stateOf(
  { slot, inStore, writeBehind }: Findings,
  letter: Inspection['deadLetter'],
  front: Inspection['front'],
): Inspection['state'] {
  if (front === 'intent') return 'writing';
  if (slot.inFlight) return 'in-flight';
  if (slot.pending) return 'pending';
  if (letter !== undefined) return letter.state;
  if (inStore) return 'stored';
  if (front === 'value' || front === 'refreshing') return writeBehind ? 'stored' : 'cached';
  return 'absent';
}

const since = (header: LaneHeader, inFlight: boolean): Date =>
  new Date(inFlight && header.flight !== undefined ? header.flight.sinceMs : header.pendingSinceMs);
