import { DIGITS, isRefusedKey, type Mutation } from '../ledger.ts';
import { show, type TotalRead, type Write } from './history.ts';
import { Accuser, type Case, grouped, type Violation } from './verdict.ts';

/** Whether every increment is in the sums and in the totals that were read, and only once. */
export const judgeCounts = (matter: Case): Violation[] =>
  new DigitsJudge(matter, 'counts', 'delta', matter.evidence.counts).violations();

/** The same of additions to scores; and the leaderboard is that of the rows, in their order. */
export const judgeScores = (matter: Case): Violation[] => [
  ...new DigitsJudge(matter, 'scores', 'score', matter.evidence.scores).violations(),
  ...new BoardJudge(matter).violations(),
];

class DigitsJudge extends Accuser {
  readonly #cache: 'counts' | 'scores';
  readonly #mutation: Mutation;
  readonly #sums: ReadonlyMap<string, bigint>;

  constructor(matter: Case, cache: 'counts' | 'scores', mutation: Mutation, sums: ReadonlyMap<string, bigint>) {
    super(matter);
    this.#cache = cache;
    this.#mutation = mutation;
    this.#sums = sums;
  }

  violations(): Violation[] {
    const { history } = this.matter;
    const sums = this.#sums;
    const writes = grouped(
      [...history.writes.values()].filter(({ mutation }) => mutation === this.#mutation),
      ({ key }) => key,
    );
    const reads = grouped(
      history.totals.filter(({ cache }) => cache === this.#cache),
      ({ key }) => key,
    );
    for (const key of new Set([...writes.keys(), ...sums.keys(), ...reads.keys()])) {
      if (isRefusedKey(key)) {
        for (const write of writes.get(key) ?? []) this.judgeRefused(this.#cache, write);
        if (sums.has(key)) this.accuse('misread', `${key} was stored, which the store refuses`);
        continue;
      }
      const byDigit = new Map((writes.get(key) ?? []).map((write) => [write.digit!, write]));
      this.#judgeSum(key, byDigit, sums.get(key) ?? 0n);
      for (const ofMember of grouped(reads.get(key) ?? [], ({ member }) => member).values())
        this.#judgeReads(byDigit, ofMember);
    }
    return this.accusations;
  }

  /** A digit is 1 where the increment was stored once. */
  #judgeSum(key: string, byDigit: ReadonlyMap<number, Write>, sum: bigint): void {
    for (const [digit, times] of digitsOf(sum).entries()) {
      const write = byDigit.get(digit);
      if (write === undefined && times > 0) this.accuse('misread', `${key} is ${sum}: nobody added 4^${digit}`);
      if (write === undefined) continue;
      if (times > 1) this.accuse('duplicated', `${show(write)} was added ${times} times: ${key} is ${sum}`);
      if (times === 0 && this.isPromised(write))
        this.accuse(
          'lost',
          `${show(write)} was acknowledged${write.stored ? ' and stored' : ''}, and is not in ${sum}; ` +
            'no loss of it was reported or allowed',
        );
    }
  }

  /**
   * A total has what was acknowledged before the read, may have what was under way, and keeps what its reader has seen.
   */
  #judgeReads(byDigit: ReadonlyMap<number, Write>, reads: readonly TotalRead[]): void {
    const seenAt = new Map<Write, number>();
    for (const { member, key, total, from, t } of reads) {
      const misread = (why: string): void =>
        this.accuse('misread', `${member} read ${key} as ${total} at ${from} to ${t}, ${why}`);
      for (const [digit, times] of digitsOf(total).entries()) {
        const write = byDigit.get(digit);
        if (write === undefined || write.asked > t) {
          if (times > 0) misread(`where nobody had added 4^${digit}`);
          continue;
        }
        if (times > 1) misread(`which has ${show(write)} ${times} times`);
        if (times === 0 && this.isPromised(write) && write.acked! < from) misread(`without ${show(write)}`);
        if (times === 0 && (seenAt.get(write) ?? from) < from) misread(`without ${show(write)}, which it had seen`);
        const mayVanish = this.matter.excused.has(write) || (write.acked === undefined && this.matter.forgets);
        if (times > 0 && !mayVanish) seenAt.set(write, Math.min(seenAt.get(write) ?? t, t));
      }
    }
  }
}

class BoardJudge extends Accuser {
  violations(): Violation[] {
    const { history, evidence } = this.matter;
    const rows = [...evidence.scores].sort(([a, score], [b, other]) =>
      score === other ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : score > other ? -1 : 1,
    );
    const stored = JSON.stringify(rows.map(([member, score]) => [member, String(score)]));
    for (const board of history.boards)
      if (JSON.stringify(board) !== stored)
        this.accuse(
          'misread',
          `the leaderboard is ${JSON.stringify(board)} after the drain, and its rows are ${stored}`,
        );
    return this.accusations;
  }
}

/** In base 4, lowest first; a sum below 0 counts what is missing as digits too. */
function digitsOf(sum: bigint): number[] {
  return Array.from({ length: DIGITS }, (_, digit) => Number((BigInt.asUintN(64, sum) >> BigInt(2 * digit)) & 3n));
}
