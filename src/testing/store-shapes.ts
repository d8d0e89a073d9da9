/** The conformance suite of stores of counters, logs and leaderboards. */
import { strict as assert } from 'node:assert';
import { systemClock } from '../clock-and-random.ts';
import type { Holds } from '../core/shape.ts';
import type { ScoresPage, StoredScores } from '../ports/scores-store.ts';
import type { AttachedStore, Mutation, Store } from '../ports/store.ts';
import { CACHE, fencesOf, flushOf, lanesOf, type StoreConformance } from './store-subject.ts';

/** An empty store of one shape for one test. */
export interface ShapeStoreSubject {
  /** The store. */
  readonly store: Store;
  /** The events of a log, in the order in which they were stored. */
  readonly events?: () => Promise<readonly unknown[]>;
  /** Lets go of everything that `open` opened. */
  close(): Promise<void>;
}

/** What {@link testShapeStore} is given. */
export interface ShapeStoreConformance extends Pick<StoreConformance, 'test'> {
  /** Opens an empty store of counters, a log or a leaderboard for one test; the counters are whole numbers. */
  readonly open: (holds: Holds) => Promise<ShapeStoreSubject>;
}

/** A generation of lane 0, and what applying it came to. */
type Apply = (generation: number, ...batches: Mutation[][]) => Promise<string>;

/**
 * Registers the tests that every store of counters, logs and leaderboards passes, besides those of {@link testStore}
 * about fences and letters.
 */
export function testShapeStore({ test, open }: ShapeStoreConformance): void {
  const register = (
    holds: Holds,
    name: string,
    check: (store: AttachedStore, apply: Apply, subject: ShapeStoreSubject) => Promise<void>,
  ): void =>
    test(`${holds}: ${name}`, async () => {
      const subject = await open(holds);
      try {
        assert.equal(subject.store.holds, holds);
        const store = await subject.store.attach({
          cache: CACHE,
          lanes: 1,
          shape: holds,
          clock: systemClock,
          writeBehind: true,
          onWarning: () => undefined,
        });
        const lanes = lanesOf(store);
        await fencesOf(store).raiseEpoch(0);
        await check(
          store,
          async (generation, ...batches) =>
            (
              await lanes.apply(
                flushOf(
                  [{ generation, fromSeq: generation, cutSeq: generation, digest: `digest ${generation}` }],
                  batches,
                ),
              )
            ).kind,
          subject,
        );
        await store.close();
      } finally {
        await subject.close();
      }
    });

  register('counters', 'sums are added, once', async (store, apply) => {
    const totals = async (): Promise<unknown> => {
      const found = await store.totals?.load([0], ['a', 'b', 'none']);
      return { ...Object.fromEntries(found?.totals ?? []), generation: found?.generations.get(0) ?? 0 };
    };
    const delta = (key: string, json: string): Mutation => ({ lane: 0, key, json, kind: 'delta' });
    assert.deepEqual(await totals(), { generation: 0 });
    assert.equal(await apply(1, [delta('a', '5')], [delta('b', '-2')]), 'applied');
    assert.equal(await apply(1, [delta('a', '5'), delta('b', '-2')]), 'fenced');
    assert.deepEqual(await totals(), { a: '5', b: '-2', generation: 1 });
    assert.equal(await apply(2, [delta('a', '9007199254740993')]), 'applied');
    assert.deepEqual(await totals(), { a: '9007199254740998', b: '-2', generation: 2 });
  });

  register('log', 'events are appended in their order, once', async (_store, apply, { events }) => {
    const event = (n: number): Mutation => ({
      lane: 0,
      key: `#0:${n}`,
      json: JSON.stringify([n, { n }]),
      kind: 'append',
    });
    assert.equal(await apply(1, [event(9), event(10)], [event(11)]), 'applied');
    assert.equal(await apply(1, [event(9), event(10), event(11)]), 'fenced');
    assert.equal(await apply(2, [event(12)]), 'applied');
    assert.deepEqual(
      await events?.(),
      [9, 10, 11, 12].map((n) => ({ n })),
    );
  });

  register('scores', 'rows come page by page, with the generation that they are of', async (store, apply) => {
    const load = async (page: ScoresPage): Promise<StoredScores> => (await store.scores?.load(page)) as StoredScores;
    const score = (key: string, json?: string): Mutation => ({ lane: 0, key, json });
    assert.deepEqual(await load({ after: '', limit: 2 }), { scores: new Map(), generation: 0, next: undefined });
    assert.equal(
      await apply(
        1,
        ['a', 'b', 'c', 'd', 'e'].map((member, at) => score(member, `${at}`)),
      ),
      'applied',
    );
    assert.equal(await apply(2, [score('b')], [score('e', '-1.5')]), 'applied');
    assert.equal(await apply(1, [score('c', '99')]), 'fenced');
    const found = new Map<string, string>();
    for (let after: string | undefined = ''; after !== undefined; ) {
      const { scores, generation, next }: StoredScores = await load({ after, limit: 2 });
      assert.equal(generation, 2);
      assert.ok(scores.size <= 2);
      for (const [member, text] of scores) {
        assert.ok(!found.has(member), `${member} came twice`);
        found.set(member, text);
      }
      after = next;
    }
    assert.deepEqual(Object.fromEntries(found), { a: '0', c: '2', d: '3', e: '-1.5' });
    assert.deepEqual(await load({ members: ['b', 'e', 'none'] }), {
      scores: new Map([['e', '-1.5']]),
      generation: 2,
      next: undefined,
    });
  });
}
