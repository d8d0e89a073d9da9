import { describe, expect, test } from 'vitest';
import type { Judge } from '../../src/core/letter.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { eventually } from '../support/gate.ts';
import { inBatches, open, rowsOf, tapped } from './apply-fixture.ts';
import { attach, batches, errorOf, generation, judge, put } from './postgres-fixture.ts';

describe('an apply', () => {
  test('writes one version of each row', async () => {
    await using opened = await open(`create table audit (k text, v jsonb, n bigint);
      create function note() returns trigger language plpgsql as $$ begin
        insert into audit values (new.k, new.v, new.n); return new;
      end $$;
      create trigger note after insert or update on t for each row execute function note()`);
    const { schema, store } = opened;
    await store.apply({ lanes: [generation(1)], judge, batches: batches([put('a', 1), put('b', 1)]) });
    await store.apply({ lanes: [generation(2)], judge, batches: batches([put('a', 2)], [put('c', null)]) });
    expect(await schema.rows('select k, v::text, n::int from audit')).toEqual([
      { k: 'a', v: '1', n: 1 },
      { k: 'b', v: '1', n: 1 },
      { k: 'a', v: '2', n: 2 },
      { k: 'c', v: 'null', n: 1 },
    ]);
    expect(await schema.rows(`select count(*)::int as fresh from t where at > now() - interval '1 minute'`)).toEqual([
      { fresh: 3 },
    ]);
  });

  test('of 1,000 rows in batches of 100 is 10 statements', async () => {
    await using opened = await open(`create sequence upserts;
      create function count_it() returns trigger language plpgsql as $$ begin
        perform nextval('upserts'); return null;
      end $$;
      create trigger count_it after insert on t for each statement execute function count_it()`);
    const { schema, store } = opened;
    expect(
      await store.apply({ lanes: [generation(1)], judge, batches: batches(...inBatches(rowsOf(1_000), 100)) }),
    ).toMatchObject({ rows: 1_000, statements: 10 });
    expect(await schema.rows('select last_value::int as upserts from upserts')).toEqual([{ upserts: 10 }]);
  });

  test('keeps each row with its key, whatever is in them', async () => {
    await using opened = await open();
    const { schema, store } = opened;
    const keys = ['a\nb', 'a,b', '"{}\\', ' null ', 'NULL', ' '];
    const rows = keys.map((key) => put(key, { key, text: 'line\nline\r\n"\\n"', other: '\u2028' }));
    await store.apply({
      lanes: [generation(1)],
      judge,
      batches: batches([...rows, { lane: 0, key: 'spaced', json: '{\n  "a": [1,\n 2]\n}\n' }, put('z', null)]),
    });
    const found = await schema.pool.query<{ k: string; v: unknown }>('select k, v from t');
    expect(new Map(found.rows.map(({ k, v }) => [k, v]))).toEqual(
      new Map<string, unknown>([
        ...rows.map(({ key, json = '' }) => [key, JSON.parse(json)] as const),
        ['spaced', { a: [1, 2] }],
        ['z', null],
      ]),
    );
  });

  test('refuses a line break within a string of JSON text, and nothing else', async () => {
    await using opened = await open();
    const { schema, store } = opened;
    const result = await store.apply({
      lanes: [generation(1)],
      judge,
      batches: batches([put('a', 1), { lane: 0, key: 'b', json: '"line\nline"' }, put('c', 3)]),
    });
    expect(result).toMatchObject({ rows: 2, refused: [{ key: 'b', code: '22P02' }] });
    expect(await schema.rows('select k, v::text as v from t order by k')).toEqual([
      { k: 'a', v: '1' },
      { k: 'c', v: '3' },
    ]);
  });

  test('of one batch takes three round trips', async () => {
    await using opened = await open();
    const texts: string[] = [];
    const store = await attach(
      postgresStore({
        pool: tapped(opened.schema.pool, (text, run) => (texts.push(text), run())),
        table: 't',
        key: 'k',
        value: 'v',
      }),
    );
    texts.length = 0;
    await store.apply({ lanes: [generation(1)], judge, batches: batches(rowsOf(100)) });
    expect(texts.map((text) => text.slice(0, 6))).toEqual(['begin;', 'insert', 'commit']);
  });

  test('cuts a batch of large values into statements', async () => {
    await using opened = await open();
    const { schema, store } = opened;
    const result = await store.apply({
      lanes: [generation(1)],
      judge,
      batches: batches(rowsOf(20, 'x'.repeat(2 ** 20 - 2))),
    });
    expect(result).toMatchObject({ kind: 'applied', rows: 20, statements: 3 });
    expect(await schema.rows('select count(*)::int as n, min(length(v::text)) as length from t')).toEqual([
      { n: 20, length: 2 ** 20 },
    ]);
  });
});

describe('a refused row', () => {
  test('among 10,000 costs a few statements more', async () => {
    await using opened = await open(`alter table t add check (v <> '666')`);
    const { schema } = opened;
    let upserts = 0;
    const store = await attach(
      postgresStore({
        pool: tapped(
          schema.pool,
          (text, run) => ((upserts += text.startsWith('insert into "') && text.includes('"t"') ? 1 : 0), run()),
        ),
        table: 't',
        key: 'k',
        value: 'v',
      }),
    );
    for (const [number, at] of [
      [1, 0],
      [2, 4_321],
      [3, 9_999],
    ] as const) {
      const rows = rowsOf(10_000, number);
      rows[at] = put(rows[at]!.key, 666);
      upserts = 0;
      const result = await store.apply({
        lanes: [generation(number)],
        judge,
        batches: batches(...inBatches(rows, 500)),
      });
      expect(result).toMatchObject({ kind: 'applied', rows: 9_999, refused: [{ key: rows[at]!.key, code: '23514' }] });
      expect(upserts).toBeLessThanOrEqual(20 + 7 + 2 * Math.ceil(Math.log2(500)));
    }
  });

  test('may be a delete', async () => {
    await using opened = await open(
      `create table child (k text references t);
      insert into t values ('parent', '1'), ('x', '1');
      insert into child values ('parent')`,
    );
    const { schema, store } = opened;
    const result = await store.apply({
      lanes: [generation(1)],
      judge,
      batches: batches([
        put('a', 1),
        { lane: 0, key: 'parent', json: undefined },
        { lane: 0, key: 'x', json: undefined },
      ]),
    });
    expect(result).toMatchObject({ rows: 2, refused: [{ key: 'parent', code: '23503' }] });
    expect(await store.deadLetters?.ofKey('parent')).toMatchObject({ kind: 'delete', json: undefined });
    expect(await schema.rows('select k from t order by 1')).toEqual([{ k: 'a' }, { k: 'parent' }]);
  });

  test('does not take along what was written before it, even if that is refused the second time', async () => {
    await using opened = await open(`create sequence seen; alter table t add check (v <> '666');
      create function flaky() returns trigger language plpgsql as $$ begin
        if nextval('seen') = 2 then raise exception 'not again'; end if; return new;
      end $$;
      create trigger flaky before insert on t for each row when (new.k = 'flaky') execute function flaky()`);
    const { schema, store } = opened;
    const result = await store.apply({
      lanes: [generation(1)],
      judge,
      batches: batches([put('a', 1)], [put('b', 1), put('flaky', 1)], [put('c', 1)], [put('bad', 666), put('d', 1)]),
    });
    expect(result).toMatchObject({ kind: 'applied', rows: 5, refused: [{ key: 'bad' }] });
    expect(await schema.rows('select k from t order by 1')).toEqual(['a', 'b', 'c', 'd', 'flaky'].map((k) => ({ k })));
  });

  test('is found also where its constraint is deferred to the commit', async () => {
    await using opened = await open(
      `create table parent (p text primary key);
      insert into parent values ('1');
      alter table t add p text generated always as (v->>'p') stored
        references parent deferrable initially deferred`,
    );
    const result = await opened.store.apply({
      lanes: [generation(1)],
      judge,
      batches: batches([put('a', { p: '1' }), put('b', { p: 'none' }), put('c', { p: '1' })]),
    });
    expect(result).toMatchObject({ rows: 2, refused: [{ key: 'b', code: '23503' }] });
  });

  test('never tells its values', async () => {
    await using opened = await open(`alter table t add email text generated always as (v->>'email') stored unique,
        add age int generated always as ((v->>'age')::int) stored;
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no % here', new.v; end $$;
      create trigger refuse before insert on t for each row
        when (new.v->>'raise' is not null) execute function refuse()`);
    const { store } = opened;
    const bad = [
      put('a', { email: 's3cret' }),
      put('b', { email: 's3cret' }),
      put('c', { age: 's3cret' }),
      put('d', { raise: 's3cret' }),
    ];
    const result = await store.apply({ lanes: [generation(1)], judge, batches: batches(bad) });
    expect(result).toMatchObject({
      rows: 1,
      refused: [
        { key: 'b', code: '23505' },
        { key: 'c', code: '22P02' },
        { key: 'd', code: 'P0001' },
      ],
    });
    const letters = await store.deadLetters!.list({ limit: 10 });
    expect(letters.map(({ json }) => json)).toEqual(bad.slice(1).map(({ json }) => json));
    const errors = await Promise.all(bad.slice(1).map((row) => errorOf(store.commit([row]))));
    expect(errors.map(({ code }) => code)).toEqual(['MILLRACE_REJECTED', 'MILLRACE_REJECTED', 'MILLRACE_REJECTED']);
    const said = [
      ...letters.map(({ message }) => message),
      ...errors.map((error) => `${error.message} ${JSON.stringify(error)}`),
      JSON.stringify(result),
    ];
    expect(said.join('\n')).not.toContain('s3cret');
  });
});

test('caches with different tables share a pool and its prepared statements', async () => {
  await using opened = await open('create table u (k int primary key, v json)');
  const other = await attach(postgresStore({ pool: opened.schema.pool, table: 'u', key: 'k', value: 'v' }), {
    cache: 'other',
    lanes: 3,
  });
  const unprepared = await attach(
    postgresStore({ pool: opened.schema.pool, table: 't', key: 'k', value: 'v', prepare: false }),
  );
  for (let round = 0; round < 3; round++) {
    for (const store of [opened.store, other, unprepared]) {
      await store.commit([put('1', round)]);
      expect(await store.load(['1', 'no integer'])).toEqual(new Map([['1', `${round}`]]));
    }
  }
});

test('a letter that is discarded while it is refused once more stays discarded', async () => {
  await using opened = await open(`alter table t add check (v <> '666')`);
  const { schema, store } = opened;
  const waits: Judge = ({ attempts = 0 }) => ({ state: 'waiting', attempts: attempts + 1, retryInMs: 0 });
  await store.apply({ lanes: [generation(1)], judge: waits, batches: batches([put('a', 666), put('b', 1)]) });
  const { letters } = await store.deadLetters!.due(0, 10);
  const id = letters[0]!.id;
  const discard = { asked: false, answered: false };
  let discarded: Promise<unknown> = Promise.resolve();
  const isBlocked = async (): Promise<boolean> => {
    const [row] = await schema.rows(
      `select count(*)::int as n from pg_stat_activity
      where wait_event_type = 'Lock' and query like '%${schema.name}%for update of d' and pid <> pg_backend_pid()`,
    );
    return row?.['n'] === 1;
  };
  // Between the row's refusal and the letter's next state.
  const pool = tapped(schema.pool, async (text, run) => {
    if (!discard.asked && text.includes('set state = r.state')) {
      discard.asked = true;
      discarded = store.deadLetters!.discard(id).finally(() => (discard.answered = true));
      await eventually(
        'the discard waits for the retry, or does not',
        async () => discard.answered || (await isBlocked()),
      );
    }
    return run();
  });
  const worker = await attach(postgresStore({ pool, table: 't', key: 'k', value: 'v', version: 'n', touch: 'at' }));
  expect(await worker.retry(0, 1, letters, waits)).toMatchObject({
    kind: 'retried',
    letters: [{ id, state: 'waiting', attempts: 2 }],
  });
  expect(await discarded).toBe('waiting');
  expect(discard).toEqual({ asked: true, answered: true });
  expect(await store.deadLetters!.get(id)).toBeUndefined();
  expect(await store.deadLetters!.discard(id)).toBeUndefined();
});
