import { strict as assert } from 'node:assert';
import { accepted, batchOf, type Register } from './front-subject.ts';

/** Keys that have a meaning somewhere on the way: in key names, in hash tags, in patterns, in JavaScript objects. */
const ODD_KEYS = [
  'plain',
  ':',
  'a:b:c',
  '{',
  '}',
  '{}',
  '{a}b',
  'a{b}c',
  '*',
  '?',
  '[a]',
  '\\',
  '0',
  '-1',
  '01',
  '1e3',
  ' ',
  ' blanks ',
  '\n',
  '\u0001',
  '\u007F',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'null',
  'undefined',
  '~',
  '!',
  'é',
  'e\u0301',
  'ключ',
  '鍵',
  '👍🏽',
  '\u2028',
  '\uFFFF',
  '\u{10FFFF}',
  'x'.repeat(512),
  'é'.repeat(256),
  `${'鍵'.repeat(170)}ab`,
  '👍'.repeat(128),
];

/** What a batch takes in, how it is counted, and when it does not fit. */
export function testWrites(recovered: Register): void {
  recovered('a write is counted, marked and read back', async (bench) => {
    assert.deepEqual(await bench.write({ a: '"1"', b: '22' }), {
      kind: 'accepted',
      seq: 2,
      epoch: 1,
      pending: 2,
      entries: 2,
      bytes: 5,
    });
    assert.deepEqual(await bench.lanes.readMany([0, 0, 0], ['a', 'none', 'b']), ['"1"', undefined, '22']);
    const header = await bench.header();
    assert.deepEqual([header.seq, header.pendingEntries, header.pendingBytes, header.pendingTombstones], [2, 2, 5, 0]);
    assert.ok(header.pendingSinceMs > 0);
    await bench.expectTtl('a', undefined);
  });

  recovered('a later write of a key replaces it and takes no room', async (bench) => {
    await bench.write({ a: '"1"', b: '22' });
    const { pendingSinceMs } = await bench.header();
    assert.deepEqual(await bench.write({ a: '"later and longer"' }), {
      kind: 'accepted',
      seq: 3,
      epoch: 1,
      pending: 2,
      entries: 2,
      bytes: 20,
    });
    assert.equal(
      (await bench.write({ a: '"ü"' })).bytes,
      6,
      'a shorter value gives room back, and bytes are those of UTF-8',
    );
    await bench.expectSlot('a', '"ü"');
    assert.equal((await bench.header()).pendingSinceMs, pendingSinceMs);
  });

  recovered('mutations that were coalesced before take their seqs', async (bench) => {
    assert.equal((await bench.write({ a: '1' }, { accepted: 7 })).seq, 7);
    assert.equal((await bench.write({ a: '2' })).seq, 8);
  });

  recovered('a delete is a tombstone', async (bench) => {
    await bench.write({ a: '1' });
    await bench.write({ a: '~', b: '~' });
    await bench.expectSlot('a', '~');
    assert.equal((await bench.header()).pendingTombstones, 2);
  });

  recovered('no new key gets in when there are enough', async (bench) => {
    const limit = { maxEntries: 3 };
    await bench.write({ a: '1', b: '1' }, limit);
    const before = await bench.header();
    assert.deepEqual(await bench.lanes.write(0, batchOf(Object.entries({ b: '2', c: '2', d: '2' }), limit)), {
      kind: 'full',
      entries: 2,
      bytes: 2,
      refused: [2],
    });
    assert.deepEqual(await bench.header(), before);
    await bench.expectSlot('b', '1');
    await bench.write({ b: '2', c: '2' }, limit);
    assert.deepEqual(await bench.lanes.write(0, batchOf([['d', '3']], limit)), {
      kind: 'full',
      entries: 3,
      bytes: 3,
      refused: [0],
    });
    await bench.write({ a: '4', b: '4', c: '4' }, limit);
  });

  recovered('no new key gets in when there are enough bytes', async (bench) => {
    const limit = { maxBytes: 10 };
    await bench.write({ a: '123456' }, limit);
    assert.deepEqual(await bench.lanes.write(0, batchOf([['b', '12345']], limit)), {
      kind: 'full',
      entries: 1,
      bytes: 6,
      refused: [0],
    });
    await bench.write({ b: '1234' }, limit);
    const before = await bench.header();
    assert.deepEqual(await bench.lanes.write(0, batchOf(Object.entries({ a: '1234567', b: '9999' }), limit)), {
      kind: 'full',
      entries: 2,
      bytes: 10,
      refused: [0],
    });
    assert.deepEqual(await bench.header(), before);
    await bench.write({ a: '12345', b: '12345' }, limit);
  });

  recovered(
    'what needs no room passes in a full lane, and nothing overtakes the first that waits for it',
    async (bench) => {
      await bench.write({ a: '1', b: '1' });
      const rows = Object.entries({ a: '2', c: '333', b: '2', d: '4' });
      assert.deepEqual(await bench.lanes.write(0, batchOf(rows, { maxEntries: 9, maxBytes: 3 })), {
        kind: 'full',
        entries: 2,
        bytes: 2,
        refused: [1, 3],
      });
      assert.deepEqual(await bench.lanes.write(0, batchOf(rows, { maxEntries: 0, maxBytes: 0 })), {
        kind: 'full',
        entries: 2,
        bytes: 2,
        refused: [1, 3],
      });
      assert.equal((await bench.write({ a: '2', b: '~' }, { maxEntries: 0, maxBytes: 0 })).bytes, 2);
    },
  );

  recovered('what is in flight takes room until the store has it', async (bench) => {
    await bench.write({ a: '11', b: '22' });
    const flight = await bench.cut();
    assert.deepEqual([flight.entries, flight.bytes], [2, 4]);
    const { pending, entries, bytes } = await bench.write({ a: '333' });
    assert.deepEqual({ pending, entries, bytes }, { pending: 1, entries: 3, bytes: 7 });
    assert.equal((await bench.lanes.write(0, batchOf([['c', '1']], { maxEntries: 3 }))).kind, 'full');
    await bench.acknowledge(flight.generation, { limit: 1 });
    assert.equal((await bench.write({ c: '1' }, { maxEntries: 3 })).entries, 2);
  });

  recovered('writes that are not waited for take effect in their order', async (bench) => {
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => bench.lanes.write(0, batchOf([['k', String(i)]]))),
    );
    assert.deepEqual(
      results.map((result) => accepted(result).seq),
      results.map((_, i) => i + 1),
    );
    await bench.expectSlot('k', '49');
  });

  recovered('an empty batch takes nothing but its seqs', async (bench) => {
    assert.deepEqual(await bench.write({}, { accepted: 0 }), {
      kind: 'accepted',
      seq: 0,
      epoch: 1,
      pending: 0,
      entries: 0,
      bytes: 0,
    });
  });

  recovered('keys are data', async (bench) => {
    const rows = ODD_KEYS.map((key, i) => [key, JSON.stringify({ i, key })] as const);
    accepted(await bench.lanes.write(0, batchOf(rows, { ttls: new Map([[3, 7_200_000]]) })));
    assert.deepEqual(
      await bench.lanes.readMany(
        rows.map(() => 0),
        ODD_KEYS,
      ),
      rows.map(([, slot]) => slot),
    );
    const flight = await bench.cut();
    // Half of them are frozen: written again while they are in flight.
    await bench.lanes.write(0, batchOf(ODD_KEYS.filter((_, i) => i % 2 === 0).map((key) => [key, '"new"'])));
    const found = await bench.generation(flight, 7);
    assert.deepEqual(new Set(found.keys()), new Set(ODD_KEYS));
    for (const [key, slot] of rows) assert.equal(found.get(key), slot, `value of ${JSON.stringify(key)}`);
    await bench.acknowledgeAll(flight.generation, { ttlMs: 3_600_000, limit: 5 });
    for (const [i, key] of ODD_KEYS.entries())
      await bench.expectTtl(key, i % 2 === 0 ? undefined : i === 3 ? 7_200_000 : 3_600_000);
    const rest = await bench.cut();
    await bench.acknowledgeAll(rest.generation, { deadKeys: ODD_KEYS });
    for (const [i, key] of ODD_KEYS.entries()) await bench.expectSlot(key, i % 2 === 0 ? undefined : rows[i]?.[1]);
  });

  recovered('a value may have 1 MiB', async (bench) => {
    const large = JSON.stringify('é"\\👍 '.repeat(100_000)).slice(0, 2 ** 20 - 1) + '"';
    await bench.write({ large, '1': large, small: '1' });
    await bench.expectSlot('large', large);
    const flight = await bench.cut();
    await bench.write({ large: '1' });
    await bench.expectGeneration(flight, { large, '1': large, small: '1' });
    await bench.acknowledgeAll(flight.generation, { ttlMs: 3_600_000 });
    await bench.expectSlot('1', large);
    await bench.expectSlot('large', '1');
  });

  recovered('a batch may have 5,000 keys', async (bench) => {
    const rows = Array.from({ length: 5_000 }, (_, i) => [`key ${i}`, String(i)] as const);
    const ttls = new Map(rows.map((_, i) => [i, 3_600_000 + i]));
    assert.equal(accepted(await bench.lanes.write(0, batchOf(rows, { ttls }))).pending, 5_000);
    const flight = await bench.cut();
    assert.equal(accepted(await bench.lanes.write(0, batchOf(rows.map(([key]) => [key, '"new"'])))).entries, 10_000);
    const found = await bench.generation(flight, 700);
    assert.equal(found.size, 5_000);
    for (const [key, slot] of rows) assert.equal(found.get(key), slot);
    const header = await bench.acknowledgeAll(flight.generation, { limit: 700, ttlMs: 1 });
    assert.deepEqual([header.pendingEntries, header.flight], [5_000, undefined]);
    await bench.passTime();
    assert.deepEqual(
      await bench.lanes.readMany(
        rows.map(() => 0),
        rows.map(([key]) => key),
      ),
      rows.map(() => '"new"'),
    );
  });
}
