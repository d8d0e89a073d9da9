import { strict as assert } from 'node:assert';
import type { LaneFront } from '../ports/front.ts';
import { fence, fenceOf, LONG_MS, recoveredAs } from './front-subject.ts';
import { type Scoring, SHAPE } from './scoring-lane.ts';
import { type Checks, SHAPED } from './shape-lane.ts';

/** A board that is loaded, by whoever and in whatever order, is the same as one that was never lost. */
export function testLoading(scoring: Checks<Scoring>): void {
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

/** What the store gets of a board. */
export function testChanges(scoring: Checks<Scoring>): void {
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
