import { strict as assert } from 'node:assert';
import { LONG_MS, type Register, SHORT_MS } from './front-subject.ts';

/** What is stored becomes clean, and nothing else does. */
export function testAcknowledging(recovered: Register): void {
  recovered('an acknowledged generation is clean', async (bench) => {
    await bench.write({ a: '1', b: '~' });
    const flight = await bench.cut();
    const header = await bench.acknowledgeAll(flight.generation);
    assert.deepEqual(
      [header.flight, header.storedSeq, header.generation, header.seq],
      [undefined, flight.cutSeq, 1, flight.cutSeq],
    );
    await bench.expectSlot('a', '1');
    await bench.expectSlot('b', undefined);
    await bench.expectTtl('a', undefined);
    assert.deepEqual(await bench.acknowledge(flight.generation), { kind: 'done', header }, 'repeating it does no harm');
  });

  recovered('an acknowledgement is refused under another epoch or for another generation', async (bench) => {
    await bench.write({ a: '1' });
    assert.deepEqual(await bench.acknowledge(1), { kind: 'refused', epoch: 1 });
    const flight = await bench.cut();
    assert.deepEqual(await bench.acknowledge(flight.generation, { epoch: 2 }), { kind: 'refused', epoch: 1 });
    assert.deepEqual(await bench.acknowledge(flight.generation + 1), { kind: 'refused', epoch: 1 });
    assert.deepEqual(await bench.acknowledge(flight.generation - 1), { kind: 'refused', epoch: 1 });
    assert.deepEqual((await bench.header()).flight, flight);
  });

  recovered('in chunks, the generation counts as stored from the first on', async (bench) => {
    await bench.write(Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`k${i}`, '1'])));
    const flight = await bench.cut();
    let steps = 1;
    for (
      let result = await bench.acknowledge(flight.generation, { limit: 10, ttlMs: LONG_MS });
      result.kind !== 'done';
      steps++
    ) {
      assert.equal(result.kind, 'more');
      assert.ok('header' in result);
      assert.deepEqual(
        [result.header.storedSeq, result.header.flight],
        [flight.cutSeq, { ...flight, state: 'stored' }],
      );
      assert.deepEqual(await bench.cut('no other yet'), { ...flight, state: 'stored' });
      result = await bench.acknowledge(flight.generation, { limit: 10, ttlMs: LONG_MS });
    }
    // A front may find fewer in a step than it may clean.
    assert.ok(steps >= 3 && steps <= 6, `${steps} steps`);
    for (let i = 0; i < 25; i++) await bench.expectTtl(`k${i}`, LONG_MS);
  });

  recovered('a tombstone goes, unless the key was written again', async (bench) => {
    await bench.write({ gone: '~', back: '~', twice: '~' });
    const flight = await bench.cut();
    await bench.write({ back: '"back"', twice: '~' });
    await bench.acknowledgeAll(flight.generation, { limit: 2 });
    await bench.expectSlot('gone', undefined);
    await bench.expectSlot('back', '"back"');
    await bench.expectSlot('twice', '~');
    await bench.settle();
    await bench.expectSlot('back', '"back"');
    await bench.expectSlot('twice', undefined);
  });

  recovered('what the store refused is forgotten, unless it was written again', async (bench) => {
    await bench.writeFor(LONG_MS, { bad: '1', mended: '1' });
    await bench.write({ good: '1' });
    const flight = await bench.cut();
    await bench.write({ mended: '2' });
    await bench.acknowledgeAll(flight.generation, { deadKeys: ['bad', 'mended', 'never was'], limit: 1 });
    await bench.expectSlot('bad', undefined);
    await bench.expectSlot('good', '1');
    await bench.expectSlot('mended', '2');
    await bench.expectGeneration(await bench.cut(), { mended: '2' });
  });
}

/** What was refused can be told over several steps. */
export function testRefusedInParts(recovered: Register): void {
  recovered(
    'what the store refused is forgotten in parts, and the generation is not stored before the last of them',
    async (bench) => {
      await bench.write({ a: '1', b: '1', c: '1', good: '1' });
      const flight = await bench.cut();
      for (const key of ['a', 'b']) {
        const part = await bench.acknowledge(flight.generation, { deadKeys: [key], limit: 0 });
        assert.equal(part.kind === 'more' && part.header.storedSeq, 0);
        assert.equal(part.kind === 'more' && part.header.flight?.state, 'cut');
        await bench.expectSlot(key, undefined);
      }
      await bench.write({ a: '2' });
      const header = await bench.acknowledgeAll(flight.generation, { deadKeys: ['c'] });
      assert.equal(header.storedSeq, flight.cutSeq);
      await bench.expectSlot('a', '2');
      await bench.expectSlot('c', undefined);
      await bench.expectSlot('good', '1');
      await bench.expectGeneration(await bench.cut(), { a: '2' });
    },
  );
}

/** Expiries begin when an entry is clean. */
export function testExpiry(recovered: Register): void {
  recovered('a clean entry expires as the cache or the key has it', async (bench) => {
    await bench.write({ a: '1', mixed: '1' });
    await bench.writeFor(2 * LONG_MS, { own: '1', mixed: '2' });
    await bench.expectTtl('own', undefined);
    await bench.settle(LONG_MS);
    await bench.expectTtl('a', LONG_MS);
    await bench.expectTtl('own', 2 * LONG_MS);
    await bench.expectTtl('mixed', 2 * LONG_MS);
  });

  recovered('an expiry of its own belongs to one value', async (bench) => {
    await bench.writeFor(2 * LONG_MS, { before: '1', inFlight: '1' });
    await bench.write({ before: '2' });
    const flight = await bench.cut();
    await bench.write({ inFlight: '2' });
    await bench.acknowledgeAll(flight.generation);
    await bench.expectTtl('before', undefined);
    await bench.settle();
    await bench.expectTtl('inFlight', undefined);
  });

  recovered('a write takes the expiry away', async (bench) => {
    await bench.write({ a: '1', b: '1' });
    await bench.settle(LONG_MS);
    await bench.expectTtl('a', LONG_MS);
    await bench.write({ a: '2' });
    await bench.expectTtl('a', undefined);
    await bench.expectTtl('b', LONG_MS);
  });

  recovered('what is clean expires, what is dirty never does', async (bench) => {
    await bench.write({ clean: '1', written: '1' });
    await bench.settle(SHORT_MS);
    await bench.writeFor(SHORT_MS, { written: '2', pending: '1' });
    await bench.writeFor(SHORT_MS, { inFlight: '1', frozen: '1' });
    const flight = await bench.cut();
    await bench.writeFor(SHORT_MS, { frozen: '2', pending: '2' });
    await bench.passTime();
    await bench.expectSlot('clean', undefined);
    for (const [key, raw] of Object.entries({ written: '2', pending: '2', inFlight: '1', frozen: '2' }))
      await bench.expectSlot(key, raw);
    await bench.expectGeneration(flight, { written: '2', pending: '1', inFlight: '1', frozen: '1' });
    await bench.acknowledgeAll(flight.generation);
    await bench.eventually(
      'the clean ones expire',
      async () => (await bench.lanes.readMany([0, 0], ['written', 'inFlight']))?.toString() === ',',
    );
    for (const [key, raw] of Object.entries({ pending: '2', frozen: '2' })) await bench.expectSlot(key, raw);
  });

  recovered('a key that is written while its generation is acknowledged stays dirty', async (bench) => {
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    await bench.write(Object.fromEntries(keys.map((key) => [key, '"old"'])));
    const flight = await bench.cut();
    const written = new Set<string>();
    for (
      let at = 0;
      (await bench.acknowledge(flight.generation, { limit: 3, ttlMs: SHORT_MS })).kind === 'more';
      at++
    ) {
      for (const key of [`k${at}`, `k${29 - at}`]) {
        await bench.write({ [key]: '"new"' });
        written.add(key);
      }
    }
    assert.ok(written.size > 5 && written.size < 30);
    for (const key of written) await bench.expectTtl(key, undefined);
    await bench.passTime();
    for (const key of keys) await bench.expectSlot(key, written.has(key) ? '"new"' : undefined);
    assert.equal((await bench.header()).pendingEntries, written.size);
  });
}
