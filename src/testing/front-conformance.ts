import { strict as assert } from 'node:assert';
import type { AckLevel } from '../core/acks.ts';
import { UNRECOVERED } from '../ports/front.ts';
import { testCounters } from './front-counters.ts';
import { testFlush } from './front-flush.ts';
import { testLog } from './front-log.ts';
import { testRecovery } from './front-recovery.ts';
import { testRollback } from './front-rollback.ts';
import { testScores } from './front-scores.ts';
import { testSlots } from './front-slots.ts';
import {
  attachment,
  Bench,
  batchOf,
  type FrontConformance,
  failsWith,
  LANES,
  LONG_MS,
  type Register,
} from './front-subject.ts';
import { testWrites } from './front-writes.ts';

export type { FrontConformance, FrontSubject } from './front-subject.ts';

/** Registers the tests that every implementation of the port `Front` passes. */
export function testFront({ test, open, capabilities, acks = capabilities.acks }: FrontConformance): void {
  const register: Register = (name, check) =>
    test(name, async () => {
      const subject = await open();
      try {
        const bench = await Bench.over(subject);
        try {
          await check(bench);
        } finally {
          await bench.close();
        }
      } finally {
        await subject.close();
      }
    });
  /** With every lane recovered at epoch 1. */
  const recovered: Register = (name, check) =>
    register(name, async (bench) => {
      for (let lane = 0; lane < LANES; lane++) assert.equal((await bench.recover({}, lane)).kind, 'created');
      await check(bench);
    });

  testAttaching(register, recovered, capabilities, acks);
  testLeases(recovered, acks);
  testWrites(recovered);
  testFlush(recovered);
  testRecovery(register, recovered);
  testRollback(recovered);
  testSlots(recovered);
  testCounters(recovered);
  testLog(recovered);
  testScores(recovered);
}

function testAttaching(
  register: Register,
  recovered: Register,
  capabilities: FrontConformance['capabilities'],
  acks: readonly AckLevel[],
): void {
  register('declares what the suite was told', async ({ subject }) => {
    assert.deepEqual(
      { ...subject.front.capabilities, acks: [...subject.front.capabilities.acks] },
      { ...capabilities, acks: [...capabilities.acks] },
    );
    assert.ok(capabilities.acks.includes(capabilities.defaultAck));
  });

  for (const level of (['fsynced', 'replicated'] as const).filter((level) => !acks.includes(level))) {
    register(`refuses ${level}, which it cannot give`, async ({ subject }) => {
      await assert.rejects(
        subject.front.attach(attachment(subject, { acks: ['buffered', level] })),
        failsWith('MILLRACE_ACK'),
      );
    });
  }

  recovered('refuses another number of lanes', async ({ subject }) => {
    for (const lanes of [1, LANES + 1])
      await assert.rejects(subject.front.attach(attachment(subject, { lanes })), failsWith('MILLRACE_LANES'));
  });

  recovered('keeps caches apart', async (bench) => {
    await bench.write({ k: '"mine"' });
    const other = await bench.attach({ cache: 'another', lanes: 4 });
    assert.deepEqual(await other.header(0), { header: undefined, current: false });
    await other.recover(0, { fence: { epoch: 1, generation: 0, seq: 0, digest: '' }, owner: '', leaseMs: 0 });
    assert.equal(await other.read(0, 'k'), undefined);
    await other.write(0, batchOf([['k', '"theirs"']]));
    await bench.expectSlot('k', '"mine"');
    assert.equal((await bench.header()).seq, 1);
  });

  recovered('keeps lanes apart', async (bench) => {
    await bench.write({ k: '0' });
    assert.equal(await bench.lanes.read(1, 'k'), undefined);
    await bench.lanes.write(1, batchOf([['k', '1']]));
    assert.deepEqual(await bench.lanes.readMany([0, 1, 0], ['k', 'k', 'none']), ['0', '1', undefined]);
  });

  register('knows nothing of a lane at first, and takes nothing', async ({ lanes }) => {
    assert.deepEqual(await lanes.header(0), { header: undefined, current: false });
    assert.equal(await lanes.read(0, 'k'), UNRECOVERED);
    assert.equal(await lanes.readMany([0, 1], ['k', 'k']), UNRECOVERED);
    assert.equal(await lanes.readWithTtl(0, 'k'), UNRECOVERED);
    const unrecovered = { kind: 'unrecovered', header: undefined };
    assert.deepEqual(await lanes.write(0, batchOf([['k', '1']])), unrecovered);
    assert.deepEqual(await lanes.beginFill(0, ['k'], 't', LONG_MS), unrecovered);
    assert.deepEqual(await lanes.beginRefresh(0, ['k'], 't'), unrecovered);
    assert.deepEqual(await lanes.endFill(0, ['k'], 't', ['1'], undefined), unrecovered);
    assert.deepEqual(await lanes.beginIntent(0, ['k'], 't', LONG_MS), unrecovered);
    assert.deepEqual(await lanes.finishIntent(0, ['k'], 't', ['1'], [undefined]), unrecovered);
    assert.deepEqual(await lanes.invalidate(0, ['k']), unrecovered);
    assert.deepEqual(await lanes.claim(0, 'me', LONG_MS), unrecovered);
    assert.deepEqual(await lanes.requestFlush(0), unrecovered);
    assert.deepEqual(await lanes.cut(0, 1, 'd'), unrecovered);
    assert.deepEqual(await lanes.readGeneration(0, 1, 1, '', 10), { kind: 'refused', epoch: 0 });
    assert.deepEqual(
      await lanes.acknowledge(0, { epoch: 1, generation: 1, deadKeys: [], ttlMs: undefined, limit: 1 }),
      { kind: 'refused', epoch: 0 },
    );
    await lanes.release(0, 'me');
    assert.deepEqual(await lanes.header(0), { header: undefined, current: false });
  });

  recovered('can be closed twice, and leaves others alone', async (bench) => {
    const other = await bench.attach();
    await other.close();
    await other.close();
    await bench.write({ k: '1' });
  });
}

function testLeases(recovered: Register, acks: readonly AckLevel[]): void {
  const claim = async (bench: Bench, owner: string, leaseMs = LONG_MS): Promise<boolean> => {
    const result = await bench.lanes.claim(0, owner, leaseMs);
    assert.equal(result.kind, 'claimed');
    return (result as Extract<typeof result, { kind: 'claimed' }>).held;
  };

  recovered('a lease belongs to one until it is given back', async (bench) => {
    assert.equal((await bench.header()).owner, 'me');
    assert.equal(await claim(bench, 'you'), false);
    assert.equal(await claim(bench, 'me'), true);
    await bench.lanes.release(0, 'you');
    assert.equal(await claim(bench, 'you'), false);
    await bench.lanes.release(0, 'me');
    assert.deepEqual([(await bench.header()).owner, (await bench.header()).leaseUntilMs], ['', 0]);
    assert.equal(await claim(bench, 'you'), true);
    assert.equal((await bench.header()).owner, 'you');
    assert.equal(await claim(bench, 'me'), false);
  });

  recovered("a lease that ran out is anybody's", async (bench) => {
    assert.equal(await claim(bench, 'me', 20), true);
    await bench.eventually('the lease runs out', () => claim(bench, 'you'));
    assert.equal(await claim(bench, 'me'), false);
  });

  recovered('a flush is asked for up to the present seq', async (bench) => {
    const { seq } = await bench.write({ a: '1', b: '2' });
    const result = await bench.lanes.requestFlush(0);
    assert.equal(result.kind, 'requested');
    assert.equal((result as Extract<typeof result, { kind: 'requested' }>).seq, seq);
    await bench.write({ c: '3' });
    assert.equal((await bench.header()).flushSeq, seq);
  });

  recovered('tells what it knows of a key', async (bench) => {
    const flags = async (key: string) => {
      const { raw, ttlMs, pending, inFlight, header } = await bench.lanes.inspect(0, key);
      assert.equal(header?.epoch, 1);
      return { raw, expires: ttlMs !== undefined, pending, inFlight };
    };
    await bench.write({ k: '1' });
    assert.deepEqual(await flags('k'), { raw: '1', expires: false, pending: true, inFlight: false });
    const flight = await bench.cut();
    assert.deepEqual(await flags('k'), { raw: '1', expires: false, pending: false, inFlight: true });
    await bench.acknowledgeAll(flight.generation, { ttlMs: LONG_MS });
    assert.deepEqual(await flags('k'), { raw: '1', expires: true, pending: false, inFlight: false });
    assert.deepEqual(await flags('none'), { raw: undefined, expires: false, pending: false, inFlight: false });
  });

  if (acks.includes('fsynced')) {
    recovered('tells when what was acknowledged is on disk', async (bench) => {
      const lanes = await bench.attach({ acks: ['fsynced'] });
      await lanes.write(0, batchOf([['k', '1']]));
      await lanes.sync('fsynced', 0);
      await bench.expectSlot('k', '1');
    });
  }
}
