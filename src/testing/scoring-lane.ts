import { strict as assert } from 'node:assert';
import type { Flight } from '../core/lane.ts';
import type {
  FillScoresResult,
  LoadedScores,
  ScoreBatch,
  ScoreOp,
  ScoreQuery,
  ScoreResult,
} from '../core/lane-scores.ts';
import type { Change } from '../core/score-table.ts';
import type { Shape } from '../core/shape.ts';
import type { LaneFront } from '../ports/front.ts';
import { ShapeLane } from './shape-lane.ts';

export const SHAPE: Shape = 'scores';

type Scored = Extract<ScoreResult, { kind: 'accepted' }>;

type Filled = Extract<FillScoresResult, { kind: 'filled' }>;

export type Op = readonly [op: ScoreOp, member: string, weight?: number];

type Loaded = Omit<LoadedScores, 'shape' | 'epoch'> & Partial<LoadedScores>;

export type Rows = readonly (readonly [member: string, weight: number])[];

/** Short words for what the tests do with the lane of a leaderboard. */
export class Scoring extends ShapeLane {
  try(ops: readonly Op[], over: Partial<ScoreBatch> = {}): Promise<ScoreResult> {
    const members = ops.map(([, member]) => member);
    const weights = ops.map(([, , weight = 0]) => weight);
    const bytes = 10 * new Set(members).size;
    return this.lanes.writeScores(0, {
      ops: ops.map(([op]) => op),
      members,
      weights,
      shape: SHAPE,
      bytes,
      maxEntries: 1_000_000,
      maxBytes: 2 ** 30,
      ...over,
    });
  }

  async do(...ops: readonly Op[]): Promise<Scored> {
    const result = await this.try(ops);
    assert.equal(result.kind, 'accepted', JSON.stringify(result));
    return result as Scored;
  }

  /** In the present epoch, where no other is given. */
  async tryFill(loaded: Loaded): Promise<FillScoresResult> {
    return this.lanes.fillScores(0, { epoch: (await this.header()).epoch, ...loaded, shape: SHAPE });
  }

  async filled(loaded: Loaded): Promise<Filled> {
    const result = await this.tryFill(loaded);
    assert.equal(result.kind, 'filled', result.kind);
    return result as Filled;
  }

  /** The whole board in one page. */
  load(rows: Rows = [], generation = 0): Promise<Filled> {
    return this.filled({ generation, page: { from: '', next: undefined, rows } });
  }

  read(query: ScoreQuery): ReturnType<LaneFront['readScores']> {
    return this.lanes.readScores(0, SHAPE, query);
  }

  /** The board from the first on, and that ranks agree with it. */
  async expectBoard(rows: Rows): Promise<void> {
    assert.deepEqual(await this.read({ kind: 'range', from: 0, count: 100_000 }), { kind: 'rows', first: 0, rows });
    for (const [rank, row] of [...rows.entries()].filter(([at]) => at % 97 < 5))
      assert.deepEqual(await this.read({ kind: 'around', member: row[0], count: 0 }), {
        kind: 'rows',
        first: rank,
        rows: [row],
      });
  }

  async flight({ generation }: Flight, limit = 100): Promise<Record<string, Change>> {
    const found: Record<string, Change> = {};
    let cursor = '';
    do {
      const page = await this.lanes.readFlightScores(0, 1, generation, cursor, limit);
      assert.ok(page.kind === 'changes');
      for (const [member, change] of page.rows) found[member] = change;
      cursor = page.next;
    } while (cursor !== '');
    return found;
  }
}
