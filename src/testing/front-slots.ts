import { strict as assert } from 'node:assert';
import { type Bench, LONG_MS, type Register } from './front-subject.ts';

const slots = (...raws: (string | undefined)[]) => ({ kind: 'slots', slots: raws });
const DONE = { kind: 'done' };

/** Fills a slot as a reader would. */
async function fill(bench: Bench, key: string, json: string, ttlMs: number | undefined): Promise<void> {
  await bench.lanes.beginFill(0, [key], 'filler', LONG_MS);
  assert.deepEqual(await bench.lanes.endFill(0, [key], 'filler', [json], ttlMs), slots(undefined));
}

/** What readers and write-through writers do with slots, and who wins where they meet. */
export function testSlots(recovered: Register): void {
  testFills(recovered);
  testRefreshes(recovered);
  testIntents(recovered);
}

function testFills(recovered: Register): void {
  recovered('one reader fills an empty slot', async ({ lanes }) => {
    assert.deepEqual(await lanes.beginFill(0, ['a', 'b'], 'mine', LONG_MS), slots(undefined, undefined));
    assert.deepEqual(await lanes.beginFill(0, ['a', 'c'], 'other', LONG_MS), slots('?mine', undefined));
    assert.deepEqual(
      await lanes.endFill(0, ['a', 'b', 'c'], 'mine', ['1', undefined, '3'], LONG_MS),
      slots(undefined, undefined, '?other'),
    );
    assert.deepEqual(await lanes.readMany([0, 0, 0], ['a', 'b', 'c']), ['1', undefined, '?other']);
    assert.deepEqual(await lanes.beginFill(0, ['a'], 'late', LONG_MS), slots('1'));
  });

  recovered('a fill is not dirty, and expires', async (bench) => {
    await fill(bench, 'a', '1', LONG_MS);
    await fill(bench, 'for ever', '1', undefined);
    await bench.expectTtl('a', LONG_MS);
    await bench.expectTtl('for ever', undefined);
    assert.equal((await bench.header()).pendingEntries, 0);
    assert.equal((await bench.lanes.inspect(0, 'a')).pending, false);
  });

  recovered('a write beats a fill that is under way', async (bench) => {
    await bench.lanes.beginFill(0, ['a', 'b'], 't', LONG_MS);
    await bench.write({ a: '"new"', b: '~' });
    assert.deepEqual(await bench.lanes.endFill(0, ['a', 'b'], 't', ['"old"', '"old"'], LONG_MS), slots('"new"', '~'));
    await bench.expectSlot('a', '"new"');
    await bench.expectTtl('a', undefined);
    await bench.settle();
    // The slot is empty again, and the fill is still too late.
    assert.deepEqual(await bench.lanes.endFill(0, ['b'], 't', ['"old"'], LONG_MS), slots(''));
    await bench.expectSlot('b', undefined);
  });

  recovered('the token of a reader who died runs out', async (bench) => {
    await bench.lanes.beginFill(0, ['a'], 'dead', 20);
    await bench.eventually('the token runs out', async () => (await bench.lanes.read(0, 'a')) === undefined);
    assert.deepEqual(await bench.lanes.endFill(0, ['a'], 'dead', ['1'], LONG_MS), slots(''));
    assert.deepEqual(await bench.lanes.beginFill(0, ['a'], 'next', LONG_MS), slots(undefined));
    assert.deepEqual(await bench.lanes.endFill(0, ['a'], 'dead', ['1'], LONG_MS), slots('?next'));
    assert.deepEqual(await bench.lanes.endFill(0, ['a'], 'next', ['2'], 20), slots(undefined));
    await bench.eventually('the value expires', async () => (await bench.lanes.read(0, 'a')) === undefined);
    assert.deepEqual(await bench.lanes.inspect(0, 'a').then(({ raw, ttlMs }) => ({ raw, ttlMs })), {
      raw: undefined,
      ttlMs: undefined,
    });
  });

  recovered('an invalidation empties slots and ends fills', async (bench) => {
    await fill(bench, 'a', '1', LONG_MS);
    await bench.lanes.beginFill(0, ['b'], 't', LONG_MS);
    assert.deepEqual(await bench.lanes.invalidate(0, ['a', 'b', 'none']), DONE);
    assert.deepEqual(await bench.lanes.readMany([0, 0], ['a', 'b']), [undefined, undefined]);
    assert.deepEqual(await bench.lanes.endFill(0, ['b'], 't', ['1'], LONG_MS), slots(''));
    await bench.expectSlot('b', undefined);
  });
}

function testRefreshes(recovered: Register): void {
  recovered('a value that expires is refreshed while it is read', async (bench) => {
    await fill(bench, 'a', '{"x":":"}', LONG_MS);
    assert.deepEqual(await bench.lanes.beginRefresh(0, ['a'], 't'), slots(undefined));
    await bench.expectSlot('a', '^t:{"x":":"}');
    await bench.expectTtl('a', LONG_MS);
    assert.deepEqual(await bench.lanes.beginRefresh(0, ['a'], 'other'), slots('^t:{"x":":"}'));
    assert.deepEqual(await bench.lanes.beginFill(0, ['a'], 'other', LONG_MS), slots('^t:{"x":":"}'));
    assert.deepEqual(await bench.lanes.endFill(0, ['a'], 'other', ['0'], LONG_MS), slots('^t:{"x":":"}'));
    assert.deepEqual(await bench.lanes.endFill(0, ['a'], 't', ['2'], 2 * LONG_MS), slots(undefined));
    await bench.expectSlot('a', '2');
    await bench.expectTtl('a', 2 * LONG_MS);
  });

  recovered('nothing else is refreshed', async (bench) => {
    await bench.write({ dirty: '1', deleted: '~' });
    await fill(bench, 'for ever', '1', undefined);
    await bench.lanes.beginFill(0, ['filling'], 'f', LONG_MS);
    await bench.lanes.beginIntent(0, ['written'], 'w', LONG_MS);
    const keys = ['dirty', 'deleted', 'for ever', 'filling', 'written', 'none'];
    assert.deepEqual(await bench.lanes.beginRefresh(0, keys, 't'), slots('1', '~', '1', '?f', '!w', ''));
    await bench.expectSlot('none', undefined);
  });

  recovered('a write beats a refresh that is under way', async (bench) => {
    await fill(bench, 'a', '1', LONG_MS);
    await bench.lanes.beginRefresh(0, ['a'], 't');
    await bench.write({ a: '"new"' });
    assert.deepEqual(await bench.lanes.endFill(0, ['a'], 't', ['"old"'], LONG_MS), slots('"new"'));
    await bench.expectSlot('a', '"new"');
    await bench.expectTtl('a', undefined);
  });

  recovered('a refresh of what is gone empties the slot', async (bench) => {
    await fill(bench, 'a', '1', LONG_MS);
    await bench.lanes.beginRefresh(0, ['a'], 't');
    assert.deepEqual(await bench.lanes.endFill(0, ['a'], 't', [undefined], LONG_MS), slots(undefined));
    await bench.expectSlot('a', undefined);
  });
}

function testIntents(recovered: Register): void {
  recovered('a write-through hides the value, refuses fills and publishes', async (bench) => {
    await fill(bench, 'a', '"old"', LONG_MS);
    await bench.lanes.beginFill(0, ['b'], 'f', LONG_MS);
    assert.deepEqual(await bench.lanes.beginIntent(0, ['a', 'b', 'c'], 'w', LONG_MS), DONE);
    assert.deepEqual(await bench.lanes.readMany([0, 0, 0], ['a', 'b', 'c']), ['!w', '!w', '!w']);
    assert.deepEqual(await bench.lanes.beginFill(0, ['a'], 'g', LONG_MS), slots('!w'));
    assert.deepEqual(await bench.lanes.endFill(0, ['b'], 'f', ['"old"'], LONG_MS), slots('!w'));
    assert.deepEqual(
      await bench.lanes.finishIntent(0, ['a', 'b', 'c'], 'w', ['"new"', undefined, '3'], [LONG_MS, LONG_MS, undefined]),
      DONE,
    );
    assert.deepEqual(await bench.lanes.readMany([0, 0, 0], ['a', 'b', 'c']), ['"new"', undefined, '3']);
    await bench.expectTtl('a', LONG_MS);
    await bench.expectTtl('c', undefined);
    assert.equal((await bench.header()).pendingEntries, 0);
  });

  recovered('of writers that met, the last leaves the slot empty', async (bench) => {
    for (const [first, second] of [
      ['x', 'y'],
      ['y', 'x'],
    ] as const) {
      await bench.lanes.beginIntent(0, ['a'], 'x', LONG_MS);
      await bench.lanes.beginIntent(0, ['a'], 'y', LONG_MS);
      await bench.expectSlot('a', '!!x,y');
      await bench.lanes.finishIntent(0, ['a'], first, ['1'], [LONG_MS]);
      await bench.expectSlot('a', `!!${second}`);
      await bench.expectTtl('a', LONG_MS);
      await bench.lanes.finishIntent(0, ['a'], second, ['2'], [LONG_MS]);
      await bench.expectSlot('a', undefined);
    }
  });

  recovered('a writer that comes when another has finished makes the slot empty too', async (bench) => {
    await bench.lanes.beginIntent(0, ['a'], 'x', LONG_MS);
    await bench.lanes.beginIntent(0, ['a'], 'y', LONG_MS);
    await bench.lanes.finishIntent(0, ['a'], 'x', ['1'], [LONG_MS]);
    await bench.lanes.beginIntent(0, ['a'], 'z', LONG_MS);
    await bench.expectSlot('a', '!!y,z');
    await bench.lanes.finishIntent(0, ['a'], 'y', [undefined], [undefined]);
    await bench.lanes.finishIntent(0, ['a'], 'z', ['3'], [LONG_MS]);
    await bench.expectSlot('a', undefined);
  });

  recovered('the intent of a writer who died runs out', async (bench) => {
    await bench.lanes.beginIntent(0, ['a'], 'dead', 20);
    await bench.eventually('the intent runs out', async () => (await bench.lanes.read(0, 'a')) === undefined);
    await fill(bench, 'a', '1', LONG_MS);
  });

  recovered('a writer whose intent ran out empties whatever took its place', async (bench) => {
    await bench.lanes.beginIntent(0, ['empty', 'filled', 'filling', 'written'], 'slow', 20);
    await bench.eventually('the intent runs out', async () => (await bench.lanes.read(0, 'written')) === undefined);
    await fill(bench, 'filled', '"old"', LONG_MS);
    await bench.lanes.beginFill(0, ['filling'], 'f', LONG_MS);
    await bench.lanes.beginIntent(0, ['written'], 'quick', LONG_MS);
    const keys = ['empty', 'filled', 'filling', 'written'];
    await bench.lanes.finishIntent(0, keys, 'slow', ['1', '1', '1', '1'], [LONG_MS, LONG_MS, LONG_MS, LONG_MS]);
    assert.deepEqual(await bench.lanes.readMany([0, 0, 0, 0], keys), [undefined, undefined, undefined, '!!quick']);
    assert.deepEqual(await bench.lanes.endFill(0, ['filling'], 'f', ['"old"'], LONG_MS), slots(''));
    await bench.lanes.finishIntent(0, ['written'], 'quick', ['2'], [LONG_MS]);
    await bench.expectSlot('written', undefined);
  });
}
