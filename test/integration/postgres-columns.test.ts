import { PGlite } from '@electric-sql/pglite';
import { describe, expect, test } from 'vitest';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { attach, errorOf, judge, put, Schema } from './postgres-fixture.ts';

describe('mapped columns', () => {
  const types = {
    txt: 'text',
    vc: 'varchar(5)',
    flag: 'boolean not null',
    i2: 'int2',
    i4: 'int4',
    i8: 'int8',
    num: 'numeric',
    price: 'numeric(10,2)',
    f4: 'float4',
    f8: 'float8',
    uid: 'uuid',
    ts: 'timestamptz',
    plain: 'timestamp',
    day: 'date',
    doc: 'jsonb',
    tags: 'text[]',
    mood: 'mood',
  };
  const full = {
    txt: 'it\'s "x" \\ 👍',
    vc: '12345',
    flag: true,
    i2: -32768,
    i4: 2147483647,
    i8: 9007199254740991,
    num: 0.1 + 0.2,
    price: 9.5,
    f4: 0.1,
    f8: 1.7976931348623157e308,
    uid: '0b8a1e2c-6f0e-4a53-8f6d-2a6f3b1f9c11',
    ts: '2026-02-03T04:05:06.789Z',
    plain: '2026-02-03T04:05:06',
    day: '2026-02-03',
    doc: { a: [null, { __proto__: null }] },
    tags: ['a', 'b,"c'],
    mood: 'ok',
  };

  async function open() {
    const schema = await Schema.create({ options: '-c timezone=Asia/Kolkata' });
    const columns = Object.entries(types).map(([name, type]) => `${name} ${type}`);
    await schema.pool.query(
      `set search_path = ${schema.name};
      create type mood as enum ('ok', 'bad');
      create table ${schema.name}.t (id text primary key, ${columns.join(', ')});
      reset search_path`,
    );
    const store = await attach(
      postgresStore({ pool: schema.pool, table: `${schema.name}.t`, key: 'id', columns: Object.keys(types) }),
    );
    return { schema, store, [Symbol.asyncDispose]: () => schema[Symbol.asyncDispose]() };
  }

  test('come back as JavaScript wrote them', async () => {
    await using opened = await open();
    const { store } = opened;
    const empty = { ...Object.fromEntries(Object.keys(types).map((name) => [name, null])), flag: false };
    const exact = {
      ...empty,
      i8: '9223372036854775807',
      num: '12345678901234567890.12345',
      ts: '2026-02-03T04:05:06.789012Z',
    };
    const odd = { ...empty, num: 'NaN', f8: 'Infinity', i8: '-9223372036854775808', txt: '', tags: [] };
    const small = { ...empty, num: 1e-7, f8: 5e-324, price: -0.01, i8: 0, ts: '0099-12-31T23:59:59.999Z' };
    for (const [key, value] of Object.entries({ full, empty, exact, odd, small })) {
      const row = put(key, value);
      expect([key, store.checkValue(row.json!)]).toEqual([key, undefined]);
      await store.commit([row]);
      expect([key, JSON.parse((await store.load([key])).get(key)!)]).toEqual([key, value]);
    }
  });

  test('a missing property is null, and comes back as null', async () => {
    await using opened = await open();
    await opened.store.commit([put('k', full)]);
    await opened.store.commit([put('k', { flag: true })]);
    const found = JSON.parse((await opened.store.load(['k'])).get('k')!);
    expect(found).toEqual({ ...Object.fromEntries(Object.keys(types).map((name) => [name, null])), flag: true });
  });

  test('what a column cannot hold is refused before it is acknowledged', async () => {
    await using opened = await open();
    const refusal = (value: unknown) => opened.store.checkValue(JSON.stringify(value));
    for (const value of [null, 1, 'x', [], true]) expect(refusal(value)).toMatch(/take an object/);
    expect(refusal({ flag: true, toString: 1, b: 2 })).toBe(
      'it has properties that are not mapped to a column: "toString", "b"',
    );
    expect(refusal({})).toMatch(/"flag": the column takes no null/);
    const wrong: [string, unknown][] = [
      ['txt', 1],
      ['vc', '123456'],
      ['vc', '👍👍👍👍👍👍'],
      ['flag', 1],
      ['i2', 32768],
      ['i2', 1.5],
      ['i4', '2147483648'],
      ['i8', '9223372036854775808'],
      ['i8', 1e19],
      ['num', 'x'],
      ['f8', {}],
      ['uid', 'x'],
      ['ts', 5],
      ['day', true],
      ['tags', 'a'],
      ['txt', 'a\0b'],
    ];
    for (const [name, value] of wrong)
      expect([name, value, refusal({ flag: true, [name]: value })]).not.toEqual([name, value, undefined]);
    for (const [name, value] of [
      ['vc', '👍👍👍👍👍'],
      ['vc', '12345  '],
      ['i8', '9223372036854775807'],
      ['num', '1e400'],
    ] as const)
      expect([name, refusal({ flag: true, [name]: value })]).toEqual([name, undefined]);
  });

  test('more than fifty of them', async () => {
    await using schema = await Schema.create();
    const names = Array.from({ length: 120 }, (_, at) => `c${at}`);
    await schema.pool.query(`create table t (id text primary key, ${names.map((name) => `${name} int`).join(', ')})`);
    const store = await attach(postgresStore({ pool: schema.pool, table: 't', key: 'id', columns: names }));
    const value = Object.fromEntries(names.map((name, at) => [name, at]));
    await store.commit([put('k', value)]);
    expect(JSON.parse((await store.load(['k'])).get('k')!)).toEqual(value);
  });
});

describe('keys, of which each row has one', () => {
  const max = 2n ** 63n;
  test.each([
    ['text', ['a', ' ', '01', 'A', 'é', 'e\u0301', 'x'.repeat(512)], ['a\0', '\ud800']],
    ['varchar(3)', ['abc', '👍👍👍'], ['abcd', 'a\0']],
    ['char(3)', ['abc', 'a', '👍'], ['abcd', 'a ', ' ']],
    ['smallint', ['0', '-32768', '32767'], ['32768', '01', '+1', '-0', '1.0', '1e3', '', ' 1', 'x', '0x1', '١']],
    ['integer', ['7', '-2147483648'], ['2147483648', '00']],
    ['bigint', [`${max - 1n}`, `${-max}`], [`${max}`, `${-max - 1n}`, '9'.repeat(30)]],
    [
      'uuid',
      ['0b8a1e2c-6f0e-4a53-8f6d-2a6f3b1f9c11'],
      [
        '0B8A1E2C-6F0E-4A53-8F6D-2A6F3B1F9C11',
        '0b8a1e2c6f0e4a538f6d2a6f3b1f9c11',
        '{0b8a1e2c-6f0e-4a53-8f6d-2a6f3b1f9c11}',
        'x',
      ],
    ],
  ])('%s', async (type, good, bad) => {
    await using schema = await Schema.create();
    await schema.pool.query(`create table t (k ${type} primary key, v jsonb)`);
    const store = await attach(postgresStore({ pool: schema.pool, table: 't', key: 'k', value: 'v' }));
    expect(good.filter((key) => store.checkKey(key) !== undefined)).toEqual([]);
    expect(bad.filter((key) => store.checkKey(key) === undefined)).toEqual([]);
    await store.raiseEpoch(0);
    const rows = good.map((key) => put(key, key));
    await store.apply({
      lanes: [{ lane: 0, epoch: 1, generation: 1, fromSeq: 1, cutSeq: 1, digest: 'd', letters: false }],
      judge,
      batches: (async function* () {
        yield rows;
      })(),
    });
    expect(await store.load([...good, ...bad])).toEqual(new Map(rows.map(({ key, json }) => [key, json])));
    await store.commit(good.map((key) => ({ lane: 0, key, json: undefined })));
    expect(await schema.rows('select * from t')).toEqual([]);
  });
});

test('PGlite tells what is wrong in the same words, and a closed one is a store that is not there', async () => {
  const pglite = await PGlite.create();
  await pglite.exec(
    `create table t (k text primary key, v jsonb, email text generated always as (v->>'email') stored unique)`,
  );
  const store = await attach(postgresStore({ pool: pglite, table: 't', key: 'k', value: 'v' }));
  await store.commit([put('a', { email: 's3cret' })]);
  const rejected = await errorOf(store.commit([put('b', { email: 's3cret' })]));
  expect(rejected.code).toBe('MILLRACE_REJECTED');
  expect(`${rejected.message}${JSON.stringify(rejected)}`).not.toContain('s3cret');
  expect((await errorOf(attach(postgresStore({ pool: pglite, table: 'u', key: 'k', value: 'v' })))).code).toBe(
    'MILLRACE_STORE_SCHEMA',
  );
  await pglite.close();
  expect((await errorOf(store.load(['a']))).code).toBe('MILLRACE_STORE_UNAVAILABLE');
});
