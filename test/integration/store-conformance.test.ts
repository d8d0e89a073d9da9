import { PGlite } from '@electric-sql/pglite';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { customStore } from '../../src/stores/custom.ts';
import { postgresCounters, postgresLeaderboard, postgresLog, postgresStore } from '../../src/stores/postgres/index.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import { type StoreSubject, testStore } from '../../src/testing/store-conformance.ts';
import { testShapeStore } from '../../src/testing/store-shapes.ts';
import { postgresUrl } from '../servers/index.ts';

const transactional = { transactions: true, deadLetters: true };
let schemas = 0;

type Opened = Pick<StoreSubject, 'store' | 'close'>;

/** A schema of a test's own, in a database that the tests share. */
async function withSchema(
  script: (sql: string) => Promise<unknown>,
  open: (schema: string) => Promise<Opened>,
): Promise<Opened> {
  const schema = `conformance_${process.pid}_${(schemas += 1)}`;
  await script(`create schema ${schema}`);
  const opened = await open(schema);
  return {
    ...opened,
    async close() {
      await script(`drop schema ${schema} cascade`);
      await opened.close();
    },
  };
}

const document = {
  value: (text: string) => JSON.stringify({ text, nested: { list: [1, null, text] } }),
  badValue: '{"text":"refused by a check constraint"}',
  anyJson: true,
};
const documentTable = `
  id text primary key,
  "the value" jsonb not null,
  version bigint,
  at timestamptz not null,
  check ("the value"->>'text' is distinct from 'refused by a check constraint')`;
const documentMapping = { key: 'id', value: 'the value', version: 'version', touch: 'at' };

const record = {
  value: (text: string) =>
    JSON.stringify({
      'the text': text,
      count: text.length,
      price: 0.1,
      tags: [text, 'b'],
      seen: '2026-02-03T04:05:06.789Z',
      more: { text },
    }),
  badValue: JSON.stringify({ 'the text': 'refused', count: 1, price: -1, tags: [], seen: null, more: null }),
  anyJson: false,
};
const recordTable = `
  id text primary key,
  "the text" text not null,
  count bigint not null,
  price numeric not null check (price >= 0),
  tags text[],
  seen timestamptz,
  more jsonb`;
const recordMapping = { key: 'id', columns: ['the text', 'count', 'price', 'tags', 'seen', 'more'] };

describe('PostgreSQL', () => {
  const open = (table: string, mapping: typeof documentMapping | typeof recordMapping) => {
    const pool = new Pool({ connectionString: postgresUrl(), max: 4 });
    return withSchema(
      (sql) => pool.query(sql),
      async (schema) => {
        await pool.query(`create table ${schema}."Odd ""Name" (${table})`);
        return { store: postgresStore({ pool, table: `${schema}."Odd ""Name"`, ...mapping }), close: () => pool.end() };
      },
    );
  };
  describe('one JSON column', () => {
    testStore({
      test,
      capabilities: transactional,
      open: async () => ({ ...document, ...(await open(documentTable, documentMapping)) }),
    });
  });
  describe('mapped columns', () => {
    testStore({
      test,
      capabilities: transactional,
      open: async () => ({ ...record, ...(await open(recordTable, recordMapping)) }),
    });
  });
});

describe('PGlite', () => {
  let pglite: PGlite;
  beforeAll(async () => {
    pglite = await PGlite.create();
  }, 120_000);
  afterAll(() => pglite.close());
  const open = (table: string, mapping: typeof documentMapping | typeof recordMapping) =>
    withSchema(
      (sql) => pglite.exec(sql),
      async (schema) => {
        await pglite.exec(`create table ${schema}.records (${table})`);
        return {
          store: postgresStore({ pool: pglite, table: `${schema}.records`, ...mapping }),
          close: () => Promise.resolve(),
        };
      },
    );
  describe('one JSON column', () => {
    testStore({
      test,
      capabilities: transactional,
      open: async () => ({ ...document, ...(await open(documentTable, documentMapping)) }),
    });
  });
  describe('mapped columns', () => {
    testStore({
      test,
      capabilities: transactional,
      open: async () => ({ ...record, ...(await open(recordTable, recordMapping)) }),
    });
  });
});

describe('a custom store', () => {
  testStore({
    test,
    capabilities: { transactions: false, deadLetters: false },
    open: () => {
      const rows = new Map<string, unknown>();
      const store = customStore<unknown>({
        loadMany: (keys) =>
          Promise.resolve(keys.filter((key) => rows.has(key)).map((key) => [key, rows.get(key)] as const)),
        apply: (batch) => {
          for (const mutation of batch) {
            if (mutation.kind === 'delete') rows.delete(mutation.key);
            else rows.set(mutation.key, mutation.value);
          }
          return Promise.resolve();
        },
      });
      return Promise.resolve({ ...document, badValue: undefined, store, close: () => Promise.resolve() });
    },
  });
});

describe('counters, logs and leaderboards in PostgreSQL', () => {
  testShapeStore({
    test,
    async open(holds) {
      const pool = new Pool({ connectionString: postgresUrl(), max: 4 });
      let table = '';
      const opened = await withSchema(
        (sql) => pool.query(sql),
        async (schema) => {
          table = `${schema}.rows`;
          const columns = {
            log: 'event jsonb, o bigint',
            counters: 'key text primary key, number bigint',
            scores: 'key text primary key, number double precision',
          };
          await pool.query(`create table ${table} (${columns[holds]})`);
          const stores = {
            counters: () => postgresCounters({ pool, table, key: 'key', count: 'number' }),
            log: () => postgresLog({ pool, table, value: 'event', order: 'o' }),
            scores: () => postgresLeaderboard({ pool, table, member: 'key', score: 'number' }),
          };
          return { store: stores[holds](), close: () => pool.end() };
        },
      );
      return {
        ...opened,
        events: async () =>
          (await pool.query<{ event: unknown }>(`select event from ${table} order by o`)).rows.map(
            ({ event }) => event,
          ),
      };
    },
  });
});

describe('counters, logs and leaderboards in memory', () => {
  testShapeStore({
    test,
    open: (holds) => {
      const store = new MemoryStore({}, holds);
      return Promise.resolve({ store, events: () => Promise.resolve(store.events), close: () => Promise.resolve() });
    },
  });
});
