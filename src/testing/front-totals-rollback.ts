import { strict as assert } from 'node:assert';
import type { LaneFront } from '../ports/front.ts';
import { forget } from './front-rollback.ts';
import { fence, fenceOf, LONG_MS, type Register, recoveredAs } from './front-subject.ts';

/** What a front forgets of counters when the store was restored to an earlier state. */
export function testTotalsRollback(recovered: Register): void {
  recovered('totals are forgotten, and sums are kept', async (bench) => {
    const lanes = await bench.attach({ cache: 'counted', shape: 'counters' });
    recoveredAs('created', await lanes.recover(0, { fence: fence(), owner: 'me', leaseMs: LONG_MS }));
    const add = async (key: string, sum: bigint): Promise<void> => {
      const added = await lanes.increment(0, {
        accepted: 1,
        keys: [key],
        sums: [sum],
        wanted: [false],
        shape: 'counters',
        limit: 1_000n,
        mayExpire: true,
        bytes: 1,
        maxEntries: 10,
        maxBytes: 100,
      });
      assert.equal(added.kind, 'accepted');
    };
    const fill = (generation: number, epoch: number): ReturnType<LaneFront['fillTotals']> =>
      lanes.fillTotals(0, {
        keys: ['a', 'b'],
        stored: [100n, 200n],
        generation,
        epoch,
        invalidations: 0,
        shape: 'counters',
        limit: 1_000n,
        ttlMs: undefined,
      });
    await add('a', 1n);
    const cut = await lanes.cut(0, 1, 'first');
    assert.ok(cut.kind === 'cut');
    await lanes.acknowledge(0, { epoch: 1, generation: 1, deadKeys: [], ttlMs: undefined, limit: 10 });
    await add('a', 10n);
    await lanes.cut(0, 1, 'second');
    await add('a', 5n);
    assert.deepEqual(await fill(1, 1), { kind: 'totals', totals: [115n, 200n] });
    assert.equal((await forget(lanes, { epoch: 2 })).kind, 'stopped');
    assert.deepEqual(await lanes.readMany([0, 0], ['a', 'b']), [undefined, undefined]);
    assert.equal((await fill(0, 2)).kind, 'stopped', 'the fence is not there yet');
    recoveredAs('current', await lanes.recover(0, { fence: fenceOf(cut.flight, 3), owner: 'me', leaseMs: LONG_MS }));
    assert.deepEqual(await fill(1, 1), { kind: 'stale' }, 'from before the restore');
    assert.deepEqual(await fill(1, 3), { kind: 'totals', totals: [115n, 200n] });
    const page = await lanes.readDeltas(0, 3, 2, '', 10);
    assert.deepEqual(page.kind === 'deltas' && page.rows, [['a', 10n]]);
    const { pending, inFlight } = await lanes.inspect(0, 'a');
    assert.deepEqual({ pending, inFlight }, { pending: true, inFlight: true });
  });
}
