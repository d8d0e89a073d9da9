import { strict as assert } from 'node:assert';
import { testChanges, testLoading } from './front-scores-loading.ts';
import { testScoresRollback } from './front-scores-rollback.ts';
import { failsWith, type Register } from './front-subject.ts';
import { type Op, type Rows, Scoring, SHAPE } from './scoring-lane.ts';
import { type Checks, checksOf, SHAPED } from './shape-lane.ts';

/** Scores reach the store as what they came to, and a board that was loaded is the same as one that was never lost. */
export function testScores(register: Register): void {
  const scoring = checksOf(register, SHAPE, (bench, lanes) => new Scoring(bench, lanes));
  testBoard(scoring);
  testLoading(scoring);
  testChanges(scoring);
  testScoresRollback(register);
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
      { kind: 'full', entries: 2, bytes: 20, refused: [1] },
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
    const full = { kind: 'full', entries: 2, bytes: 20, refused: [0] };
    assert.deepEqual(await scores.try([['set', 'c', 1]], { maxBytes: 25 }), full);
    await scores.cut();
    assert.deepEqual(await scores.try([['set', 'a', 1]], limit), full);
  });

  scoring('another shape is refused, and so is the other order', async (scores) => {
    const stopped = { kind: 'stopped', reason: 'it holds a leaderboard, not a leaderboard with the lowest first' };
    assert.deepEqual(await scores.try([['set', 'a', 1]], { shape: 'scores.asc' }), stopped);
    assert.deepEqual(await scores.lanes.fillScores(0, { generation: 0, epoch: 1, shape: 'scores.asc' }), stopped);
    assert.deepEqual(await scores.lanes.readScores(0, 'scores.asc', { kind: 'range', from: 0, count: 1 }), stopped);
    await assert.rejects(scores.bench.attach({ cache: SHAPED }), failsWith('MILLRACE_OPTIONS'));
  });
}
