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
import { failsWith, fence, fenceOf, LONG_MS, type Register, recoveredAs } from './front-subject.ts';
import { type Checks, checksOf, SHAPED, ShapeLane } from './shape-lane.ts';

const SHAPE: Shape = 'scores';

type Accepted = Extract<ScoreResult, { kind: 'accepted' }>;
type Filled = Extract<FillScoresResult, { kind: 'filled' }>;
type Op = readonly [op: ScoreOp, member: string, weight?: number];
type Loaded = Omit<LoadedScores, 'shape' | 'epoch'> & Partial<LoadedScores>;
type Rows = readonly (readonly [member: string, weight: number])[];

/** Short words for what the tests do with the lane of a leaderboard. */
class Scoring extends ShapeLane {
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

  async do(...ops: readonly Op[]): Promise<Accepted> {
    const result = await this.try(ops);
    assert.equal(result.kind, 'accepted', JSON.stringify(result));
    return result as Accepted;
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

/** Scores reach the store as what they came to, and a board that was loaded is the same as one that was never lost. */
export function testScores(register: Register): void {
  const scoring = checksOf(register, SHAPE, (bench, lanes) => new Scoring(bench, lanes));
  testBoard(scoring);
  testLoading(scoring);
  testChanges(scoring);
}

function testBoard(scoring: Checks<Scoring>): void {
  scoring('scores are done in their order, each with what it came to', async (scores) => {
    await scores.load([['a', 5]]);
    const result = await scores.do(
      ['add', 'a', 2],
      ['best', 'a', 9],
      ['best', 'a', 3],
      ['set', 'b', -1],
      ['add', 'c', 0.5],
      ['remove', 'b'],
      ['remove', 'd'],
      ['add', 'a', 0],
    );
    assert.deepEqual(result, {
      kind: 'accepted',
      seq: 5,
      epoch: 1,
      pending: 3,
      entries: 3,
      bytes: 30,
      accepted: 5,
      outcomes: [7, 7, 3, -1, 0.5, undefined, undefined, 3],
    });
    await scores.expectBoard([
      ['c', 0.5],
      ['a', 3],
    ]);
    assert.deepEqual(await scores.read({ kind: 'members', members: ['b', 'a', 'nobody', 'c'] }), {
      kind: 'rows',
      first: 0,
      rows: [
        ['a', 3],
        ['c', 0.5],
      ],
    });
  });

  scoring('what changes nothing takes no place', async (scores) => {
    await scores.load([['a', 5]]);
    const before = await scores.header();
    const { seq, accepted, outcomes } = await scores.do(
      ['best', 'a', 5],
      ['best', 'a', 6],
      ['add', 'a', 0],
      ['remove', 'nobody'],
    );
    assert.deepEqual({ seq, accepted, outcomes }, { seq: 0, accepted: 0, outcomes: [5, 5, 5, undefined] });
    assert.deepEqual(await scores.header(), before);
    assert.equal((await scores.do(['set', 'a', 5])).accepted, 1, 'whoever sets a score means it');
  });

  scoring('equal weights are in the order of the bytes of their members', async (scores) => {
    await scores.load();
    const members = [
      'b',
      'a',
      'B',
      '\u{10348}',
      '\uFFFD',
      'é',
      'ab',
      '\u{1F600}x',
      '\uE000',
      '__proto__',
      'z',
      '{x}:y',
    ];
    await scores.do(...members.map((member): Op => ['set', member, 7]), ['set', 'last', 8], ['set', 'first', -8]);
    const sorted = members.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    await scores.expectBoard([['first', -8], ...sorted.map((member) => [member, 7] as const), ['last', 8]]);
  });

  scoring('weights are doubles, and whole ones exact', async (scores) => {
    const max = Number.MAX_SAFE_INTEGER;
    await scores.load([['loaded', 0.1]]);
    const { outcomes, accepted } = await scores.do(
      ['set', 'max', max],
      ['add', 'max', 1],
      ['set', 'min', -max],
      ['add', 'min', -1],
      ['add', 'loaded', 0.2],
      ['set', 'tiny', 5e-324],
      ['set', 'third', -1 / 3],
      ['set', 'zero', 0],
    );
    assert.deepEqual(outcomes, [max, 'beyond', -max, 'beyond', 0.1 + 0.2, 5e-324, -1 / 3, 0]);
    assert.equal(accepted, 6);
    await scores.expectBoard([
      ['min', -max],
      ['third', -1 / 3],
      ['zero', 0],
      ['tiny', 5e-324],
      ['loaded', 0.1 + 0.2],
      ['max', max],
    ]);
    assert.deepEqual(await scores.flight(await scores.cut()), {
      max,
      min: -max,
      loaded: 0.1 + 0.2,
      tiny: 5e-324,
      third: -1 / 3,
      zero: 0,
    });
  });

  scoring('around a member are those before it and after it', async (scores) => {
    await scores.load(['a', 'b', 'c', 'd', 'e'].map((member, weight) => [member, weight] as const));
    const around = async (member: string, count: number): Promise<unknown> => {
      const result = await scores.read({ kind: 'around', member, count });
      assert.ok(result.kind === 'rows');
      return [result.first, result.rows.map(([name]) => name).join('')];
    };
    assert.deepEqual(await around('c', 1), [1, 'bcd']);
    assert.deepEqual(await around('a', 2), [0, 'abc']);
    assert.deepEqual(await around('e', 3), [1, 'bcde']);
    assert.deepEqual(await around('nobody', 3), [0, '']);
    assert.deepEqual(await scores.read({ kind: 'range', from: 3, count: 2 }), {
      kind: 'rows',
      first: 3,
      rows: [
        ['d', 3],
        ['e', 4],
      ],
    });
    assert.deepEqual(await scores.read({ kind: 'range', from: 9, count: 2 }), { kind: 'rows', first: 9, rows: [] });
    assert.deepEqual(await scores.read({ kind: 'range', from: 1, count: 0 }), { kind: 'rows', first: 1, rows: [] });
  });

  scoring('a board may have 10,000 members, in any order', async (scores) => {
    const expected = Array.from({ length: 10_000 }, (_, i) => [`member ${i}`, (i * 7_919) % 5_000] as const);
    await scores.load(expected.slice(0, 5_000));
    await scores.do(...expected.slice(5_000).map(([member, weight]): Op => ['set', member, weight]));
    const sorted = (rows: Rows): Rows => rows.toSorted(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
    await scores.expectBoard(sorted(expected));
    const moved = expected
      .map(([member, weight], i) => (i % 3 === 0 ? ([member, 2 * weight] as const) : ([member, weight] as const)))
      .filter((_, i) => i % 5 > 0);
    await scores.do(
      ...expected.flatMap(([member, weight], i): Op[] =>
        i % 5 === 0 ? [['remove', member]] : i % 3 === 0 ? [['add', member, weight]] : [],
      ),
    );
    await scores.expectBoard(sorted(moved));
    const flight = await scores.cut();
    assert.equal(Object.keys(await scores.flight(flight, 700)).length, flight.entries);
  });

  scoring('no new member gets in when there are enough', async (scores) => {
    await scores.load();
    const limit = { maxEntries: 2 };
    assert.equal(
      (
        await scores.try(
          [
            ['set', 'a', 1],
            ['set', 'b', 1],
          ],
          limit,
        )
      ).kind,
      'accepted',
    );
    assert.deepEqual(
      await scores.try(
        [
          ['set', 'b', 2],
          ['set', 'c', 1],
        ],
        limit,
      ),
      { kind: 'full', entries: 2, bytes: 20 },
    );
    assert.equal(
      (
        await scores.try(
          [
            ['set', 'a', 2],
            ['best', 'b', 0],
          ],
          limit,
        )
      ).kind,
      'accepted',
    );
    assert.deepEqual(await scores.try([['set', 'c', 1]], { maxBytes: 25 }), { kind: 'full', entries: 2, bytes: 20 });
    await scores.cut();
    assert.deepEqual(await scores.try([['set', 'a', 1]], limit), { kind: 'full', entries: 2, bytes: 20 });
  });

  scoring('another shape is refused, and so is the other order', async (scores) => {
    const stopped = { kind: 'stopped', reason: 'it holds a leaderboard, not a leaderboard with the lowest first' };
    assert.deepEqual(await scores.try([['set', 'a', 1]], { shape: 'scores.asc' }), stopped);
    assert.deepEqual(await scores.lanes.fillScores(0, { generation: 0, epoch: 1, shape: 'scores.asc' }), stopped);
    assert.deepEqual(await scores.lanes.readScores(0, 'scores.asc', { kind: 'range', from: 0, count: 1 }), stopped);
    await assert.rejects(scores.bench.attach({ cache: SHAPED }), failsWith('MILLRACE_OPTIONS'));
  });
}

function testLoading(scoring: Checks<Scoring>): void {
  scoring('a board that is not loaded takes what does not depend on it', async (scores) => {
    const unloaded = { kind: 'unloaded', epoch: 1, complete: false, cursor: '', doubts: [] };
    assert.deepEqual(await scores.read({ kind: 'range', from: 0, count: 1 }), unloaded);
    assert.deepEqual(
      await scores.try([
        ['set', 'a', 1],
        ['add', 'a', 1],
      ]),
      unloaded,
    );
    assert.deepEqual(await scores.try([['best', 'a', 1]]), unloaded);
    assert.equal((await scores.header()).seq, 0, 'nothing of it was done');
    assert.equal((await scores.do(['set', 'a', 1], ['remove', 'gone'], ['set', 'b', 2], ['remove', 'b'])).accepted, 4);
    await scores.load([
      ['a', 100],
      ['b', 100],
      ['gone', 100],
      ['row', 100],
    ]);
    await scores.expectBoard([
      ['a', 1],
      ['row', 100],
    ]);
    assert.deepEqual(await scores.flight(await scores.cut()), { a: 1, b: null, gone: null });
  });

  scoring('it is loaded page by page, by whoever is next', async (scores) => {
    assert.deepEqual(
      await scores.filled({
        generation: 0,
        page: {
          from: '',
          next: 'b',
          rows: [
            ['a', 1],
            ['b', 2],
          ],
        },
      }),
      { kind: 'filled', epoch: 1, complete: false, cursor: 'b', doubts: [] },
    );
    assert.deepEqual(await scores.read({ kind: 'members', members: ['a'] }), {
      kind: 'unloaded',
      epoch: 1,
      complete: false,
      cursor: 'b',
      doubts: [],
    });
    assert.deepEqual(
      await scores.filled({
        generation: 0,
        page: {
          from: '',
          next: 'z',
          rows: [
            ['a', 9],
            ['z', 9],
          ],
        },
      }),
      { kind: 'filled', epoch: 1, complete: false, cursor: 'b', doubts: [] },
      'another process was slower',
    );
    assert.deepEqual(await scores.filled({ generation: 0, page: { from: 'b', next: undefined, rows: [['c', 0]] } }), {
      kind: 'filled',
      epoch: 1,
      complete: true,
      cursor: '',
      doubts: [],
    });
    assert.deepEqual(await scores.load([['d', 9]]), {
      kind: 'filled',
      epoch: 1,
      complete: true,
      cursor: '',
      doubts: [],
    });
    await scores.expectBoard([
      ['c', 0],
      ['a', 1],
      ['b', 2],
    ]);
  });

  scoring('rows from before the flight do not undo it, nor do those from after it', async (scores) => {
    await scores.do(['set', 'a', 1], ['remove', 'gone']);
    const flight = await scores.cut();
    await scores.do(['set', 'b', 2]);
    assert.deepEqual(
      await scores.filled({
        generation: flight.generation - 1,
        page: {
          from: '',
          next: 'b',
          rows: [
            ['a', 100],
            ['gone', 100],
            ['b', 100],
          ],
        },
      }),
      { kind: 'filled', epoch: 1, complete: false, cursor: 'b', doubts: [] },
    );
    await scores.acknowledge(flight.generation);
    assert.deepEqual(
      await scores.tryFill({ generation: flight.generation - 1, page: { from: 'b', next: undefined, rows: [] } }),
      { kind: 'stale' },
    );
    assert.deepEqual(
      await scores.tryFill({ generation: flight.generation + 1, page: { from: 'b', next: undefined, rows: [] } }),
      { kind: 'stale' },
      'a store that is ahead',
    );
    assert.deepEqual(
      await scores.tryFill({ generation: flight.generation, epoch: 0, page: { from: 'b', next: undefined, rows: [] } }),
      { kind: 'stale' },
      'another epoch has begun',
    );
    await scores.filled({ generation: flight.generation, page: { from: 'b', next: undefined, rows: [['c', 3]] } });
    await scores.expectBoard([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
  });

  scoring('rows from after the commit are right before it is acknowledged', async (scores) => {
    await scores.do(['set', 'a', 1]);
    const flight = await scores.cut('stored');
    await scores.load(
      [
        ['a', 1],
        ['b', 2],
      ],
      flight.generation,
    );
    recoveredAs('current', await scores.lanes.recover(0, { fence: fenceOf(flight), owner: 'me', leaseMs: LONG_MS }));
    assert.deepEqual(await scores.tryFill({ generation: flight.generation - 1 }), { kind: 'stale' });
    await scores.expectBoard([
      ['a', 1],
      ['b', 2],
    ]);
  });

  scoring('a refused score is read anew, unless a later one replaces it', async (scores) => {
    await scores.load([
      ['bad', 1],
      ['new', 2],
      ['later', 3],
    ]);
    await scores.do(['set', 'bad', 10], ['set', 'fresh', 10], ['set', 'later', 10], ['set', 'good', 10]);
    const flight = await scores.cut();
    await scores.do(['set', 'later', 4]);
    await scores.acknowledge(flight.generation, ['bad', 'fresh', 'later', 'never was']);
    const result = await scores.read({ kind: 'range', from: 0, count: 10 });
    assert.ok(result.kind === 'unloaded' && result.complete);
    assert.deepEqual(result.doubts.map(([member]) => member).toSorted(), ['bad', 'fresh']);
    assert.equal((await scores.try([['add', 'good', 1]])).kind, 'unloaded');
    assert.equal((await scores.try([['set', 'good', 9]])).kind, 'accepted');
    const settled = await scores.filled({
      generation: flight.generation,
      doubts: result.doubts.map(([member, token]) => ({ member, token, weight: member === 'bad' ? 1 : undefined })),
    });
    assert.deepEqual(settled, { kind: 'filled', epoch: 1, complete: true, cursor: '', doubts: [] });
    await scores.expectBoard([
      ['bad', 1],
      ['new', 2],
      ['later', 4],
      ['good', 9],
    ]);
  });

  scoring('what was read before a doubt was raised again does not settle it', async (scores) => {
    await scores.load([
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ]);
    await scores.do(['set', 'b', 2]);
    await scores.lanes.invalidate(0, ['a', 'b', 'none']);
    const first = await scores.filled({ generation: 0 });
    assert.deepEqual(first.doubts.map(([member]) => member).toSorted(), ['a', 'none']);
    await scores.lanes.invalidate(0, ['a']);
    const second = await scores.filled({
      generation: 0,
      doubts: first.doubts.map(([member, token]) => ({ member, token, weight: 5 })),
    });
    assert.deepEqual(
      second.doubts.map(([member]) => member),
      ['a'],
    );
    await scores.do(['set', 'a', 7]);
    await scores.filled({
      generation: 0,
      doubts: second.doubts.map(([member, token]) => ({ member, token, weight: 6 })),
    });
    await scores.expectBoard([
      ['c', 1],
      ['b', 2],
      ['none', 5],
      ['a', 7],
    ]);
  });

  scoring('behind the fence, the board is loaded anew', async (scores) => {
    await scores.load([['a', 1]]);
    await scores.do(['set', 'b', 2]);
    await scores.cut();
    await scores.do(['set', 'c', 3]);
    const { seq } = await scores.header();
    const recovered = recoveredAs(
      'behind',
      await scores.lanes.recover(0, {
        fence: fence({ epoch: 2, generation: 4, seq: seq + 3, digest: 'later' }),
        owner: 'me',
        leaseMs: LONG_MS,
      }),
    );
    assert.deepEqual([recovered.dropped, recovered.header.shape], [2, SHAPE]);
    assert.deepEqual(await scores.read({ kind: 'range', from: 0, count: 1 }), {
      kind: 'unloaded',
      epoch: 2,
      complete: false,
      cursor: '',
      doubts: [],
    });
    assert.deepEqual(
      await scores.tryFill({ generation: 4, epoch: 1, page: { from: '', next: undefined, rows: [['d', 3]] } }),
      { kind: 'stale' },
      'read before the recovery',
    );
    await scores.load([['d', 4]], 4);
    await scores.expectBoard([['d', 4]]);
  });

  scoring('at the fence, everything is kept', async (scores) => {
    await scores.load([['a', 1]]);
    await scores.do(['set', 'b', 2]);
    const flight = await scores.cut();
    await scores.do(['set', 'c', 3]);
    recoveredAs(
      'current',
      await scores.lanes.recover(0, { fence: fence({ epoch: 1 }), owner: 'me', leaseMs: LONG_MS }),
    );
    assert.deepEqual(await scores.flight(flight), { b: 2 });
    await scores.expectBoard([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]);
  });
}

function testChanges(scoring: Checks<Scoring>): void {
  scoring('a generation has what the scores had come to at its cut', async (scores) => {
    await scores.load([
      ['a', 1],
      ['b', 1],
    ]);
    await scores.do(['add', 'a', 1], ['add', 'a', 1], ['remove', 'b']);
    const flight = await scores.cut('one');
    assert.deepEqual([flight.entries, flight.bytes, flight.cutSeq], [2, 20, 4]);
    await scores.do(['add', 'a', 10], ['set', 'c', 10]);
    assert.deepEqual(await scores.lanes.cut(0, 1, 'another'), { kind: 'cut', flight });
    assert.deepEqual(await scores.flight(flight, 1), { a: 3, b: null });
    assert.deepEqual(await scores.flight(flight), { a: 3, b: null }, 'and once more, as after a crash');
    const { pending, inFlight, raw } = await scores.lanes.inspect(0, 'a');
    assert.deepEqual({ pending, inFlight, raw }, { pending: true, inFlight: true, raw: '13' });
    await scores.acknowledge(flight.generation);
    assert.deepEqual(await scores.lanes.readFlightScores(0, 1, flight.generation, '', 10), {
      kind: 'refused',
      epoch: 1,
    });
    assert.deepEqual(await scores.flight(await scores.cut('two')), { a: 13, c: 10 });
    assert.deepEqual(await scores.lanes.readFlightScores(0, 2, flight.generation + 1, '', 10), {
      kind: 'refused',
      epoch: 1,
    });
  });

  scoring('another process sees the same board', async (scores) => {
    await scores.load([['a', 1]]);
    const other = await scores.bench.attach({ cache: SHAPED, shape: SHAPE });
    const board = (): ReturnType<LaneFront['readScores']> =>
      other.readScores(0, SHAPE, { kind: 'range', from: 0, count: 10 });
    assert.deepEqual(await board(), { kind: 'rows', first: 0, rows: [['a', 1]] });
    await scores.do(['set', 'b', 0], ['remove', 'a']);
    assert.deepEqual(await board(), { kind: 'rows', first: 0, rows: [['b', 0]] });
    const result = await other.writeScores(0, {
      ops: ['add'],
      members: ['b'],
      weights: [5],
      shape: SHAPE,
      bytes: 1,
      maxEntries: 9,
      maxBytes: 99,
    });
    assert.ok(result.kind === 'accepted');
    assert.deepEqual(result.outcomes, [5]);
    await scores.expectBoard([['b', 5]]);
  });
}
