import { strict as assert } from 'node:assert';
import { SUM_MAX } from '../core/lane-deltas.ts';
import { Counting, SHAPE } from './counting-lane.ts';
import { failsWith, fence, LONG_MS, type Register, recoveredAs } from './front-subject.ts';
import { testTotals } from './front-totals.ts';
import { testTotalsRollback } from './front-totals-rollback.ts';
import { type Checks, checksOf, SHAPED } from './shape-lane.ts';

/** Increments are sums that reach the store once, and totals that are right whatever is under way. */
export function testCounters(register: Register): void {
  const counting = checksOf(register, SHAPE, (bench, lanes) => new Counting(bench, lanes, LONG_MS));
  testIncrements(counting);
  testTotals(counting);
  testDeltas(counting);
  testTotalsRollback(register);
}

function testIncrements(counting: Checks<Counting>): void {
  counting('increments of a key are one sum and one entry', async (counters) => {
    assert.deepEqual(await counters.add({ a: 1n, b: -2n }), {
      kind: 'accepted',
      seq: 2,
      epoch: 1,
      pending: 2,
      entries: 2,
      bytes: 20,
      totals: [undefined, undefined],
    });
    const { pendingSinceMs } = await counters.header();
    assert.ok(pendingSinceMs > 0);
    const { seq, pending, bytes } = await counters.add({ a: 5n }, { accepted: 4 });
    assert.deepEqual({ seq, pending, bytes }, { seq: 6, pending: 2, bytes: 20 });
    assert.equal((await counters.header()).pendingSinceMs, pendingSinceMs);
    const flight = await counters.cut();
    assert.deepEqual([flight.entries, flight.bytes, flight.cutSeq], [2, 20, 7]);
    assert.deepEqual(
      await counters.deltas(flight),
      new Map([
        ['a', 6n],
        ['b', -2n],
      ]),
    );
    assert.deepEqual((await counters.header()).pendingEntries, 0);
  });

  counting('nothing is added while a total that is wanted is not known', async (counters) => {
    const before = await counters.header();
    assert.deepEqual(await counters.try({ a: 1n, b: 1n, c: 1n }, { wanted: [true, false, true] }), {
      kind: 'unsettled',
      unknown: [0, 2],
      beyond: [],
    });
    assert.deepEqual(await counters.header(), before);
    assert.deepEqual(await counters.filled({ a: 10n, c: 0n }, 0), [10n, 0n]);
    assert.deepEqual(await counters.total({ a: 1n, b: 1n, c: -1n }, { wanted: [true, false, true] }), [
      11n,
      undefined,
      -1n,
    ]);
    await counters.expectSlots({ a: '11', b: undefined, c: '-1' });
  });

  counting('sums are exact to 64 bits', async (counters) => {
    await counters.filled({ large: 9_007_199_254_740_993n, negative: -9_100_000_000_000_000_001n }, 0);
    assert.deepEqual(await counters.total({ large: 9_007_199_254_740_993n, negative: 3n }), [
      18_014_398_509_481_986n,
      -9_099_999_999_999_999_998n,
    ]);
    assert.deepEqual(await counters.total({ large: -18_014_398_509_481_985n, negative: 1n }), [
      1n,
      -9_099_999_999_999_999_997n,
    ]);
    await counters.add({ only: 9_007_199_254_740_991n });
    await counters.add({ only: 2n });
    assert.deepEqual(await counters.filled({ only: 9_007_199_254_740_994n }, 0), [18_014_398_509_481_987n]);
    const same = 4_503_599_627_370_495n;
    for (const sum of [same, same, same, -2n, 2n ** 61n + 1n]) await counters.add({ one: sum, other: sum });
    const flight = await counters.cut();
    const sum = 3n * same - 1n + 2n ** 61n;
    assert.deepEqual(
      await counters.deltas(flight),
      new Map([
        ['large', -9_007_199_254_740_992n],
        ['negative', 4n],
        ['only', 9_007_199_254_740_993n],
        ['one', sum],
        ['other', sum],
      ]),
    );
  });

  counting(
    'an increment that leaves the limit is refused, with all of its batch, before anything is added',
    async (counters) => {
      await counters.filled({ total: 99n }, 0);
      await counters.add({ delta: 60n });
      const before = await counters.header();
      assert.deepEqual(
        await counters.try(
          { total: 2n, delta: 41n, other: 1n, wanted: 1n },
          { limit: 100n, wanted: [false, false, false, true] },
        ),
        { kind: 'unsettled', unknown: [3], beyond: [0, 1] },
      );
      assert.deepEqual(await counters.try({ total: SUM_MAX, delta: -SUM_MAX - 10_000n, other: SUM_MAX }), {
        kind: 'unsettled',
        unknown: [],
        beyond: [1],
      });
      assert.deepEqual(await counters.header(), before);
      await counters.add({ total: 1n, delta: 40n, other: -100n }, { limit: 100n });
      await counters.expectSlots({ total: '100' });
    },
  );

  counting('no new key gets in when there are enough', async (counters) => {
    const limit = { maxEntries: 2 };
    await counters.add({ a: 1n, b: 1n }, limit);
    const full = { kind: 'full', entries: 2, bytes: 20 };
    assert.deepEqual(await counters.try({ b: 1n, c: 1n }, limit), { ...full, refused: [1] });
    await counters.add({ a: 1n, b: 1n }, limit);
    assert.deepEqual(await counters.try({ c: 1n }, { maxBytes: 25 }), { ...full, refused: [0] });
    await counters.cut();
    assert.deepEqual(await counters.try({ a: 1n }, limit), { ...full, refused: [0] });
  });

  counting('another shape is refused, and so is another number of decimals', async (counters) => {
    const stopped = { kind: 'stopped', reason: 'it holds counters, not counters with 2 decimals' };
    assert.deepEqual(await counters.try({ a: 1n }, { shape: 'counters.2' }), stopped);
    assert.deepEqual(await counters.tryFill({ a: 0n }, 0, { shape: 'counters.2' }), stopped);
    assert.deepEqual(
      await counters.lanes.append(0, { entries: ['1'], bytes: 1, shape: 'log', maxEntries: 9, maxBytes: 9 }),
      { kind: 'stopped', reason: 'it holds counters, not a log' },
    );
    await assert.rejects(counters.bench.attach({ cache: SHAPED }), failsWith('MILLRACE_OPTIONS'));
    await assert.rejects(counters.bench.attach({ cache: SHAPED, shape: 'counters.2' }), failsWith('MILLRACE_OPTIONS'));
    assert.equal(
      (
        await counters.bench.lanes.increment(0, {
          accepted: 1,
          keys: ['a'],
          sums: [1n],
          wanted: [false],
          shape: SHAPE,
          limit: SUM_MAX,
          mayExpire: false,
          bytes: 1,
          maxEntries: 9,
          maxBytes: 99,
        })
      ).kind,
      'stopped',
    );
  });

  counting('a batch may have 5,000 keys', async (counters) => {
    const keys = Array.from({ length: 5_000 }, (_, i) => `key ${i}`);
    const sums = Object.fromEntries(keys.map((key, i) => [key, BigInt(i)]));
    const none = Object.fromEntries(keys.map((key) => [key, 0n]));
    assert.equal((await counters.filled(none, 0)).length, 5_000);
    assert.deepEqual(
      await counters.total(sums),
      keys.map((_, i) => BigInt(i)),
    );
    const flight = await counters.cut();
    assert.deepEqual(
      await counters.total(sums, { mayExpire: false }),
      keys.map((_, i) => BigInt(2 * i)),
    );
    const found = await counters.deltas(flight, 700);
    assert.equal(found.size, 5_000);
    for (const [i, key] of keys.entries()) assert.equal(found.get(key), BigInt(i));
    const header = await counters.acknowledge(flight.generation);
    assert.deepEqual([header.pendingEntries, header.flight], [5_000, undefined]);
  });
}

function testDeltas(counting: Checks<Counting>): void {
  counting('a generation has the sums of its cut', async (counters) => {
    await counters.add({ a: 1n, b: 1n });
    const flight = await counters.cut('one');
    await counters.add({ a: 10n, c: 10n });
    assert.deepEqual(await counters.lanes.cut(0, 1, 'another'), { kind: 'cut', flight });
    assert.deepEqual(
      await counters.deltas(flight, 1),
      new Map([
        ['a', 1n],
        ['b', 1n],
      ]),
    );
    assert.deepEqual(
      await counters.deltas(flight),
      new Map([
        ['a', 1n],
        ['b', 1n],
      ]),
      'and once more, as after a crash',
    );
    await counters.acknowledge(flight.generation);
    assert.deepEqual(await counters.lanes.readDeltas(0, 1, flight.generation, '', 10), { kind: 'refused', epoch: 1 });
    assert.deepEqual(
      await counters.deltas(await counters.cut('two')),
      new Map([
        ['a', 10n],
        ['c', 10n],
      ]),
    );
    assert.deepEqual(await counters.lanes.readDeltas(0, 2, flight.generation + 1, '', 10), {
      kind: 'refused',
      epoch: 1,
    });
  });

  counting('a total is forgotten when the store refused what is in it', async (counters) => {
    await counters.filled({ bad: 5n, good: 5n, later: 5n }, 0);
    await counters.add({ bad: 1n, good: 1n });
    const flight = await counters.cut();
    await counters.add({ bad: 10n, later: 1n });
    await counters.acknowledge(flight.generation, ['bad', 'later', 'never was']);
    await counters.expectSlots({ bad: undefined, good: '6', later: '6' });
    assert.deepEqual(await counters.filled({ bad: 5n }, flight.generation), [15n]);
  });

  counting('behind the fence, what is stored is dropped and totals are forgotten', async (counters) => {
    await counters.filled({ a: 0n }, 0);
    await counters.add({ a: 1n });
    await counters.cut();
    await counters.add({ a: 2n });
    const { seq } = await counters.header();
    const recovered = recoveredAs(
      'behind',
      await counters.lanes.recover(0, {
        fence: fence({ epoch: 2, generation: 4, seq: seq + 3, digest: 'later' }),
        owner: 'me',
        leaseMs: LONG_MS,
      }),
    );
    assert.equal(recovered.dropped, 2);
    assert.equal(recovered.header.shape, SHAPE);
    await counters.expectSlots({ a: undefined });
    assert.deepEqual(await counters.filled({ a: 7n }, 4), [7n]);
    assert.deepEqual(await counters.lanes.cut(0, 2, 'd'), { kind: 'empty', storedSeq: seq + 3, seq: seq + 3 });
  });

  counting('at the fence, everything is kept', async (counters) => {
    await counters.filled({ a: 100n }, 0);
    await counters.add({ a: 1n });
    const flight = await counters.cut();
    await counters.add({ a: 10n });
    recoveredAs(
      'current',
      await counters.lanes.recover(0, { fence: fence({ epoch: 1 }), owner: 'me', leaseMs: LONG_MS }),
    );
    assert.deepEqual(await counters.deltas(flight), new Map([['a', 1n]]));
    assert.deepEqual(await counters.total({ a: 0n }), [111n]);
  });
}
