import { strict as assert } from 'node:assert';
import { SUM_MAX } from '../core/lane-deltas.ts';
import type { Counting } from './counting-lane.ts';
import { fence, fenceOf, LONG_MS, recoveredAs, SHORT_MS } from './front-subject.ts';
import { type Checks } from './shape-lane.ts';

/** A total that is made of what was loaded has everything once. */
export function testTotals(counting: Checks<Counting>): void {
  counting('a total has the flight exactly when what was loaded has it not', async (counters) => {
    await counters.add({ a: 1n });
    const flight = await counters.cut();
    await counters.add({ a: 10n });
    assert.deepEqual(await counters.filled({ a: 100n }, flight.generation - 1), [111n], 'before the commit');
    await counters.lanes.invalidate(0, ['a']);
    assert.deepEqual(await counters.filled({ a: 101n }, flight.generation), [111n], 'after the commit');
    await counters.lanes.invalidate(0, ['a']);
    await counters.acknowledge(flight.generation);
    assert.deepEqual(
      await counters.tryFill({ a: 100n }, flight.generation - 1),
      { kind: 'stale' },
      'the flight is gone, and not in what was loaded',
    );
    assert.deepEqual(await counters.filled({ a: 101n }, flight.generation), [111n], 'after the acknowledgement');
    assert.deepEqual(
      await counters.tryFill({ a: 101n }, flight.generation + 1),
      { kind: 'stale' },
      'a store that is ahead',
    );
  });

  counting('what the store has is loaded anew once the flight is known to be stored', async (counters) => {
    await counters.add({ a: 1n });
    const flight = await counters.cut('stored');
    recoveredAs('current', await counters.lanes.recover(0, { fence: fenceOf(flight), owner: 'me', leaseMs: LONG_MS }));
    assert.deepEqual(await counters.tryFill({ a: 0n }, flight.generation - 1), { kind: 'stale' });
    assert.deepEqual(await counters.filled({ a: 1n }, flight.generation), [1n]);
  });

  counting('a load that began before an invalidation, or in another epoch, is stale', async (counters) => {
    const { invalidations } = await counters.header();
    assert.deepEqual(await counters.lanes.invalidate(0, ['another']), { kind: 'done' });
    assert.deepEqual(await counters.tryFill({ a: 1n }, 0, { invalidations }), { kind: 'stale' });
    assert.deepEqual(await counters.filled({ a: 1n }, 0, { invalidations: invalidations + 1 }), [1n]);
    recoveredAs(
      'current',
      await counters.lanes.recover(0, { fence: fence({ epoch: 2 }), owner: 'me', leaseMs: LONG_MS }),
    );
    assert.deepEqual(await counters.tryFill({ b: 1n }, 0, { epoch: 1 }), { kind: 'stale' });
    assert.deepEqual(await counters.filled({ b: 1n }, 0, { epoch: 2 }), [1n]);
  });

  counting(
    'a load from before a generation does not bring back what was refused of it, ' +
      'while that is still being acknowledged',
    async (counters) => {
      await counters.add({ bad: 1n, good: 1n });
      const flight = await counters.cut();
      const { invalidations } = await counters.header();
      const acknowledgement = { epoch: 1, generation: flight.generation, deadKeys: ['bad'], ttlMs: undefined };
      assert.equal((await counters.lanes.acknowledge(0, { ...acknowledgement, limit: 0 })).kind, 'more');
      assert.deepEqual(await counters.tryFill({ bad: 5n }, flight.generation - 1, { invalidations }), {
        kind: 'stale',
      });
      assert.equal((await counters.lanes.acknowledge(0, { ...acknowledgement, deadKeys: [], limit: 10 })).kind, 'done');
      assert.deepEqual(await counters.filled({ bad: 5n, good: 6n }, flight.generation), [5n, 6n]);
    },
  );

  counting('a total that is known stays as it is', async (counters) => {
    assert.deepEqual(await counters.filled({ a: 5n }, 0), [5n]);
    await counters.add({ a: 1n });
    assert.deepEqual(await counters.filled({ a: 1_000n, b: 2n }, 0), [6n, 2n]);
  });

  counting('a total beyond the limit is not kept', async (counters) => {
    await counters.add({ a: 60n, b: -60n });
    assert.deepEqual(await counters.filled({ a: 41n, b: -41n, c: 100n }, 0, { limit: 100n }), [
      undefined,
      undefined,
      100n,
    ]);
    assert.deepEqual(await counters.filled({ a: SUM_MAX + 10_000n, b: -SUM_MAX - 10_000n }, 0), [undefined, undefined]);
    await counters.expectSlots({ a: undefined, b: undefined, c: '100' });
  });

  counting('totals expire as the cache has it, and are counted anew', async (counters) => {
    await counters.filled({ a: 5n, b: 1n }, 0, { ttlMs: LONG_MS });
    await counters.add({ a: 1n });
    await counters.expectSlots({ a: '6' });
    const ttlMs = await counters.ttl('a');
    assert.ok(ttlMs !== undefined && ttlMs <= LONG_MS, 'an increment leaves the expiry');
    await counters.filled({ short: 1n }, 0, { ttlMs: SHORT_MS });
    await counters.add({ short: 1n });
    await counters.bench.passTime();
    await counters.expectSlots({ a: '6', short: undefined });
    assert.deepEqual((await counters.try({ short: 1n }, { wanted: [true] })).kind, 'unsettled');
    assert.deepEqual(await counters.filled({ short: 1n }, 0), [2n]);
  });
}
