import { type Deferred, defer } from '../../core/deferred.ts';
import { bytesOf, EPOCHS_KEPT, entriesOf, type LaneHeader } from '../../core/lane.ts';
import type { LetterState } from '../../core/letter.ts';
import { MillraceError } from '../../errors.ts';
import type { LossCause } from '../../events.ts';
import { leaveAtAbort } from '../base/abort.ts';

/** Where a mutation stands in its lane: a seq alone can be issued twice, after a front lost its tail. */
export interface Position {
  readonly lane: number;
  readonly epoch: number;
  readonly seq: number;
}

interface Waiter {
  readonly position: Position;
  /** The key waited for, or undefined for a barrier, which dead letters do not concern. */
  readonly key: string | undefined;
  readonly done: Deferred<string | undefined>;
}

/** A row that was refused and has a letter. */
export interface RefusedWrite {
  readonly id: string;
  readonly key: string;
  readonly lane: number;
  readonly code: string;
  readonly message: string;
  readonly state: LetterState;
}

/** What became of a key's write in a generation that is stored, if it is not stored itself. */
interface Refusal {
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Undefined when the value was removed from the front before the store was given it. */
  readonly write: RefusedWrite | undefined;
}

/** Refusals remembered for receipts that ask late; older ones are looked up in the dead letters. */
const REFUSALS_KEPT = 1_000;

/**
 * How far one lane is known to be stored, and who waits for it. Learns from the headers that the process sees:
 * the flusher's own acknowledgements, or polls when another process flushes.
 */
export class Watermark {
  readonly #cache: string;
  readonly #lane: number;
  readonly #onLoss: (count: number, cause: LossCause) => void;
  #waiters = new Set<Waiter>();
  /** What is said after the cache was closed, when nothing is learnt any more. */
  #closed: MillraceError | undefined;
  readonly #refusals = new Map<string, Refusal>();
  #storedSeq = 0;
  /** Entries and bytes that occupy the lane, as far as it is known here. */
  entries = 0;
  bytes = 0;
  /** Where the lane was when it was so. */
  #occupiedAt = { epoch: 0, seq: 0, storedSeq: -1 };
  /** Seqs up to `#storedSeq` of which it is known here what was refused: those that this process flushed. */
  #judgedFromSeq = 0;
  #judgedToSeq = 0;
  #epoch = 0;
  /** Seqs at which the epochs began that this process has not written in yet. */
  #epochs: LaneHeader['epochs'] = [];
  /** Highest seq that this process was given in each epoch that no header has settled yet, oldest first. */
  #given: { readonly epoch: number; seq: number }[] = [];
  /** Somebody looked, and the front had nothing of the lane: what the next epoch finds lost, it lost by that. */
  #isEmptied = false;
  /** How the front lost what the last epoch did not find. */
  #cause: LossCause = 'front-lost-tail';

  constructor(cache: string, lane: number, onLoss: (count: number, cause: LossCause) => void) {
    this.#cache = cache;
    this.#lane = lane;
    this.#onLoss = onLoss;
  }

  get waiting(): boolean {
    return this.#waiters.size > 0;
  }

  get storedSeq(): number {
    return this.#storedSeq;
  }

  /**
   * Notes what occupies the lane, as a header or a write's answer told. Answers can be looked at in another order than
   * they were given in, and an older one would make room that is not there; a write's answer tells no `storedSeq`.
   */
  occupied(
    { epoch, seq, storedSeq = -1 }: { readonly epoch: number; readonly seq: number; readonly storedSeq?: number },
    entries: number,
    bytes: number,
  ): void {
    const known = this.#occupiedAt;
    if ((epoch - known.epoch || seq - known.seq || storedSeq - known.storedSeq) < 0) return;
    this.#occupiedAt = { epoch, seq, storedSeq };
    this.entries = entries;
    this.bytes = bytes;
  }

  /**
   * Notes a batch of this process: the seq of its last mutation, and how many they are. True when its epoch is new
   * here, so that a header should be looked at.
   */
  gave(epoch: number, seq: number, accepted: number): boolean {
    if (epoch < this.#epoch) {
      this.#gaveLate(epoch, seq, accepted);
      return false;
    }
    const at = this.#given.findLastIndex((given) => given.epoch <= epoch);
    const given = this.#given[at];
    if (given?.epoch === epoch) given.seq = Math.max(given.seq, seq);
    else this.#given.splice(at + 1, 0, { epoch, seq });
    return epoch !== this.#epoch;
  }

  /**
   * An answer that is looked at after a later epoch was seen: what did not outlive that is lost, and nobody counts it
   * later.
   */
  #gaveLate(epoch: number, seq: number, accepted: number): void {
    const survived = Math.min(seq, this.#survivedSeq(epoch));
    if (seq - accepted < survived) this.gave(this.#epoch, survived, 0);
    const lost = Math.min(accepted, seq - survived);
    if (lost > 0) this.#onLoss(lost, this.#cause);
  }

  /**
   * What the store refused of the generation with these seqs, and which keys' values were gone; to be told before
   * {@link observe}.
   */
  judge(fromSeq: number, cutSeq: number, refused: readonly RefusedWrite[], missing: readonly string[] = []): void {
    if (fromSeq !== this.#judgedToSeq + 1) this.#judgedFromSeq = fromSeq;
    this.#judgedToSeq = cutSeq;
    for (const write of refused) this.#refuse(write.key, { fromSeq, toSeq: cutSeq, write });
    for (const key of missing) this.#refuse(key, { fromSeq, toSeq: cutSeq, write: undefined });
    for (const key of this.#refusals.keys()) {
      if (this.#refusals.size <= REFUSALS_KEPT) break;
      this.#forgetRefusal(key);
    }
  }

  #refuse(key: string, refusal: Refusal): void {
    this.#forgetRefusal(key);
    this.#refusals.set(key, refusal);
  }

  /** Whoever asks for a seq up to there is sent to the dead letters. */
  #forgetRefusal(key: string): void {
    const forgotten = this.#refusals.get(key);
    if (forgotten === undefined) return;
    this.#refusals.delete(key);
    this.#judgedFromSeq = Math.max(this.#judgedFromSeq, forgotten.toSeq + 1);
  }

  /** Whether it is known here what became of a stored seq. If not, the dead letters know. */
  judged(seq: number): boolean {
    return seq >= this.#judgedFromSeq && seq <= this.#judgedToSeq;
  }

  /** Learns from a header; settles whoever waited for what it tells. Older news than known changes nothing. */
  observe(header: LaneHeader): void {
    if (header.epoch < this.#epoch) return;
    this.occupied(header, entriesOf(header), bytesOf(header));
    if (header.epoch > this.#epoch) {
      this.#epoch = header.epoch;
      this.#epochs = header.epochs;
      this.#storedSeq = header.storedSeq;
      this.#judgedFromSeq = 0;
      this.#judgedToSeq = 0;
      this.#cause = this.#isEmptied ? 'front-emptied' : 'front-lost-tail';
      this.#isEmptied = false;
      this.#settleGiven();
    } else if (header.storedSeq > this.#storedSeq) {
      this.#storedSeq = header.storedSeq;
    }
    this.#settleWaiters();
    // Whoever has the lane found out; who waits for another process to flush it would wait until an operator acts.
    const stopped = this.stoppedBy(header);
    if (stopped !== undefined) this.abandon(stopped);
  }

  /**
   * Notes that the front has nothing of the lane. Whoever begins it anew, the first header that is seen then is judged
   * by this.
   */
  foundEmpty(): void {
    this.#isEmptied = true;
  }

  /** What they are told who wait for a lane, or ask about it, that has to be let go on by an operator. */
  stoppedBy({ stopped }: LaneHeader): MillraceError | undefined {
    return stopped === ''
      ? undefined
      : new MillraceError('MILLRACE_LANE_STOPPED', `Lane ${this.#lane} does not flush: ${stopped}.`, {
          cache: this.#cache,
          lane: this.#lane,
        });
  }

  /** Acknowledged as stored, and given up since: the store lost them. */
  gaveUp(seqs: number): void {
    this.#onLoss(seqs, 'store-rolled-back');
  }

  /**
   * Resolves when the position is stored, with the id of a letter if the store refused it and it waits for another
   * attempt. Rejects when it is dead or lost. Is never settled once the signal is aborted.
   */
  wait(position: Position, key: string | undefined, signal?: AbortSignal): Promise<string | undefined> {
    const waiter: Waiter = { position, key, done: defer<string | undefined>() };
    if (!this.#settle(waiter)) {
      if (this.#closed === undefined) {
        this.#waiters.add(waiter);
        leaveAtAbort(signal, waiter.done.promise, () => this.#waiters.delete(waiter));
      } else waiter.done.reject(this.#closed);
    }
    return waiter.done.promise;
  }

  /** Rejects everybody who waits, and whoever asks later for what is not known to be stored. */
  close(error: MillraceError): void {
    this.#closed = error;
    this.abandon(error);
  }

  /** Rejects everybody who waits: the lane stopped. */
  abandon(error: MillraceError): void {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const waiter of waiters) waiter.done.reject(error);
  }

  #settleWaiters(): void {
    for (const waiter of this.#waiters) if (this.#settle(waiter)) this.#waiters.delete(waiter);
  }

  #settle(waiter: Waiter): boolean {
    const { position, key, done } = waiter;
    if (!this.survived(position)) {
      done.reject(this.#lost(key, 'was acknowledged by the front, which then lost it'));
      return true;
    }
    if (position.epoch > this.#epoch || position.seq > this.#storedSeq) return false;
    const refusal = key === undefined ? undefined : this.#refusals.get(key);
    if (refusal === undefined || position.seq < refusal.fromSeq || position.seq > refusal.toSeq)
      done.resolve(undefined);
    else if (refusal.write === undefined)
      done.reject(this.#lost(key, 'was removed from the front by somebody else before it was stored'));
    else if (refusal.write.state === 'waiting') done.resolve(refusal.write.id);
    // Of a generation that somebody else committed, letters may have been tried again since.
    else if (refusal.write.state === 'stored' || refusal.write.state === 'superseded') done.resolve(undefined);
    else done.reject(rejection(this.#cache, refusal.write));
    return true;
  }

  #lost(key: string | undefined, how: string): MillraceError {
    return new MillraceError('MILLRACE_LOST', `The write of ${describe(key)} ${how}. Write it again.`, {
      cache: this.#cache,
      key,
      lane: this.#lane,
    });
  }

  /** Whether a write outlived the epochs since, as far as it is known here. */
  survived(position: Position): boolean {
    return position.epoch >= this.#epoch || position.seq <= this.#survivedSeq(position.epoch);
  }

  /** Up to which seq writes of an epoch outlived the epochs after it. */
  #survivedSeq(epoch: number): number {
    let seq = Number.POSITIVE_INFINITY;
    for (const start of this.#epochs) if (start.epoch > epoch) seq = Math.min(seq, start.seq);
    return seq;
  }

  /** Compares what this process was given with what outlived the epochs since: the difference is loss. */
  #settleGiven(): void {
    let lost = 0;
    let survivedSeq = 0;
    let forgotten = false;
    const oldestEpoch = this.#epochs[0]?.epoch ?? 0;
    const current = this.#given.filter((given) => given.epoch >= this.#epoch);
    for (const given of this.#given) {
      if (given.epoch >= this.#epoch) continue;
      const survived = Math.min(given.seq, this.#survivedSeq(given.epoch));
      lost += given.seq - survived;
      survivedSeq = Math.max(survivedSeq, survived);
      forgotten ||= this.#epochs.length >= EPOCHS_KEPT && oldestEpoch > given.epoch + 1;
    }
    // What survived is part of the new epoch now, and can still be lost with it.
    if (current.length === 0 && survivedSeq > 0) current.push({ epoch: this.#epoch, seq: survivedSeq });
    this.#given = current;
    if (lost > 0 || forgotten) this.#onLoss(lost, this.#cause);
  }
}

const describe = (key: string | undefined): string => (key === undefined ? 'this barrier' : `key "${key}"`);

/** What a waiter for a refused write is told. */
export function rejection(cache: string, { key, lane, code, message, state }: Omit<RefusedWrite, 'id'>): MillraceError {
  const end = state === 'discarded' ? 'It was discarded by an operator.' : 'It is kept as a dead letter.';
  return new MillraceError('MILLRACE_REJECTED', `The store refused key "${key}" (${code}: ${message}). ${end}`, {
    cache,
    key,
    lane,
  });
}
