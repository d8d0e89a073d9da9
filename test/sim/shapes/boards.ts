import { compareBytes } from '../../../src/fronts/embedded/byte-order.ts';
import type { Ranked } from '../../../src/index.ts';

/** What a reader asks of a leaderboard. */
export type BoardQuery =
  | { readonly kind: 'top'; readonly count: number }
  | { readonly kind: 'around'; readonly member: string; readonly count: number }
  | { readonly kind: 'score' | 'rank'; readonly member: string };

interface Board {
  /** By member, in their order. */
  readonly text: string;
  readonly rows: readonly Ranked[];
  readonly fromStep: number;
  untilStep: number;
}

/**
 * The states of a complete board, and when it was in each, in steps of the schedule. A read must show just one of them.
 */
export class Boards {
  readonly #isDescending: boolean;
  readonly #boards: Board[] = [];

  constructor(isDescending: boolean) {
    this.#isDescending = isDescending;
  }

  ranked(scores: ReadonlyMap<string, number>): Ranked[] {
    const rows = [...scores].sort(
      ([a, score], [b, other]) => (this.#isDescending ? other - score : score - other) || compareBytes(a, b),
    );
    return rows.map(([member, score], i) => ({ member, score, rank: i + 1 }));
  }

  /** The board is this from now on; undefined when it cannot answer. */
  became(scores: ReadonlyMap<string, number> | undefined, step: number): void {
    const last = this.#boards.at(-1);
    const rows = scores === undefined ? [] : this.ranked(scores);
    const text = JSON.stringify(rows);
    const isLast = last !== undefined && last.untilStep === Number.POSITIVE_INFINITY;
    if (isLast && scores !== undefined && last.text === text) return;
    if (isLast) last.untilStep = step;
    if (scores !== undefined) this.#boards.push({ text, rows, fromStep: step, untilStep: Number.POSITIVE_INFINITY });
  }

  /** What a read that began at a step, and ends now, may answer. */
  answers(query: BoardQuery, fromStep: number): unknown[] {
    return this.#boards.filter(({ untilStep }) => untilStep >= fromStep).map(({ rows }) => answerOf(rows, query));
  }
}

export function answerOf(rows: readonly Ranked[], query: BoardQuery): unknown {
  if (query.kind === 'top') return rows.slice(0, query.count);
  const at = rows.findIndex(({ member }) => member === query.member);
  switch (query.kind) {
    case 'score':
      return rows[at]?.score;
    case 'rank':
      return rows[at]?.rank;
    case 'around':
      return at < 0 ? [] : rows.slice(Math.max(0, at - query.count), at + query.count + 1);
  }
}
