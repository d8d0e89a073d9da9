/** The conformance suite of the port `Store`: rows and values here, lanes and letters beside it. */
import { strict as assert } from 'node:assert';
import { testLanes } from './store-lanes.ts';
import {
  attach,
  Bench,
  cut,
  failsWith,
  flushOf,
  LANES,
  type Register,
  type StoreConformance,
} from './store-subject.ts';

export type { StoreConformance, StoreSubject } from './store-subject.ts';

/** Registers the tests that every implementation of the port `Store` passes. */
export function testStore({ test, open, capabilities }: StoreConformance): void {
  const register: Register = (name, check) =>
    test(name, async () => {
      const subject = await open();
      try {
        const bench = await Bench.over(subject);
        await check(bench);
        await bench.store.close();
      } finally {
        await subject.close();
      }
    });

  register('declares what the suite was told', ({ subject }) => {
    assert.deepEqual({ ...subject.store.capabilities }, { ...capabilities });
    return Promise.resolve();
  });
  testRows(register, capabilities);
  testValues(register);
  testLanes(register, capabilities);
}

/** Keys that have a meaning somewhere on the way: in SQL, in array texts, in JSON, in JavaScript objects. */
const ODD_KEYS = [
  'plain',
  "it's",
  'double "quotes"',
  'back\\slash',
  '\\',
  'comma,brace{}',
  'NULL',
  'null',
  '$1',
  '%s',
  'semi;colon--',
  '{{schema}}',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '-1',
  '01',
  ' blanks ',
  'tab\tand\nline',
  '\u0001',
  'ключ',
  '鍵',
  'é',
  'e\u0301',
  '👍🏽',
  '\u2028',
];

function testRows(register: Register, capabilities: StoreConformance['capabilities']): void {
  register('a key without a row is missing', async ({ store }) => {
    assert.equal((await store.load(['nobody', 'nothing'])).size, 0);
    assert.equal((await store.load([])).size, 0);
  });

  register('a committed row comes back, and a later one replaces it', async (bench) => {
    await bench.store.commit([bench.put('k', 'first')]);
    await bench.expectText('k', 'first');
    await bench.store.commit([bench.put('k', 'second'), bench.put('other', 'x')]);
    await bench.expectText('k', 'second');
    await bench.expectText('other', 'x');
  });

  register('a commit deletes, puts, or does both', async (bench) => {
    await bench.store.commit([bench.put('a', '1'), bench.put('b', '1')]);
    await bench.store.commit([bench.remove('a'), bench.put('b', '2'), bench.put('c', '2'), bench.remove('never was')]);
    await bench.expectText('a', undefined);
    await bench.expectText('b', '2');
    await bench.expectText('c', '2');
    await bench.store.commit([bench.remove('b'), bench.remove('c')]);
    assert.equal((await bench.store.load(['a', 'b', 'c'])).size, 0);
    await bench.store.commit([]);
  });

  register('a flush deletes and puts, in as many statements as its batches need', async (bench) => {
    if (capabilities.transactions) await bench.fences.raiseEpoch(0);
    await bench.store.commit([bench.put('gone', '1')]);
    const result = await bench.apply(
      {},
      [bench.put('a', '1'), bench.put('b', '1')],
      [bench.put('c', '1')],
      [bench.remove('gone')],
    );
    assert.deepEqual(result, { kind: 'applied', rows: 4, statements: 3, refused: [], superseded: 0 });
    for (const key of ['a', 'b', 'c']) await bench.expectText(key, '1');
    await bench.expectText('gone', undefined);
  });

  register('keys are data', async (bench) => {
    const keys = ODD_KEYS.filter((key) => bench.store.checkKey(key) === undefined);
    assert.ok(keys.length > 20, 'most keys are allowed');
    await bench.store.commit(keys.map((key) => bench.put(key, `value of ${key}`)));
    const found = await bench.store.load(keys);
    assert.equal(found.size, keys.length);
    for (const key of keys) await bench.expectText(key, `value of ${key}`);
    await bench.store.commit(keys.map((key) => bench.remove(key)));
    assert.equal((await bench.store.load(keys)).size, 0);
  });

  register('texts survive as they are', async (bench) => {
    for (const text of [
      "it's",
      '"',
      '\\',
      '\\u0000',
      '\n\r\t',
      '\u0001\u001F',
      '👍🏽',
      '\u2028',
      '<script>',
      '${x}',
      "'); drop table t; --",
      '',
    ]) {
      assert.equal(bench.store.checkValue(bench.subject.value(text)), undefined);
      await bench.store.commit([bench.put('text', text)]);
      await bench.expectText('text', text);
    }
  });

  register('10,000 rows go in and come out', async (bench) => {
    if (capabilities.transactions) await bench.fences.raiseEpoch(0);
    const keys = Array.from({ length: 10_000 }, (_, at) => `key-${`${at}`.padStart(5, '0')}`);
    const result = await bench.apply(
      {},
      ...cut(
        keys.map((key, at) => bench.put(key, `${at}`)),
        500,
      ),
    );
    assert.deepEqual(result, { kind: 'applied', rows: 10_000, statements: 20, refused: [], superseded: 0 });
    const found = await bench.store.load(keys);
    assert.equal(found.size, 10_000);
    await bench.expectText('key-09999', '9999');
  });

  register('a source that fails ends the flush with its own error', async (bench) => {
    if (capabilities.transactions) await bench.fences.raiseEpoch(0);
    const fault = new Error('the front is gone');
    const source = async function* () {
      yield [bench.put('a', '1')];
      await Promise.resolve();
      throw fault;
    };
    await assert.rejects(bench.lanes.apply(flushOf([{}], source())), (error) => error === fault);
    if (!capabilities.transactions) return;
    await bench.expectText('a', undefined);
    assert.equal((await bench.fences.raiseEpoch(0)).generation, 0);
  });
}

function testValues(register: Register): void {
  register('any JSON is a value, null among them', async (bench) => {
    if (!bench.subject.anyJson) return;
    const values = [
      'null',
      'true',
      '0',
      '-1.5e-7',
      '""',
      '"text"',
      '[]',
      '[[1,null],{}]',
      '{}',
      '{"__proto__":{"polluted":1},"constructor":{"prototype":2}}',
      '{"":0,"a b":[{"c":null}]}',
      '9007199254740991',
    ];
    await bench.store.commit(values.map((json, at) => ({ lane: 0, key: `value-${at}`, json })));
    for (const [at, json] of values.entries()) {
      const found = (await bench.store.load([`value-${at}`])).get(`value-${at}`);
      // As texts: deep equality looks past an own property called __proto__.
      assert.equal(JSON.stringify(JSON.parse(found ?? '')), JSON.stringify(JSON.parse(json)));
    }
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });

  register('a row that is refused refuses its commit, and nothing of it is stored', async (bench) => {
    const { badValue } = bench.subject;
    if (badValue === undefined) return;
    assert.equal(bench.store.checkValue(badValue), undefined, 'the bad value is one that only the store can tell');
    const bad = { lane: 0, key: 'bad', json: badValue };
    await assert.rejects(bench.store.commit([bench.put('good', '1'), bad]), failsWith('MILLRACE_REJECTED'));
    await bench.expectText('good', undefined);
    await assert.rejects(
      bench.store.commit([bad]),
      (error) => failsWith('MILLRACE_REJECTED')(error) && (error as { key?: unknown }).key === 'bad',
    );
  });

  register('a cache attaches as often as it likes', async (bench) => {
    await bench.store.commit([bench.put('k', '1')]);
    const again = await attach(bench.subject.store, LANES);
    assert.equal((await again.load(['k'])).size, 1);
    await again.close();
    await bench.expectText('k', '1');
  });
}
