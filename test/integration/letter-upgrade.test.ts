import { Pool } from 'pg';
import { expect, test } from 'vitest';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { postgresUrl } from '../servers/index.ts';
import { attach, batches, errorOf, generation, judge, put, Schema } from './postgres-fixture.ts';

/** The table as a version before 0.1.0 made it, with a letter in it. */
const FIRST_VERSION = `create table millrace_dead_letter (
  id bigint generated always as identity primary key, cache text not null, lane integer not null, key text not null,
  kind text not null check (kind in ('put', 'delete')), value text, code text not null, message text not null,
  attempts integer not null, generation bigint not null, from_seq bigint not null, cut_seq bigint not null,
  created_at timestamptz not null default now());
  create index millrace_dead_letter_key on millrace_dead_letter (cache, key, id);
  create index millrace_dead_letter_generation on millrace_dead_letter (cache, lane, generation);
  insert into millrace_dead_letter
    (cache, lane, key, kind, value, code, message, attempts, generation, from_seq, cut_seq)
    values ('c', 0, 'old', 'put', '1', '23514', 'refused', 4, 1, 1, 9)`;

async function withFirstVersion(): Promise<Schema> {
  const schema = await Schema.create();
  await schema.pool.query(`create table t (k text primary key, v jsonb); ${FIRST_VERSION}`);
  return schema;
}

test('a table of the first version is given its new columns, and its letters are dead ones', async () => {
  await using schema = await withFirstVersion();
  const options = { pool: schema.pool, table: 't', key: 'k', value: 'v' };
  const [store] = await Promise.all([attach(postgresStore(options)), attach(postgresStore(options))]);
  const letters = await store.deadLetters!.list({ limit: 9 });
  expect(letters).toMatchObject([
    { key: 'old', state: 'dead', json: '1', attempts: 4, retryAt: undefined, supersededAt: undefined },
  ]);
  await store.raiseEpoch(0);
  expect(await store.deadLetters!.redrive(letters[0]!.id)).toEqual({ kind: 'waiting', lane: 0, revived: true });
  expect(await store.retry(0, 1, (await store.deadLetters!.due(0, 9)).letters, judge)).toMatchObject({
    kind: 'retried',
    letters: [{ state: 'stored' }],
  });
  expect(await schema.rows('select k, v from t')).toEqual([{ k: 'old', v: 1 }]);
});

test('a login that may not add them is told what to run, and with it all is well', async () => {
  await using schema = await withFirstVersion();
  const role = `${schema.name}_user`;
  await schema.pool.query(
    `create role ${role} login password 'p';
    grant usage on schema ${schema.name} to ${role};
    grant select, insert, update, delete on all tables in schema ${schema.name} to ${role}`,
  );
  const url = new URL(postgresUrl());
  url.username = role;
  url.password = 'p';
  const pool = new Pool({ connectionString: url.href, options: `-c search_path=${schema.name}` });
  try {
    // The fence is not what is missing here.
    await schema.pool.query('alter table millrace_dead_letter rename to kept');
    await attach(postgresStore({ pool: schema.pool, table: 't', key: 'k', value: 'v' }));
    await schema.pool.query(
      `drop table millrace_dead_letter;
      alter table kept rename to millrace_dead_letter;
      grant select, insert, update on millrace_fence to ${role}`,
    );
    const store = postgresStore({ pool, table: 't', key: 'k', value: 'v' });
    const error = await errorOf(attach(store));
    expect(error.code).toBe('MILLRACE_STORE_SCHEMA');
    expect(error.message).toContain('add column if not exists tried_in');
    await schema.pool.query(error.message.slice(error.message.indexOf('\n'), error.message.lastIndexOf(';') + 1));
    const attached = await attach(store);
    await attached.raiseEpoch(0);
    expect(await attached.apply({ lanes: [generation(1)], judge, batches: batches([put('a', 1)]) })).toMatchObject({
      kind: 'applied',
      rows: 1,
    });
    await schema.pool.query(`revoke update on millrace_dead_letter from ${role}`);
    expect((await errorOf(attach(store))).message).toContain('grant select, insert, update, delete');
  } finally {
    await pool.end();
    await schema.pool.query(`drop owned by ${role}; drop role ${role}`);
  }
});
