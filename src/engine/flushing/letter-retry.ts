import { type Judge, judgeRefusal } from '../../core/letter.ts';
import type { DeadLetter, DeadLetterStore } from '../../ports/store.ts';
import type { EngineContext, StoreWith } from '../base/context.ts';
import type { FlushSettings } from '../base/settings.ts';
import type { FlushLane } from './flush-lane.ts';

/** Letters of one transaction: bounds how long a lane's writes wait for its letters. */
const LETTERS_MAX = 32;
/** How often a lane with letters is looked at: another process may have redriven one. */
const LOOK_MS = 1_000;
/** Keys of one step in the front. */
const STALE_KEYS_MAX = 1_000;

/**
 * Tries the waiting letters of lanes again. It is done by who has the lane, between its generations and checked against
 * its epoch, so a letter never comes after a later write of its key. A lane without letters is never looked at: only
 * its owner's own generations can give it any.
 */
export class LetterRetry {
  readonly #context: EngineContext & StoreWith<'lanes'>;
  readonly judge: Judge;

  constructor(context: EngineContext & StoreWith<'lanes'>, flush: FlushSettings) {
    const { settings, random } = context;
    this.#context = context;
    const policy = { ...settings.retry, flushDelayMs: flush.maxDelayMs };
    this.judge = (refusal) => judgeRefusal(refusal, policy, random.fraction());
  }

  /** The lane was taken: finds out what letters it has, and makes the front forget what they made old. */
  async taken(lane: FlushLane): Promise<void> {
    lane.letters = { any: false, dueAt: Number.POSITIVE_INFINITY, unknown: [], stale: [] };
    const letters = this.#context.store.lanes.deadLetters;
    if (letters === undefined) return;
    const { any, nextInMs } = await letters.due(lane.index, 0);
    if (!any) return;
    this.#lookIn(lane, nextInMs);
    // Whoever stored them may have died, or the front may have gone back, before it heard of it.
    lane.letters.stale.push(...(await letters.storedKeys(lane.index)));
    await this.#forgetStale(lane);
  }

  /** Tries what is due. False: the lane is another worker's, or in need of recovery. */
  async retry(lane: FlushLane): Promise<boolean> {
    const { store, clock } = this.#context;
    // Without letters nothing is due.
    const letters = store.lanes.deadLetters as DeadLetterStore;
    // Answers that were lost: the letters themselves tell what became of them, and one that waits may still be stored
    // by a commit that is on its way, until another attempt at it is answered.
    if (lane.letters.unknown.length > 0) {
      const found = await letters.find([...new Set(lane.letters.unknown)]);
      lane.letters.unknown = found.filter(({ state }) => state === 'waiting').map(({ id }) => id);
      // What another epoch made of one, that epoch counted.
      this.#settle(
        lane,
        found.filter(({ triedIn }) => triedIn === lane.epoch),
      );
    }
    if (!(await this.#forgetStale(lane))) return false;
    const due = await letters.due(lane.index, LETTERS_MAX);
    if (due.letters.length === 0) {
      if (due.any) this.#lookIn(lane, due.nextInMs);
      else lane.letters = { any: false, dueAt: Number.POSITIVE_INFINITY, unknown: [], stale: [] };
      return true;
    }
    const { unknown } = lane.letters;
    lane.letters.unknown = [...unknown, ...due.letters.map(({ id }) => id)];
    const result = await letters.retry(lane.index, lane.epoch, due.letters, this.judge);
    if (result.kind === 'fenced') return false;
    // One that is not in the answer is not settled by it: the next look tells.
    lane.letters.unknown = unknown.filter((id) => result.letters.every((letter) => letter.id !== id));
    this.#settle(lane, result.letters);
    // There may be more; what is pending comes first.
    lane.letters.dueAt = clock.monotonic();
    return this.#forgetStale(lane);
  }

  #lookIn(lane: FlushLane, nextInMs: number | undefined): void {
    lane.letters.any = true;
    lane.letters.dueAt = this.#context.clock.monotonic() + Math.min(LOOK_MS, Math.max(0, nextInMs ?? LOOK_MS));
  }

  /** Counts and tells what became of the letters that were tried. */
  #settle(lane: FlushLane, after: readonly DeadLetter[]): void {
    const { counts, events } = this.#context;
    for (const { key, state, code, message } of after) {
      if (state === 'stored') {
        counts.stored++;
        lane.letters.stale.push(key);
      } else if (state === 'dead') {
        counts.dead++;
        events.emit('dead-letter', { lane: lane.index, key, code, message });
      }
    }
  }

  /** A clean value of a key whose letter was stored is older than the store's. False: the front needs recovery. */
  async #forgetStale(lane: FlushLane): Promise<boolean> {
    const { stale } = lane.letters;
    while (stale.length > 0) {
      const keys = stale.slice(0, STALE_KEYS_MAX);
      if ((await this.#context.front.invalidate(lane.index, keys)).kind === 'unrecovered') return false;
      stale.splice(0, keys.length);
    }
    return true;
  }
}
