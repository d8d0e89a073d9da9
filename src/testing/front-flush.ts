import { strict as assert } from 'node:assert';
import { testAcknowledging, testExpiry, testRefusedInParts } from './front-acknowledge.ts';
import { type Register } from './front-subject.ts';

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
