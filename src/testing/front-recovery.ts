import { strict as assert } from 'node:assert';
import { EPOCHS_KEPT, type Fence } from '../core/lane.ts';
import { testAdoption, testTentative } from './front-opening.ts';
import { type Bench, batchOf, fence, fenceOf, LONG_MS, type Register, recoveredAs } from './front-subject.ts';

/** How a lane is brought in line with the store's fence, or with nothing. */
export function testRecovery(register: Register, recovered: Register): void {
  testFirst(register);
  testKept(recovered);
  testTentative(register, recovered);
  testStopped(recovered);
  testBehind(register, recovered);
  testAdoption(register, recovered);
}

function testFirst(register: Register): void {
  register('a lane that neither side knows is created', async (bench) => {
    const { header } = recoveredAs('created', await bench.recover({ epoch: 3 }));
    const { runId, incarnation, leaseUntilMs, ...rest } = header;
    assert.ok(runId !== '' && incarnation !== '' && leaseUntilMs > 0);
    assert.deepEqual(rest, {
      lanes: 2,
      shape: '',
      epoch: 3,
      epochs: [{ epoch: 3, seq: 0 }],
      seq: 0,
      generation: 0,
      storedSeq: 0,
      pendingEntries: 0,
      pendingBytes: 0,
      pendingTombstones: 0,
      pendingSinceMs: 0,
      flight: undefined,
      owner: 'me',
      invalidations: 0,
      flushSeq: 0,
      stopped: '',
    });
    assert.deepEqual(await bench.lanes.header(0), { header, current: true });
    assert.deepEqual(await bench.lanes.header(1), { header: undefined, current: false });
  });

  register('without an owner nobody gets the lease', async (bench) => {
    await bench.recover({}, 0, '');
    const { owner, leaseUntilMs } = await bench.header();
    assert.deepEqual({ owner, leaseUntilMs }, { owner: '', leaseUntilMs: 0 });
  });

  register('a number of lanes that came first is kept', async (bench) => {
    const other = await bench.attach({ lanes: 5 });
    await bench.recover();
    assert.deepEqual(await other.recover(0, { fence: fence({ epoch: 2 }), owner: '', leaseMs: 0 }), {
      kind: 'lanes',
      lanes: 2,
    });
    assert.deepEqual(await other.adopt(0), { kind: 'lanes', lanes: 2 });
    assert.equal((await bench.header()).epoch, 1);
  });
}

/** Pending a=2, in flight a=1 and b=1, of generation 2; generation 1 is stored. */
async function busy(bench: Bench) {
  await bench.write({ z: '1' });
  const first = await bench.settle();
  await bench.write({ a: '1', b: '1' });
  const flight = await bench.cut('second');
  await bench.write({ a: '2' });
  return { first, flight };
}

function testKept(recovered: Register): void {
  recovered('a front that is ahead keeps everything, under the new epoch', async (bench) => {
    const { first, flight } = await busy(bench);
    const before = await bench.header();
    const result = await bench.recover(fenceOf(first, 5), 0, 'you');
    assert.equal(result.kind, 'current');
    const { leaseUntilMs, ...after } = await bench.header();
    assert.ok(leaseUntilMs > 0);
    assert.deepEqual({ ...after, leaseUntilMs: 0 }, { ...before, epoch: 5, owner: 'you', leaseUntilMs: 0 });
    for (const stale of [
      await bench.lanes.cut(0, 1, 'd'),
      await bench.acknowledge(flight.generation),
      await bench.lanes.readGeneration(0, 1, flight.generation, '', 10),
    ]) {
      assert.deepEqual(stale, { kind: 'refused', epoch: 5 });
    }
    assert.deepEqual(await bench.cut('third', 5), flight);
    await bench.acknowledgeAll(flight.generation, { epoch: 5 });
    await bench.expectSlot('a', '2');
    await bench.expectSlot('b', '1');
  });

  recovered('a flight that the store has counts as stored', async (bench) => {
    const { flight } = await busy(bench);
    const result = await bench.recover(fenceOf(flight, 2));
    assert.equal(result.kind, 'current');
    const header = await bench.header();
    assert.deepEqual([header.flight, header.storedSeq], [{ ...flight, state: 'stored' }, flight.cutSeq]);
    assert.equal((await bench.recover(fenceOf(flight, 2))).kind, 'current', 'repeating it does no harm');
    assert.deepEqual(await bench.header(), { ...header, leaseUntilMs: (await bench.header()).leaseUntilMs });
    await bench.acknowledgeAll(flight.generation, { epoch: 2, ttlMs: LONG_MS });
    await bench.expectTtl('b', LONG_MS);
    await bench.expectTtl('a', undefined);
    assert.deepEqual((await bench.lanes.cut(0, 2, 'third')).kind, 'cut');
  });

  recovered('a flight that is being cleaned up is the fence', async (bench) => {
    await bench.write({ a: '1', b: '1', c: '1' });
    const flight = await bench.cut();
    assert.equal((await bench.acknowledge(flight.generation, { limit: 1, ttlMs: LONG_MS })).kind, 'more');
    assert.equal((await bench.recover(fenceOf(flight, 2))).kind, 'current');
    assert.deepEqual((await bench.header()).flight, { ...flight, state: 'stored' });
    await bench.acknowledgeAll(flight.generation, { epoch: 2, ttlMs: LONG_MS });
    for (const key of ['a', 'b', 'c']) await bench.expectTtl(key, LONG_MS);
  });

  recovered('an older epoch is refused', async (bench) => {
    await bench.recover({ epoch: 7 });
    const before = await bench.header();
    assert.deepEqual(await bench.recover({ epoch: 6 }), { kind: 'refused', epoch: 7 });
    assert.deepEqual(await bench.header(), before);
  });

  recovered('the last epochs are remembered, with where they began', async (bench) => {
    for (let epoch = 2; epoch <= EPOCHS_KEPT + 10; epoch++)
      await bench.recover({ epoch, generation: epoch, seq: 10 * epoch });
    const { epochs } = await bench.header();
    assert.deepEqual(
      epochs,
      Array.from({ length: EPOCHS_KEPT }, (_, i) => ({ epoch: i + 11, seq: 10 * (i + 11) })),
    );
  });

  recovered('epochs that the store remembers are merged with those of the front', async (bench) => {
    await bench.recover({
      epoch: 9,
      generation: 4,
      seq: 40,
      epochs: [
        { epoch: 4, seq: 11 },
        { epoch: 1, seq: 0 },
      ],
    });
    assert.deepEqual((await bench.header()).epochs, [
      { epoch: 1, seq: 0 },
      { epoch: 4, seq: 11 },
      { epoch: 9, seq: 40 },
    ]);
  });
}

function testStopped(recovered: Register): void {
  const expectStopped = async (
    bench: Bench,
    over: Partial<Fence> & Pick<Fence, 'epoch'>,
    reason: RegExp,
  ): Promise<void> => {
    const before = await bench.header();
    const result = await bench.recover(over);
    assert.equal(result.kind, 'stopped', JSON.stringify(result));
    assert.match((result as Extract<typeof result, { kind: 'stopped' }>).reason, reason);
    const stopped = { kind: 'stopped', reason: (await bench.header()).stopped };
    assert.deepEqual(result, stopped);
    assert.deepEqual(await bench.lanes.write(0, batchOf([['new', '1']])), stopped);
    assert.deepEqual(await bench.lanes.cut(0, over.epoch, 'd'), stopped);
    const after = await bench.header();
    assert.deepEqual(
      [after.seq, after.flight, after.storedSeq, after.pendingEntries],
      [before.seq, before.flight, before.storedSeq, before.pendingEntries],
    );
    await bench.expectSlot('a', '2');
    await bench.expectSlot('new', undefined);
  };

  recovered('a store that lost commits stops the lane', async (bench) => {
    const { first } = await busy(bench);
    await expectStopped(bench, { epoch: 2, generation: first.generation - 1, seq: 0 }, /lost generations 1 to 1/);
    // An operator has put the store right.
    assert.equal((await bench.recover(fenceOf(first, 3))).kind, 'current');
    assert.equal((await bench.header()).stopped, '');
    assert.equal((await bench.lanes.write(0, batchOf([['new', '1']]))).kind, 'accepted');
  });

  recovered('another generation of the same number stops the lane', async (bench) => {
    const { flight } = await busy(bench);
    await expectStopped(bench, { ...fenceOf(flight, 2), digest: 'of another cut' }, /generation 2 .* not the one/);
    await expectStopped(bench, { ...fenceOf(flight, 3), seq: flight.cutSeq - 1 }, /generation 2 .* not the one/);
  });

  recovered('a stored generation that ends elsewhere stops the lane', async (bench) => {
    const { first } = await busy(bench);
    await expectStopped(
      bench,
      { ...fenceOf(first, 2), seq: first.cutSeq - 1 },
      /generation 1 ends at seq 1 .* but at 2/,
    );
  });

  recovered('a generation that the front never cut stops the lane', async (bench) => {
    const { flight } = await busy(bench);
    await expectStopped(
      bench,
      { epoch: 2, generation: flight.generation + 1, seq: flight.cutSeq },
      /generation 3, which the front at generation 2 never cut/,
    );
  });
}

function testBehind(register: Register, recovered: Register): void {
  recovered('a front behind the fence drops what it has and goes on from there', async (bench) => {
    await bench.write({ clean: '1' });
    await bench.settle();
    await bench.writeFor(LONG_MS, { a: '1', b: '1' });
    await bench.cut();
    await bench.write({ a: '2', c: '~' });
    const before = await bench.header();
    const { header, dropped } = recoveredAs(
      'behind',
      await bench.recover({ epoch: 4, generation: 9, seq: 100, digest: 'x' }),
    );
    assert.equal(dropped, 4);
    assert.notEqual(header.incarnation, before.incarnation);
    assert.deepEqual(
      [
        header.seq,
        header.storedSeq,
        header.generation,
        header.flight,
        header.pendingEntries,
        header.pendingBytes,
        header.pendingTombstones,
        header.epoch,
      ],
      [100, 100, 9, undefined, 0, 0, 0, 4],
    );
    assert.deepEqual(header.epochs, [
      { epoch: 1, seq: 0 },
      { epoch: 4, seq: 100 },
    ]);
    for (const key of ['clean', 'a', 'b', 'c']) await bench.expectSlot(key, undefined);
    assert.deepEqual(await bench.lanes.cut(0, 4, 'd'), { kind: 'empty', storedSeq: 100, seq: 100 });
    assert.equal(
      (await bench.recover({ epoch: 4, generation: 9, seq: 100, digest: 'x' })).kind,
      'current',
      'repeating it does no harm',
    );
    assert.deepEqual(await bench.write({ a: '"new"' }), {
      kind: 'accepted',
      seq: 101,
      epoch: 4,
      pending: 1,
      entries: 1,
      bytes: 5,
    });
    const flight = await bench.cut('ten', 4);
    assert.deepEqual([flight.generation, flight.cutSeq, flight.entries], [10, 102, 1]);
    const page = await bench.lanes.readGeneration(0, 4, 10, '', 10);
    assert.deepEqual(page.kind === 'rows' && page.rows, [{ key: 'a', raw: '"new"' }]);
    await bench.acknowledgeAll(10, { epoch: 4 });
    await bench.expectTtl('a', undefined);
  });

  register('a front that was emptied is behind', async (bench) => {
    const { header, dropped } = recoveredAs(
      'behind',
      await bench.recover({ epoch: 4, generation: 9, seq: 100, digest: 'x' }),
    );
    assert.deepEqual(
      [dropped, header.seq, header.generation, header.storedSeq, header.epochs],
      [0, 100, 9, 100, [{ epoch: 4, seq: 100 }]],
    );
  });

  recovered('another process learns of a new incarnation by itself', async (bench) => {
    const other = await bench.attach();
    await other.write(0, batchOf([['k', '"old"']]));
    await bench.expectSlot('k', '"old"');
    assert.equal((await bench.recover({ epoch: 2, generation: 1, seq: 50 })).kind, 'behind');
    // At once where a read sees the lane's state; where it does not, when the old slots are removed.
    await bench.eventually('the old value is a miss', async () => (await other.read(0, 'k')) === undefined);
    assert.deepEqual(await other.readMany([0, 1], ['k', 'k']), [undefined, undefined]);
    assert.deepEqual(await other.write(0, batchOf([['k', '"new"']])), {
      kind: 'accepted',
      seq: 51,
      epoch: 2,
      pending: 1,
      entries: 1,
      bytes: 5,
    });
    await bench.expectSlot('k', '"new"');
    assert.equal((await other.header(0)).current, true);
    assert.deepEqual(await other.beginFill(0, ['k'], 't', LONG_MS), { kind: 'slots', slots: ['"new"'] });
  });

  recovered('a process that sees the new incarnation first in a step takes it from there', async (bench) => {
    const other = await bench.attach();
    assert.equal(await other.read(0, 'k'), undefined);
    await bench.recover({ epoch: 2, generation: 1, seq: 50 });
    assert.equal((await other.claim(0, 'you', LONG_MS)).kind, 'claimed');
    assert.deepEqual(await other.beginFill(0, ['k'], 't', LONG_MS), { kind: 'slots', slots: [undefined] });
    assert.equal(await bench.lanes.read(0, 'k'), '?t');
  });
}
