import { strict as assert } from 'node:assert';
import { type Fence, isUnconfirmed } from '../core/lane.ts';
import type { RecoverResult } from '../core/lane-recover.ts';
import { UNRECOVERED } from '../ports/front.ts';
import { type Bench, batchOf, fence, LONG_MS, type Register, recoveredAs } from './front-subject.ts';

/** The fence that a recovery brings may be old: a lane that cannot tell waits for the store's word. */
/** A lane takes nothing before its recovery is confirmed. */
export function testTentative(register: Register, recovered: Register): void {
  const tentative = (bench: Bench, over: Partial<Fence>): Promise<RecoverResult> =>
    bench.lanes.recover(0, { fence: fence(over), owner: 'me', leaseMs: LONG_MS, tentative: true });

  register('a tentative recovery opens the lane when it is confirmed', async (bench) => {
    recoveredAs('behind', await tentative(bench, { epoch: 3, generation: 1, seq: 5 }));
    assert.deepEqual(
      [isUnconfirmed((await bench.header()).runId), (await bench.lanes.header(0)).current],
      [true, false],
    );
    assert.equal((await bench.lanes.write(0, batchOf([['a', '1']]))).kind, 'unrecovered');
    assert.equal((await bench.lanes.claim(0, 'me', LONG_MS)).kind, 'unrecovered');
    assert.equal(await bench.lanes.read(0, 'a'), UNRECOVERED);
    assert.deepEqual(await bench.lanes.confirm(0, 2), { kind: 'refused', epoch: 3 });
    const confirmed = await bench.lanes.confirm(0, 3);
    assert.equal(confirmed.kind, 'confirmed');
    assert.deepEqual(await bench.lanes.header(0), {
      header: (confirmed as Extract<typeof confirmed, { kind: 'confirmed' }>).header,
      current: true,
    });
    assert.equal((await bench.lanes.write(0, batchOf([['a', '1']]))).kind, 'accepted');
    await bench.expectSlot('a', '1');
  });

  register('a tentative recovery is not confirmed after a later one, nor on an empty front', async (bench) => {
    assert.deepEqual(await bench.lanes.confirm(0, 3), { kind: 'refused', epoch: 0 });
    await tentative(bench, { epoch: 3 });
    await tentative(bench, { epoch: 4 });
    assert.deepEqual(await bench.lanes.confirm(0, 3), { kind: 'refused', epoch: 4 });
    assert.equal((await bench.lanes.header(0)).current, false);
  });

  recovered('a lane of the present run stays open through a tentative recovery', async (bench) => {
    await bench.write({ a: '1' });
    recoveredAs('current', await tentative(bench, { epoch: 2 }));
    assert.equal((await bench.lanes.header(0)).current, true);
    await bench.expectSlot('a', '1');
  });
}

/** A lane without write-behind needs no fence. */
export function testAdoption(register: Register, recovered: Register): void {
  register('a lane without write-behind is adopted', async (bench) => {
    const result = await bench.lanes.adopt(0);
    assert.equal(result.kind, 'adopted');
    const { header } = result as Extract<typeof result, { kind: 'adopted' }>;
    assert.deepEqual([header.lanes, header.epoch, header.seq, header.owner, header.leaseUntilMs], [2, 0, 0, '', 0]);
    assert.deepEqual(await bench.lanes.header(0), { header, current: true });
    await bench.lanes.beginFill(0, ['k'], 't', LONG_MS);
    await bench.lanes.endFill(0, ['k'], 't', ['1'], LONG_MS);
    assert.deepEqual(await bench.lanes.adopt(0), { kind: 'adopted', header }, 'repeating it does no harm');
    const other = await bench.attach({ writeBehind: false });
    assert.deepEqual(await other.adopt(0), { kind: 'adopted', header });
    assert.equal(await other.read(0, 'k'), '1');
  });

  recovered('a lane with writes that are not stored is not adopted', async (bench) => {
    await bench.write({ a: '1', b: '1' });
    assert.deepEqual(await bench.lanes.adopt(0), { kind: 'pending', entries: 2 });
    const flight = await bench.cut();
    await bench.write({ a: '2' });
    assert.deepEqual(await bench.lanes.adopt(0), { kind: 'pending', entries: 3 });
    await bench.acknowledgeAll(flight.generation);
    assert.deepEqual(await bench.lanes.adopt(0), { kind: 'pending', entries: 1 });
    await bench.settle();
    assert.equal((await bench.lanes.adopt(0)).kind, 'adopted');
    await bench.expectSlot('a', '2');
  });
}
