import { strict as assert } from 'node:assert';
import type { RecoverResult } from '../core/lane-recover.ts';
import type { LaneFront } from '../ports/front.ts';
import { batchOf, fence, fenceOf, LONG_MS, type Register, recoveredAs } from './front-subject.ts';

/** What a front forgets when the store was restored to an earlier state. */
export function testRollback(recovered: Register): void {
  const forget = async (lanes: LaneFront, over: Parameters<typeof fence>[0]): Promise<RecoverResult> => {
    const result = await lanes.recover(0, { fence: fence(over), owner: 'me', leaseMs: LONG_MS, forget: true });
    await lanes.swept(0);
    return result;
  };

  recovered('what is clean is forgotten, and what the store does not have is kept', async (bench) => {
    await bench.write({ clean: '"gone"', a: '0' });
    const first = await bench.settle(LONG_MS);
    await bench.lanes.beginFill(0, ['filled', 'filling'], 't', LONG_MS);
    await bench.lanes.endFill(0, ['filled'], 't', ['"gone"'], LONG_MS);
    await bench.writeFor(LONG_MS, { a: '1', b: '1', é: '"long"' });
    await bench.write({ deleted: '~' });
    const flight = await bench.cut('second');
    await bench.writeFor(LONG_MS, { a: '2', c: '2' });
    const before = await bench.header();
    assert.equal((await forget(bench.lanes, { epoch: 2, generation: 0, seq: 0 })).kind, 'stopped');
    const stopped = await bench.header();
    assert.deepEqual(
      { ...stopped, incarnation: '', epoch: 1, stopped: '', leaseUntilMs: 0 },
      { ...before, incarnation: '', leaseUntilMs: 0 },
    );
    assert.notEqual(stopped.incarnation, before.incarnation);
    for (const key of ['clean', 'filled', 'filling']) await bench.expectSlot(key, undefined);
    for (const [key, raw] of [
      ['a', '2'],
      ['b', '1'],
      ['c', '2'],
      ['é', '"long"'],
      ['deleted', '~'],
    ] as const) {
      await bench.expectSlot(key, raw);
      await bench.expectTtl(key, undefined);
    }
    // From before the restore.
    await bench.lanes.endFill(0, ['filling'], 't', ['"old"'], LONG_MS);
    await bench.expectSlot('filling', undefined);
    // The fence was moved to where the front is.
    const { header } = recoveredAs('current', await bench.recover(fenceOf(first, 3)));
    assert.equal(header.incarnation, stopped.incarnation);
    const rows: Record<string, string | undefined> = {};
    for (let cursor = ''; ; ) {
      const page = await bench.lanes.readGeneration(0, 3, flight.generation, cursor, 10);
      assert.equal(page.kind, 'rows');
      const { rows: found, next } = page as Extract<typeof page, { kind: 'rows' }>;
      for (const { key, raw } of found) rows[key] = raw;
      cursor = next;
      if (cursor === '') break;
    }
    assert.deepEqual(rows, { a: '1', b: '1', é: '"long"', deleted: '~' });
    await bench.acknowledgeAll(flight.generation, { epoch: 3 });
    await bench.expectTtl('b', LONG_MS);
    await bench.expectTtl('a', undefined);
    await bench.expectSlot('deleted', undefined);
    const third = await bench.cut('third', 3);
    await bench.acknowledgeAll(third.generation, { epoch: 3 });
    await bench.expectTtl('a', LONG_MS);
    assert.deepEqual([third.entries, (await bench.header()).pendingEntries], [2, 0]);
  });

  recovered('what a stored generation has is clean, also while it is cleaned', async (bench) => {
    await bench.writeFor(LONG_MS, { a: '1', b: '1', c: '1' });
    const flight = await bench.cut();
    assert.equal((await bench.acknowledge(flight.generation, { limit: 1 })).kind, 'more');
    await bench.write({ c: '2' });
    recoveredAs('current', await forget(bench.lanes, fenceOf(flight, 2)));
    await bench.expectSlot('a', undefined);
    await bench.expectSlot('b', undefined);
    await bench.expectSlot('c', '2');
    await bench.acknowledgeAll(flight.generation, { epoch: 2 });
    await bench.expectSlot('c', '2');
  });

  recovered('nobody reads what was forgotten', async (bench) => {
    await bench.write({ clean: '1' });
    await bench.settle();
    const other = await bench.attach();
    assert.equal(await other.read(0, 'clean'), '1');
    assert.equal((await forget(bench.lanes, { epoch: 2 })).kind, 'stopped');
    assert.equal(await other.read(0, 'clean'), undefined);
    assert.deepEqual(await other.readMany([0], ['clean']), [undefined]);
  });

  recovered('a lane at the fence is open when it has forgotten', async (bench) => {
    await bench.write({ clean: '1' });
    const first = await bench.settle();
    recoveredAs('current', await forget(bench.lanes, fenceOf(first, 2)));
    await bench.expectSlot('clean', undefined);
    assert.equal((await bench.lanes.write(0, batchOf([['a', '1']]))).kind, 'accepted');
  });

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
