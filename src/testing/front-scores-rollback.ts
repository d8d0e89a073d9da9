import { strict as assert } from 'node:assert';
import type { LaneFront } from '../ports/front.ts';
import { forget } from './front-rollback.ts';
import { fence, fenceOf, LONG_MS, type Register, recoveredAs } from './front-subject.ts';

/** What a front forgets of a leaderboard when the store was restored to an earlier state. */
export function testScoresRollback(recovered: Register): void {
  recovered('a board is loaded anew, with the changes that the store does not have', async (bench) => {
    const lanes = await bench.attach({ cache: 'scored', shape: 'scores' });
    recoveredAs('created', await lanes.recover(0, { fence: fence(), owner: 'me', leaseMs: LONG_MS }));
    const set = async (...rows: readonly (readonly [member: string, weight: number])[]): Promise<void> => {
      const written = await lanes.writeScores(0, {
        ops: rows.map(() => 'set'),
        members: rows.map(([member]) => member),
        weights: rows.map(([, weight]) => weight),
        shape: 'scores',
        bytes: 10,
        maxEntries: 10,
        maxBytes: 100,
      });
      assert.equal(written.kind, 'accepted');
    };
    const fill = (generation: number, epoch: number): ReturnType<LaneFront['fillScores']> =>
      lanes.fillScores(0, {
        generation,
        epoch,
        shape: 'scores',
        page: {
          from: '',
          next: undefined,
          rows: [
            ['a', 50],
            ['b', 60],
            ['d', 70],
          ],
        },
      });
    assert.equal((await fill(0, 1)).kind, 'filled');
    await set(['a', 1], ['clean', 9]);
    const cut = await lanes.cut(0, 1, 'first');
    assert.ok(cut.kind === 'cut');
    await lanes.acknowledge(0, { epoch: 1, generation: 1, deadKeys: ['clean'], ttlMs: undefined, limit: 10 });
    await set(['b', 2]);
    await lanes.writeScores(0, {
      ops: ['remove'],
      members: ['d'],
      weights: [0],
      shape: 'scores',
      bytes: 10,
      maxEntries: 10,
      maxBytes: 100,
    });
    await lanes.cut(0, 1, 'second');
    await set(['c', 3]);
    assert.equal((await forget(lanes, { epoch: 2 })).kind, 'stopped');
    const top = { kind: 'range', from: 0, count: 10 } as const;
    assert.deepEqual(await lanes.readScores(0, 'scores', top), {
      kind: 'unloaded',
      epoch: 2,
      complete: false,
      cursor: '',
      doubts: [],
    });
    assert.equal((await fill(0, 2)).kind, 'stopped', 'the fence is not there yet');
    recoveredAs('current', await lanes.recover(0, { fence: fenceOf(cut.flight, 3), owner: 'me', leaseMs: LONG_MS }));
    assert.deepEqual(await fill(1, 1), { kind: 'stale' }, 'from before the restore');
    assert.deepEqual(await fill(1, 3), { kind: 'filled', epoch: 3, complete: true, cursor: '', doubts: [] });
    assert.deepEqual(await lanes.readScores(0, 'scores', top), {
      kind: 'rows',
      first: 0,
      rows: [
        ['b', 2],
        ['c', 3],
        ['a', 50],
      ],
    });
  });
}
