import { inspect } from 'node:util';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Cache } from '../../src/index.ts';
import { postgresUrl } from '../servers/index.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { NEVER, Stage } from '../support/stage.ts';

type Effect = 'passes' | 'letter' | 'stops';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
  await table.query(`create table {{schema}}.fault (code text)`);
  // What the server itself would report, with the code that is in the table.
  await table.query(`create function {{schema}}.fail() returns trigger language plpgsql as $$ declare wanted text; begin
    select code into wanted from {{schema}}.fault;
    if found then raise exception 'with the value s3cret' using errcode = wanted; end if; return new;
  end $$`);
  await table.query(
    'create trigger fail before insert on {{schema}}.docs for each row execute function {{schema}}.fail()',
  );
});
afterAll(() => table[Symbol.asyncDispose]());
beforeEach(async () => {
  await table.query('delete from {{schema}}.fault');
  await table.query('drop table if exists {{schema}}.millrace_dead_letter, {{schema}}.millrace_fence');
  await table.reset();
});

interface Opened {
  readonly cache: Cache<unknown>;
  /** `logged`: as console.error prints it. */
  readonly seen: {
    readonly failed: string[];
    readonly stopped: string[];
    readonly refused: string[];
    readonly logged: string[];
  };
}

async function open(stage: Stage, options: Parameters<AuditedTable['store']>[0] = {}): Promise<Opened> {
  const cache = await stage.open<unknown>({
    store: table.store(options),
    flush: NEVER,
    lanes: 1,
    retry: { attempts: 1, minDelay: 20, maxDelay: 100 },
  });
  const seen: Opened['seen'] = { failed: [], stopped: [], refused: [], logged: [] };
  cache.on('flush-failed', ({ error }) => {
    seen.failed.push(error.message);
    seen.logged.push(inspect(error));
  });
  cache.on('stopped', ({ error }) => {
    seen.stopped.push(error.message);
    seen.logged.push(inspect(error));
  });
  cache.on('dead-letter', ({ code }) => seen.refused.push(code));
  return { cache, seen };
}

/** What became of a row that was written while the store was broken. */
interface Outcome {
  readonly effect: Effect;
  readonly told: string;
  readonly stored: Record<string, unknown>;
  readonly letters: unknown[];
}

const ROW = { k: { n: 1 } };

/** Writes a row, waits until its fate shows, mends the store, and waits until the row has come to rest. */
async function outcomeOf({ cache, seen }: Opened, mend: () => Promise<unknown>): Promise<Outcome> {
  const receipt = await cache.set('k', ROW.k);
  const flushed = cache.flush().catch(() => undefined);
  const listed = async () =>
    (await cache.deadLetters.list()).map(({ key, state, code, attempts }) => ({ key, state, code, attempts }));
  const effect = await vi.waitFor(
    async (): Promise<Effect> => {
      if (seen.stopped.length > 0) return 'stops';
      if (seen.refused.length > 0) return 'letter';
      // A session that was ended is no more than that.
      if (seen.failed.some((message) => !message.includes('57P01') || seen.failed.length > 2)) return 'passes';
      throw new Error('nothing shows yet');
    },
    { timeout: 15_000 },
  );
  await mend();
  if (effect === 'stops') await cache.resume();
  await Promise.all([flushed, cache.flush()]);
  await receipt.stored().catch(() => undefined);
  return {
    effect,
    told: [...seen.stopped, ...seen.failed, ...seen.refused].join('; '),
    stored: await table.stored(),
    letters: await listed(),
  };
}

describe('an error of the class', () => {
  const cases: [code: string, effect: Effect][] = [
    ['08006', 'passes'],
    ['40001', 'passes'],
    ['40P01', 'passes'],
    ['40003', 'passes'],
    ['53100', 'passes'],
    ['53200', 'passes'],
    ['55P03', 'passes'],
    ['57014', 'passes'],
    ['57P01', 'passes'],
    ['58030', 'passes'],
    ['25006', 'passes'],
    ['XX000', 'passes'],
    ['22003', 'letter'],
    ['22P02', 'letter'],
    ['23505', 'letter'],
    ['23514', 'letter'],
    ['P0001', 'letter'],
    ['42501', 'stops'],
    ['42P01', 'stops'],
    ['42703', 'stops'],
    ['28000', 'stops'],
    ['3D000', 'stops'],
    ['3F000', 'stops'],
  ];
  test.each(cases)('%s %s', async (code, effect) => {
    await using stage = await Stage.on('memory');
    const opened = await open(stage);
    await table.query('insert into {{schema}}.fault values ($1)', [code]);
    const outcome = await outcomeOf(opened, () => table.query('delete from {{schema}}.fault'));
    const letters = effect === 'letter' ? [{ key: 'k', state: 'dead', code, attempts: 1 }] : [];
    expect(outcome).toMatchObject({
      effect,
      told: expect.stringContaining(code) as string,
      stored: effect === 'letter' ? {} : ROW,
      letters,
    });
    expect(outcome.told + opened.seen.logged.join()).not.toContain('s3cret');
  });
});

describe('what the server does by itself', () => {
  test('a row that is locked for too long passes', async () => {
    await using stage = await Stage.on('memory');
    const opened = await open(stage, { lockTimeout: '50ms' });
    const pool = new Pool({ connectionString: postgresUrl() });
    const client = await pool.connect();
    await client.query(`begin; lock table ${table.schema}.docs`);
    expect(await outcomeOf(opened, () => client.query('commit'))).toMatchObject({
      effect: 'passes',
      told: expect.stringContaining('55P03') as string,
      stored: ROW,
      letters: [],
    });
    client.release();
    await pool.end();
  });

  test('a statement that takes too long passes', async () => {
    await using stage = await Stage.on('memory');
    const opened = await open(stage, { statementTimeout: '100ms' });
    await table.query(
      `create or replace function {{schema}}.dawdle() returns trigger language plpgsql as $$ begin
        perform pg_sleep(1); return new;
      end $$`,
    );
    await table.query(
      'create trigger dawdle before insert on {{schema}}.docs for each row execute function {{schema}}.dawdle()',
    );
    const outcome = await outcomeOf(opened, () => table.query('drop trigger dawdle on {{schema}}.docs'));
    expect(outcome).toMatchObject({
      effect: 'passes',
      told: expect.stringContaining('57014') as string,
      stored: ROW,
      letters: [],
    });
  });

  test.each([
    [
      'a role that is read-only for a while',
      'passes',
      '25006',
      (role: string) => `alter role ${role} set default_transaction_read_only = on`,
      (role: string) => `alter role ${role} reset default_transaction_read_only`,
    ],
    [
      'a role that has too many connections',
      'passes',
      '53300',
      (role: string) => `alter role ${role} connection limit 0`,
      (role: string) => `alter role ${role} connection limit -1`,
    ],
    [
      'a role that may not log in',
      'stops',
      '28000',
      (role: string) => `alter role ${role} nologin`,
      (role: string) => `alter role ${role} login`,
    ],
    [
      'a permission that was taken away',
      'stops',
      '42501',
      (role: string) => `revoke insert on {{schema}}.docs from ${role}`,
      (role: string) => `grant insert on {{schema}}.docs to ${role}`,
    ],
  ] as const)('%s %s', async (_, effect, code, breaking, mending) => {
    await using stage = await Stage.on('memory');
    const role = `${table.schema}_role`;
    await table.query(`create role ${role} login password 'p'`);
    await table.query(`grant usage, create on schema {{schema}} to ${role}`);
    await table.query(`grant select, insert, update, delete on all tables in schema {{schema}} to ${role}`);
    await table.query(`grant usage on all sequences in schema {{schema}} to ${role}`);
    const url = new URL(postgresUrl());
    url.username = role;
    url.password = 'p';
    const pool = new Pool({ connectionString: url.href });
    pool.on('error', () => undefined);
    try {
      const opened = await open(stage, { pool });
      await table.query(breaking(role));
      // What was so at login stays so for the session.
      const endSessions = (): Promise<unknown> =>
        table.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = $1`, [role]);
      await endSessions();
      const outcome = await outcomeOf(opened, async () => {
        await table.query(mending(role));
        await endSessions();
      });
      expect(outcome).toMatchObject({
        effect,
        told: expect.stringContaining(code) as string,
        stored: ROW,
        letters: [],
      });
      await opened.cache.close();
    } finally {
      await pool.end();
      await table.query(`drop owned by ${role}`);
      await table.query(`drop role ${role}`);
    }
  });
});
