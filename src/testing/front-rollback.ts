import { strict as assert } from 'node:assert';
import type { RecoverResult } from '../core/lane-recover.ts';
import type { LaneFront } from '../ports/front.ts';
import { batchOf, fence, fenceOf, LONG_MS, type Register, recoveredAs } from './front-subject.ts';

/** Recovers a lane whose clean values are to be forgotten. */
export async function forget(lanes: LaneFront, over: Parameters<typeof fence>[0]): Promise<RecoverResult> {
  const result = await lanes.recover(0, { fence: fence(over), owner: 'me', leaseMs: LONG_MS, forget: true });
  await lanes.swept(0);
  return result;
}

/** What a front forgets when the store was restored to an earlier state. */
export function testRollback(recovered: Register): void {
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
}
