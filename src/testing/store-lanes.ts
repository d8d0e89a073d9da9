/** Fences, and what is committed with them. */
import { strict as assert } from 'node:assert';
import type { Mutation } from '../ports/store.ts';
import { testLetters } from './store-letters.ts';
import {
  attach,
  type Bench,
  failsWith,
  fencesOf,
  flushOf,
  LANES,
  type Register,
  type StoreConformance,
} from './store-subject.ts';

export function testLanes(register: Register, capabilities: StoreConformance['capabilities']): void {
  if (!capabilities.transactions) return;
  testFences(register);
  testConcurrency(register);
  if (capabilities.deadLetters) testLetters(register);
}

const NOTHING = { kind: 'applied', rows: 0, statements: 0, refused: [], superseded: 0 };

async function expectFence(
  bench: Bench,
  lane: number,
  expected: { generation: number; seq: number; digest: string },
): Promise<void> {
  const { epoch: _, ...fence } = await bench.fences.raiseEpoch(lane);
  assert.deepEqual(fence, expected);
}

async function expectVerdict(bench: Bench, generation: Parameters<Bench['apply']>[0], verdict: string): Promise<void> {
  const result = await bench.apply(generation, [bench.put('k', 'must not be stored')]);
  assert.ok(result.kind === 'fenced', `${result.kind} is not fenced`);
  assert.deepEqual(
    result.lanes.map(({ lane, verdict }) => ({ lane, verdict })),
    [{ lane: generation.lane ?? 0, verdict }],
  );
}

function testFences(register: Register): void {
  register('an epoch is raised by one, in its lane only', async ({ fences }) => {
    const fresh = { generation: 0, seq: 0, digest: '' };
    assert.deepEqual(await fences.raiseEpoch(0), { epoch: 1, ...fresh });
    assert.deepEqual(await fences.raiseEpoch(0), { epoch: 2, ...fresh });
    assert.deepEqual(await fences.raiseEpoch(LANES - 1), { epoch: 1, ...fresh });
  });

  register('an epoch is raised above the one that the front remembers', async ({ fences }) => {
    const fresh = { generation: 0, seq: 0, digest: '' };
    assert.deepEqual(await fences.raiseEpoch(0, 41), { epoch: 42, ...fresh });
    assert.deepEqual(await fences.raiseEpoch(0, 7), { epoch: 43, ...fresh });
    assert.deepEqual(await fences.raiseEpoch(0, 43), { epoch: 44, ...fresh });
  });

  register('a fence is moved under the last epoch only, and is the last generation from then on', async (bench) => {
    await bench.fences.raiseEpoch(0);
    await bench.apply({});
    await bench.fences.raiseEpoch(0);
    assert.equal(await bench.fences.moveFence(0, 1, { generation: 7, seq: 90 }), false);
    assert.equal(await bench.fences.moveFence(0, 2, { generation: 7, seq: 90 }), true);
    await expectFence(bench, 0, { generation: 7, seq: 90, digest: '' });
    await expectFence(bench, 1, { generation: 0, seq: 0, digest: '' });
  });

  register('a generation moves the fence, also an empty one', async (bench) => {
    await bench.fences.raiseEpoch(0);
    assert.deepEqual(await bench.apply({ generation: 1, cutSeq: 7, digest: "a'1\\" }), NOTHING);
    assert.deepEqual(await bench.apply({ generation: 2, cutSeq: 9, digest: 'b' }, []), NOTHING);
    await expectFence(bench, 0, { generation: 2, seq: 9, digest: 'b' });
  });

  register('a replay is known as applied, and does nothing', async (bench) => {
    await bench.fences.raiseEpoch(0);
    await bench.apply({}, [bench.put('k', 'first')]);
    await bench.store.commit([bench.put('k', 'later')]);
    await expectVerdict(bench, {}, 'applied');
    await bench.expectText('k', 'later');
    // Whoever has the lane by now, it is stored.
    await bench.fences.raiseEpoch(0);
    await expectVerdict(bench, {}, 'applied');
  });

  register('another generation of the same number has diverged', async (bench) => {
    await bench.fences.raiseEpoch(0);
    await bench.apply({}, [bench.put('k', '1')]);
    await expectVerdict(bench, { digest: 'another' }, 'diverged');
    await expectVerdict(bench, { cutSeq: 11 }, 'diverged');
    await bench.expectText('k', '1');
  });

  register('a generation that leaves a gap, or an epoch nobody was given, has diverged', async (bench) => {
    await bench.fences.raiseEpoch(0);
    await expectVerdict(bench, { generation: 3 }, 'diverged');
    await expectVerdict(bench, { epoch: 9 }, 'diverged');
    await bench.expectText('k', undefined);
    await expectFence(bench, 0, { generation: 0, seq: 0, digest: '' });
  });

  register('a worker that lost its lane cannot commit', async (bench) => {
    await bench.fences.raiseEpoch(0);
    await bench.fences.raiseEpoch(0);
    await expectVerdict(bench, { epoch: 1 }, 'superseded');
    await bench.expectText('k', undefined);
    const result = await bench.apply({ epoch: 2 }, [bench.put('k', 'the owner')]);
    assert.equal(result.kind, 'applied');
    await bench.expectText('k', 'the owner');
  });

  register('lanes that are flushed together are stored together or not at all', async (bench) => {
    for (const lane of [0, 1, 2]) await bench.fences.raiseEpoch(lane);
    await bench.fences.raiseEpoch(1);
    const rows = [bench.put('a', '1', 0), bench.put('b', '1', 1), bench.put('c', '1', 2)];
    const fenced = await bench.lanes.apply(flushOf([{ lane: 2 }, { lane: 0 }, { lane: 1 }], [rows]));
    assert.ok(fenced.kind === 'fenced');
    assert.deepEqual(fenced.lanes, [
      { lane: 1, verdict: 'superseded', fence: { epoch: 2, generation: 0, seq: 0, digest: '' } },
    ]);
    assert.equal((await bench.store.load(['a', 'b', 'c'])).size, 0);
    const applied = await bench.lanes.apply(flushOf([{ lane: 2 }, { lane: 0 }, { lane: 1, epoch: 2 }], [rows]));
    assert.deepEqual(applied, { kind: 'applied', rows: 3, statements: 1, refused: [], superseded: 0 });
    for (const lane of [0, 1, 2]) await expectFence(bench, lane, { generation: 1, seq: 10, digest: 'a' });
  });

  register('where epochs began is remembered, as long as no higher one was issued', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const epochs = [{ epoch: 1, seq: 0 }];
    assert.equal(await bench.fences.beginEpoch(0, 1, epochs), true);
    await bench.apply({}, [bench.put('k', '1')]);
    assert.deepEqual((await bench.fences.raiseEpoch(0)).epochs, epochs, 'a flush does not touch them');
    assert.equal(await bench.fences.beginEpoch(0, 1, []), false);
    assert.equal(await bench.fences.beginEpoch(0, 2, [...epochs, { epoch: 2, seq: 10 }]), true);
    assert.deepEqual((await bench.fences.raiseEpoch(0)).epochs, [...epochs, { epoch: 2, seq: 10 }]);
    assert.equal((await bench.fences.raiseEpoch(1)).epochs, undefined, 'other lanes have their own');
  });

  register('caches that share a store share no fence', async (bench) => {
    const other = await attach(bench.subject.store, LANES, 'another');
    await bench.fences.raiseEpoch(0);
    assert.deepEqual(await fencesOf(other).raiseEpoch(0), { epoch: 1, generation: 0, seq: 0, digest: '' });
    await bench.apply({}, [bench.put('k', '1')]);
    assert.deepEqual(await fencesOf(other).raiseEpoch(0), { epoch: 2, generation: 0, seq: 0, digest: '' });
    await expectVerdict(bench, {}, 'applied');
    await other.close();
  });

  register('another number of lanes is refused', async (bench) => {
    await assert.rejects(attach(bench.subject.store, LANES * 2), (error: Error) => {
      failsWith('MILLRACE_LANES')(error);
      assert.match(error.message, new RegExp(`\\b${LANES}\\b.*\\b${LANES * 2}\\b`));
      return true;
    });
    assert.equal((await bench.fences.raiseEpoch(0)).epoch, 1);
  });
}

function testConcurrency(register: Register): void {
  register('of two flushes of one generation, one commits', async (bench) => {
    await bench.fences.raiseEpoch(0);
    const results = await Promise.all([bench.apply({}, [bench.put('k', '1')]), bench.apply({}, [bench.put('k', '1')])]);
    assert.deepEqual(results.map(({ kind }) => kind).toSorted(), ['applied', 'fenced']);
    const fenced = results.find((result) => result.kind === 'fenced');
    assert.equal(fenced?.lanes[0]?.verdict, 'applied');
  });

  register('an epoch that is raised during a flush comes after it, or stops it', async (bench) => {
    await bench.fences.raiseEpoch(0);
    let raised: ReturnType<Bench['fences']['raiseEpoch']> | undefined;
    const source = async function* (): AsyncGenerator<Mutation[]> {
      yield [bench.put('a', '1')];
      raised = bench.fences.raiseEpoch(0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      yield [bench.put('b', '1')];
    };
    const result = await bench.lanes.apply(flushOf([{}], source()));
    const fence = await raised;
    assert.equal(fence?.epoch, 2);
    assert.equal(fence.generation, result.kind === 'applied' ? 1 : 0);
    assert.equal((await bench.store.load(['a', 'b'])).size, result.kind === 'applied' ? 2 : 0);
  });
}
