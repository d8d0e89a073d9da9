import { type ScoreOp, type ScoreQuery, turned } from './core/lane-scores.ts';
import { untilAborted } from './engine/base/abort.ts';
import type { Engine } from './engine/engine.ts';
import { type Receipt, STORED_RECEIPT } from './engine/lanes/receipt.ts';
import { type LeaderboardWays, leaderboard, type Scored } from './engine/shapes/leaderboard.ts';
import { MillraceError } from './errors.ts';
import { Facade, NO_OPTIONS } from './facade.ts';
import type { Inspection } from './observe/inspect.ts';
import {
  type LeaderboardOptions,
  type ParsedLeaderboard,
  parseLeaderboardOptions,
  type RankOptions,
  type ScoreOptions,
} from './options/leaderboard.ts';

/** Rows of one `top`, or on either side of a member. */
const ROWS_MAX = 10_000;

/** A member's place on a leaderboard. */
export interface Ranked {
  /** Who. */
  readonly member: string;
  /** The member's score. */
  readonly score: number;
  /** 1 for the best. */
  readonly rank: number;
}

/** The acknowledgement of a score. */
export interface ScoreReceipt extends Receipt {
  /** The member's score after this very operation. */
  readonly score: number;
}

/**
 * A leaderboard in front of a table. Ranks and scores come from the front; what a score came to reaches the store as
 * one row for each member and flush. Where the front does not have the leaderboard it is loaded from the store. Made by
 * {@link createLeaderboard}.
 *
 * Scores are doubles, as in a sorted set of Redis: whole ones are exact up to ±(2^53 - 1), beyond is refused. Members
 * with the same score are in the order of the bytes of their UTF-8. Methods reject with a `MillraceError` as those of a
 * cache do, and with MILLRACE_TIMEOUT when the leaderboard was not loaded in time.
 */
export class Leaderboard extends Facade<number, ParsedLeaderboard, LeaderboardWays> {
  /** @internal Use {@link createLeaderboard}. */
  constructor(options: LeaderboardOptions) {
    super({
      plug: leaderboard,
      options: parseLeaderboardOptions(options),
      flushing: () => parseLeaderboardOptions({ ...options, flush: {} }),
      reveal: Number,
    });
  }

  /**
   * Adds `by` to the member's score, 0 where it has none, and resolves with a receipt when it is acknowledged at
   * `options.ack`. Waits for the leaderboard to be loaded. Rejects with MILLRACE_KEY or MILLRACE_VALUE before anything
   * is written, with MILLRACE_FULL, MILLRACE_ACK or MILLRACE_ABORTED, and with `ack: 'stored'` with MILLRACE_REJECTED
   * or MILLRACE_LOST.
   */
  async add(member: string, by: number, options: ScoreOptions = NO_OPTIONS): Promise<ScoreReceipt> {
    return this.#scored(await this.#do('add', member, by, options));
  }

  /**
   * Gives the member this score; with `keep: 'best'` only where it is better than the one that it has, and then it
   * waits for the leaderboard to be loaded. The receipt has the score that the member has after it. Rejects like {@link
   * add}.
   */
  async set(member: string, score: number, options: ScoreOptions = NO_OPTIONS): Promise<ScoreReceipt> {
    return this.#scored(await this.#do(this.options.keep === 'best' ? 'best' : 'set', member, score, options));
  }

  /** Takes the member off the leaderboard, and its row out of the table. Rejects like {@link add}. */
  async remove(member: string, options: ScoreOptions = NO_OPTIONS): Promise<Receipt> {
    return (await this.#do('remove', member, 0, options)).receipt;
  }

  /** The member's score; undefined when it is not on the leaderboard. */
  async score(member: string, options: RankOptions = NO_OPTIONS): Promise<number | undefined> {
    this.checkKey(member);
    const [row] = await this.#read({ kind: 'members', members: [member] }, options);
    return row?.score;
  }

  /** The member's rank, 1 for the best; undefined when it is not on the leaderboard. */
  async rank(member: string, options: RankOptions = NO_OPTIONS): Promise<number | undefined> {
    this.checkKey(member);
    const [row] = await this.#read({ kind: 'around', member, count: 0 }, options);
    return row?.rank;
  }

  /** The best `n`, 1 to 10,000, the best first; fewer when there are not so many. */
  async top(n: number, options: RankOptions = NO_OPTIONS): Promise<Ranked[]> {
    this.#checkRows('top', n, 1);
    return this.#read({ kind: 'range', from: 0, count: n }, options);
  }

  /**
   * The member with up to `n`, 0 to 10,000, that are better and as many that are worse, the best first; nobody when it
   * is not on the leaderboard.
   */
  async around(member: string, n: number, options: RankOptions = NO_OPTIONS): Promise<Ranked[]> {
    this.checkKey(member);
    this.#checkRows('around', n, 0);
    return this.#read({ kind: 'around', member, count: n }, options);
  }

  /** Where a member's score is: pending, in flight, stored, refused; since when; and the last error. */
  async inspect(member: string): Promise<Inspection> {
    this.checkKey(member);
    return this.inspectKey(member);
  }

  async #do(op: ScoreOp, member: string, score: number, options: ScoreOptions): Promise<Scored> {
    this.checkKey(member);
    this.#checkScore(member, score);
    return this.performOn(member, options, async (engine, level) => {
      this.#checkStorable(engine, member, score);
      const own = turned(this.options.settings.shape, score === 0 ? 0 : score);
      const { receipt, weight } = await engine.ways.score(op, member, own, level);
      const settled = await this.settled(engine, level, receipt);
      return { receipt: settled === STORED_RECEIPT ? { ...settled } : settled, weight };
    });
  }

  #scored({ receipt, weight }: { receipt: Receipt; weight: number | undefined }): ScoreReceipt {
    return Object.assign(receipt, { score: turned(this.options.settings.shape, weight as number) });
  }

  #read(query: ScoreQuery, options: RankOptions): Promise<Ranked[]> {
    return this.perform(options, async ({ ways }, { signal }) => {
      const { first, rows } = await untilAborted(ways.board.read(query), signal, this.name, undefined);
      const { shape } = this.options.settings;
      return rows.map(([member, weight], i) => ({ member, score: turned(shape, weight), rank: first + i + 1 }));
    });
  }

  #checkScore(member: string, score: unknown): void {
    if (typeof score === 'number' && Math.abs(score) <= Number.MAX_SAFE_INTEGER) return;
    throw new MillraceError(
      'MILLRACE_VALUE',
      `The score of "${member}" must be a finite number within ±(2^53 - 1), where whole numbers are exact.`,
      { cache: this.name, key: member },
    );
  }

  #checkRows(method: string, n: unknown, min: number): void {
    if (Number.isInteger(n) && (n as number) >= min && (n as number) <= ROWS_MAX) return;
    throw new MillraceError(
      'MILLRACE_OPTIONS',
      `${method}: n must be a whole number from ${min} to ${ROWS_MAX}, not ${String(n)}.`,
      { cache: this.name },
    );
  }

  #checkStorable(engine: Engine<LeaderboardWays>, member: string, score: number): void {
    const fault = engine.keyFault(member);
    if (fault !== undefined) throw this.unstorable('MILLRACE_KEY', `member "${member}"`, fault, member);
    const refusal = engine.valueFault(String(score));
    if (refusal !== undefined) throw this.unstorable('MILLRACE_VALUE', `the score of "${member}"`, refusal, member);
  }
}

/** Makes a leaderboard. Returns at once and does no I/O; throws MILLRACE_OPTIONS with every fault of the options. */
export function createLeaderboard(options: LeaderboardOptions): Leaderboard {
  return new Leaderboard(options);
}
