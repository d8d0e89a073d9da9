import { strict as assert } from 'node:assert';
import { LONG_MS, type Register, SHORT_MS } from './front-subject.ts';

/** How a generation is cut, read and acknowledged while writes go on. */
export function testFlush(recovered: Register): void {
  testCut(recovered);
  testReading(recovered);
  testAcknowledging(recovered);
  testRefusedInParts(recovered);
  testExpiry(recovered);
}

function testCut(recovered: Register): void {
  recovered('a cut takes all that is pending, and a seq of its own', async (bench) => {
    assert.deepEqual(await bench.lanes.cut(0, 1, 'd'), { kind: 'empty', storedSeq: 0, seq: 0 });
    const { seq } = await bench.write({ a: '1', b: '~', c: '333' });
    const { pendingSinceMs } = await bench.header();
    const flight = await bench.cut('one');
    assert.deepEqual(flight, {
      generation: 1,
      cutSeq: seq + 1,
      digest: 'one',
      entries: 3,
      bytes: 5,
      tombstones: 1,
      sinceMs: pendingSinceMs,
      state: 'cut',
    });
    const header = await bench.header();
    assert.deepEqual(header.flight, flight);
    assert.deepEqual(
      [
        header.seq,
        header.generation,
        header.storedSeq,
        header.pendingEntries,
        header.pendingBytes,
        header.pendingTombstones,
        header.pendingSinceMs,
      ],
      [seq + 1, 1, 0, 0, 0, 0, 0],
    );
  });

  recovered('a cut can be repeated, and takes nothing more', async (bench) => {
    await bench.write({ a: '1' });
    const flight = await bench.cut('one');
    await bench.write({ b: '2' });
    assert.deepEqual(await bench.cut('another'), flight);
    await bench.expectGeneration(flight, { a: '1' });
    await bench.acknowledge(flight.generation, { limit: 1 });
    assert.equal((await bench.header()).pendingEntries, 1);
  });

  recovered('a cut is refused under another epoch', async (bench) => {
    await bench.write({ a: '1' });
    assert.deepEqual(await bench.lanes.cut(0, 2, 'd'), { kind: 'refused', epoch: 1 });
    assert.deepEqual(await bench.lanes.cut(0, 0, 'd'), { kind: 'refused', epoch: 1 });
    assert.equal((await bench.header()).flight, undefined);
  });

  recovered('generations follow each other', async (bench) => {
    for (let generation = 1; generation <= 4; generation++) {
      const { seq } = await bench.write({ a: String(generation), [`only ${generation}`]: '1' });
      const flight = await bench.cut(`d${generation}`);
      assert.deepEqual([flight.generation, flight.cutSeq, flight.digest], [generation, seq + 1, `d${generation}`]);
      await bench.expectGeneration(flight, { a: String(generation), [`only ${generation}`]: '1' });
      const header = await bench.acknowledgeAll(generation);
      assert.deepEqual([header.storedSeq, header.generation], [flight.cutSeq, generation]);
    }
    const { seq } = await bench.header();
    assert.deepEqual(await bench.lanes.cut(0, 1, 'd'), { kind: 'empty', storedSeq: seq, seq });
  });
}

function testReading(recovered: Register): void {
  recovered('a generation holds the values of its cut, whatever is written since', async (bench) => {
    await bench.write({ a: '1', b: '~', c: '1', d: '1' });
    const flight = await bench.cut();
    await bench.write({ a: '2', b: '2', c: '~', new: '2' });
    await bench.write({ a: '3', b: '~' });
    await bench.expectGeneration(flight, { a: '1', b: '~', c: '1', d: '1' });
    for (const [key, raw] of Object.entries({ a: '3', b: '~', c: '~', d: '1', new: '2' }))
      await bench.expectSlot(key, raw);
    await bench.acknowledgeAll(flight.generation);
    await bench.expectGeneration(await bench.cut(), { a: '3', b: '~', c: '~', new: '2' });
  });

  recovered('a generation is complete though its keys are written while it is read', async (bench) => {
    const rows = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${i}`, `"first ${i}"`]));
    await bench.write(rows);
    const flight = await bench.cut();
    let at = 0;
    const found = await bench.generation(flight, 7, async () => {
      await bench.write({ [`k${at}`]: '"later"', [`k${59 - at}`]: '"later"' });
      at += 3;
    });
    assert.deepEqual(Object.fromEntries(found), rows);
    // And once more, as after a crash of the worker.
    await bench.expectGeneration(flight, rows);
  });

  recovered(
    'a generation of long values is complete though they are written while a page of it is read',
    async (bench) => {
      // Two megabytes, which is more than one step should read.
      const rows = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, `"${String(i).repeat(25_000)}"`]));
      await bench.write(rows);
      const flight = await bench.cut();
      const found = new Map<string, string | undefined>();
      for (let cursor = '', at = 0; at === 0 || cursor !== ''; at++) {
        const [page] = await Promise.all([
          bench.lanes.readGeneration(0, 1, flight.generation, cursor, 500),
          bench.write({ [`k${at % 40}`]: '"later"', [`k${(at + 20) % 40}`]: '"later"', [`k${39 - (at % 40)}`]: '~' }),
        ]);
        assert.equal(page.kind, 'rows');
        if (page.kind !== 'rows') return;
        for (const { key, raw } of page.rows) {
          assert.ok(raw === rows[key], `${key} is as it was cut`);
          found.set(key, raw);
        }
        cursor = page.next;
      }
      assert.equal(found.size, 40);
    },
  );

  recovered('a generation is read in pages', async (bench) => {
    const rows = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`k${i}`, String(i)]));
    await bench.write(rows);
    const flight = await bench.cut();
    const first = await bench.lanes.readGeneration(0, 1, flight.generation, '', 100);
    assert.ok(first.kind === 'rows' && first.next !== '' && first.rows.length < 1_000);
    const again = await bench.lanes.readGeneration(0, 1, flight.generation, '', 100);
    assert.deepEqual(again, first);
    assert.deepEqual(Object.fromEntries(await bench.generation(flight, 100)), rows);
  });

  recovered('a generation is read by nobody else, and no other', async (bench) => {
    await bench.write({ a: '1' });
    const flight = await bench.cut();
    assert.deepEqual(await bench.lanes.readGeneration(0, 2, flight.generation, '', 10), { kind: 'refused', epoch: 1 });
    assert.deepEqual(await bench.lanes.readGeneration(0, 1, flight.generation + 1, '', 10), {
      kind: 'refused',
      epoch: 1,
    });
    await bench.acknowledgeAll(flight.generation);
    assert.deepEqual(await bench.lanes.readGeneration(0, 1, flight.generation, '', 10), { kind: 'refused', epoch: 1 });
  });
}

function testAcknowledging(recovered: Register): void {
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

function testRefusedInParts(recovered: Register): void {
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

function testExpiry(recovered: Register): void {
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
