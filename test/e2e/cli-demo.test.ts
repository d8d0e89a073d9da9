import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort, postgresUrl, redisUrl } from '../servers/index.ts';
import { type Ended, type Started, startMillrace } from './cli-process.ts';

interface Document {
  ok: boolean;
  interrupted: boolean;
  front: { kind: string };
  store: { kind: string; version: string };
  options: { writes: number; inFlight: number };
  policies: {
    policy: string;
    writes: number;
    latencyMs: { count: number; average: number; p50: number; p99: number };
    totalMs: number;
    writesPerSecond: number;
    speedUp: number;
    storedAtAcknowledgement: number;
    storedAfterMs: number;
    flushes: { count: number; rows: number; statements: number; dead: number };
  }[];
  verification: {
    ok: boolean;
    expected: number;
    records: number;
    recordsEqual: number;
    entries: number;
    entriesEqual: number;
    recordsInTable: number;
    faultCount: number;
    faults: { key: string; where: string; problem: string; path?: string; inspection?: unknown }[];
  };
  error?: { code: string | null; message: string };
}

let temporary: string;

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'millrace-e2e-'));
});

afterAll(() => rm(temporary, { recursive: true, force: true }));

function start(...args: string[]): Started {
  return startMillrace(args, { env: { TMPDIR: temporary } });
}

function millrace(...args: string[]): Promise<Ended> {
  return start(...args).ended;
}

async function demoDocument(...args: string[]): Promise<{ document: Document; ended: Ended }> {
  const ended = await millrace('demo', '--json', ...args);
  return { document: JSON.parse(ended.stdout) as Document, ended };
}

describe('without a server', () => {
  test('shows every write of every policy and verifies 20 + 20 writes: 40 records, 40 entries', async () => {
    const { code, stdout, stderr, ms } = await millrace('demo');
    expect(stderr).toBe('');
    expect(stdout).toContain('LMDB');
    expect(stdout).toContain('never syncs');
    for (const policy of ['write-through', 'write-behind', 'cache-aside']) {
      const lines = stdout
        .split('\n')
        .filter((line) => new RegExp(`^ +\\d+  ${policy}:\\d\\d +[\\d.]+ ms$`).test(line));
      expect(lines).toHaveLength(20);
    }
    expect(stdout).toMatch(/flush {2}\d+ rows? in \d+ statements? in [\d.]+ m?s/);
    expect(stdout).toContain('verified: 20 + 20 + 20 = 60 records in the store, 60 entries in the front, all equal');
    expect(stdout).toContain('write-through and write-behind: 40 records, 40 entries');
    expect(stdout).not.toMatch(/Infinity|NaN|undefined/);
    expect(stdout, 'no colour unless at a terminal').not.toContain('\u001b');
    expect(code).toBe(0);
    expect(ms).toBeLessThan(15_000);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('with a store of 50 ms write-behind is acknowledged many times faster, before anything is stored', async () => {
    const { document, ended } = await demoDocument('--store-latency', '50');
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const [through, behind, aside] = document.policies;
    expect(document.policies.map(({ policy }) => policy)).toEqual(['write-through', 'write-behind', 'cache-aside']);
    expect(through!.latencyMs.p50).toBeGreaterThanOrEqual(50);
    expect(aside!.latencyMs.p50).toBeGreaterThanOrEqual(50);
    expect(behind!.latencyMs.p50).toBeLessThan(10);
    expect(through).toMatchObject({ writes: 20, speedUp: 1, storedAtAcknowledgement: 20, latencyMs: { count: 20 } });
    expect(behind).toMatchObject({ writes: 20, storedAtAcknowledgement: 0, flushes: { rows: 20, dead: 0 } });
    expect(behind!.flushes.statements).toBeLessThan(20);
    expect(behind!.speedUp).toBeGreaterThan(5);
    expect(behind!.storedAfterMs).toBeGreaterThan(behind!.totalMs);
    expect(document).toMatchObject({
      ok: true,
      interrupted: false,
      front: { kind: 'lmdb' },
      store: { kind: 'pglite' },
      options: { writes: 20, inFlight: 1 },
      verification: {
        ok: true,
        expected: 60,
        records: 60,
        recordsEqual: 60,
        entries: 60,
        entriesEqual: 60,
        recordsInTable: 60,
        faultCount: 0,
        faults: [],
      },
    });
  });

  test('an interrupt flushes and verifies what was acknowledged, and ends with 130', async () => {
    const { child, ended, output } = start('demo', '--store-latency', '50', '--writes', '50');
    await expect.poll(output, { timeout: 20_000 }).toMatch(/5 {2}write-through:05/);
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    expect(stdout).toContain('interrupted');
    expect(stdout).toMatch(/verified: (\d+) = \1 records in the store, \1 entries in the front, all equal/);
    expect(code).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('an interrupt before the first write leaves nothing behind either', async () => {
    const { child, ended, output } = start('demo');
    await expect.poll(output, { timeout: 20_000 }).toContain('setting up');
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    expect(stdout).toContain('nothing was written');
    expect(code).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
  });
});

describe('on real servers', () => {
  test('thousands of writes are verified, and nothing is left behind', async () => {
    const before = await leftovers();
    const { document, ended } = await demoDocument(
      '--redis',
      redisUrl(),
      '--postgres',
      postgresUrl(),
      '--writes',
      '3000',
    );
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(document).toMatchObject({
      front: { kind: expect.stringMatching(/redis|valkey/) as unknown },
      store: { kind: 'postgres' },
      options: { writes: 3_000, inFlight: 64 },
      verification: { ok: true, expected: 9_000, recordsEqual: 9_000, entriesEqual: 9_000, recordsInTable: 9_000 },
    });
    const behind = document.policies.find(({ policy }) => policy === 'write-behind');
    expect(behind!.flushes.rows).toBe(3_000);
    expect(behind!.flushes.statements).toBeLessThan(300);
    expect(await leftovers()).toEqual(before);
  });

  test('a record that the database alters is found, named and explained, and the exit code is 1', async () => {
    await using database = await ownDatabase();
    // Alters one row of whatever table of that name is created in this database.
    await database.client.query(`
      CREATE FUNCTION public.alter_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.user_id = 'write-behind:07' THEN
          NEW.session_data = jsonb_set(NEW.session_data, '{visits}', '-1');
        END IF;
        RETURN NEW;
      END $$;
      CREATE FUNCTION public.add_trigger() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE created record; BEGIN
        FOR created IN
          SELECT * FROM pg_event_trigger_ddl_commands()
          WHERE object_identity LIKE '%.user_sessions' AND object_type = 'table'
        LOOP
          EXECUTE format(
            'CREATE TRIGGER alter_row BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION public.alter_row()',
            created.object_identity
          );
        END LOOP;
      END $$;
      CREATE EVENT TRIGGER add_trigger ON ddl_command_end
        WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.add_trigger();
    `);
    const args = ['--redis', redisUrl(), '--postgres', database.url, '--flush-delay', '100ms'];
    const [{ code, stdout }, { document, ended }] = await Promise.all([
      millrace('demo', ...args),
      demoDocument(...args),
    ]);
    expect(stdout).toContain('NOT verified');
    expect(stdout).toContain(
      'write-behind: 20 of 20 records in the store, 19 equal; 20 of 20 entries in the front, 20 equal',
    );
    expect(stdout).toContain('write-behind:07: different in the store at visits');
    expect(code).toBe(1);
    expect(ended.code).toBe(1);
    expect(document).toMatchObject({
      ok: false,
      verification: { ok: false, recordsEqual: 59, entriesEqual: 60, faultCount: 1 },
    });
    expect(document.verification.faults).toMatchObject([
      { key: 'write-behind:07', where: 'store', problem: 'different', path: 'visits' },
    ]);
    expect(document.verification.faults[0]!.inspection).toBeDefined();
    const { rows } = await database.client.query(`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'millrace%'`);
    expect(rows).toEqual([]);
  });

  test('--keep leaves the records and the entries where they can be looked at', async () => {
    await using database = await ownDatabase();
    const { code, stdout } = await millrace(
      'demo',
      '--redis',
      redisUrl(),
      '--postgres',
      database.url,
      '--writes',
      '3',
      '--flush-delay',
      '10ms',
      '--keep',
    );
    expect(code).toBe(0);
    const schema = /the schema (\w+) is kept/.exec(stdout)?.[1];
    const { rows } = await database.client.query(`SELECT count(*)::int AS count FROM ${schema}.user_sessions`);
    expect(rows).toEqual([{ count: 9 }]);
    const run = /they contain (\w+)/.exec(stdout)?.[1];
    expect(await keysLike(`*${run}*`, true)).toBeGreaterThanOrEqual(9);
  });
});

describe('what cannot be done is said in a sentence', () => {
  test.each(['redis', 'postgres'])('an unreachable --%s', async (server) => {
    const port = await freePort();
    const { code, stderr, ms } = await millrace('demo', `--${server}`, `${server}://someone:secret@127.0.0.1:${port}`);
    expect(stderr).toMatch(
      new RegExp(
        `^error: the \\w+ server at 127\\.0\\.0\\.1:${port} cannot be reached: .*\\(MILLRACE_\\w+_UNAVAILABLE\\)\n$`,
      ),
    );
    expect(stderr).not.toMatch(/secret|someone|\n +at /);
    expect(code).toBe(1);
    expect(ms).toBeLessThan(4_000);
    expect(await readdir(temporary)).toEqual([]);
  });

  test.each(['redis', 'postgres'])('a --%s that accepts and never answers', async (server) => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const { code, stderr, ms } = await millrace('demo', `--${server}`, `${server}://127.0.0.1:${port}`);
    silent.close();
    expect(stderr).toMatch(/^error: the \w+ server at .* cannot be reached: no answer within 1 s \(MILLRACE_\w+\)\n$/);
    expect(code).toBe(1);
    expect(ms).toBeLessThan(4_000);
  });

  test('with --verbose it says where, still without credentials', async () => {
    const { stderr } = await millrace(
      'demo',
      '--verbose',
      '--redis',
      `redis://someone:secret@127.0.0.1:${await freePort()}`,
    );
    expect(stderr).toMatch(/\n +at /);
    expect(stderr).not.toContain('secret');
  });

  test('with --json there is a document all the same', async () => {
    const { document, ended } = await demoDocument('--redis', `redis://127.0.0.1:${await freePort()}`);
    expect(document).toMatchObject({ ok: false, error: { code: 'MILLRACE_FRONT_UNAVAILABLE' } });
    expect(ended.code).toBe(1);
  });

  test.each([
    [['demo', '--writes', '0'], /from 1 to 1000000/],
    [['demo', '--writes', 'many'], /from 1 to 1000000/],
    [['demo', '--store-latency', '-1'], /from 0 to/],
    [['demo', '--redis', 'http://user:secret@host'], /--redis wants a URL/],
    [['demo', '--postgres', 'secret'], /--postgres wants a URL/],
    [['demo', '--no-such-option'], /unknown option/],
    [['demo', '--flush-delay', 'soon'], /maxDelay|duration/],
    [['no-such-command'], /unknown command/],
    [[], /Usage: millrace/],
  ])('usage: millrace %j exits with 2', async (args, message) => {
    const { code, stdout, stderr } = await millrace(...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('secret');
    expect(stdout).not.toContain('verified');
    expect(code).toBe(2);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('--help tells the options, an example and the exit codes', async () => {
    const { code, stdout } = await millrace('demo', '--help');
    for (const part of [
      '--writes',
      '--redis',
      '--postgres',
      '--store-latency',
      '--flush-delay',
      '--json',
      '--keep',
      '--no-color',
      'Exit code',
      'millrace demo --json',
    ]) {
      expect(stdout).toContain(part);
    }
    expect(code).toBe(0);
  });
});

/** What runs of the demo have left on the shared servers. */
async function leftovers(): Promise<unknown> {
  await using database = await connected(postgresUrl());
  const { rows } = await database.client.query(
    `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'millrace_demo%' ORDER BY 1`,
  );
  return { schemas: rows, keys: await keysLike('*demo-*') };
}

async function keysLike(pattern: string, remove = false): Promise<number> {
  const client = await createClient({ url: redisUrl() }).connect();
  try {
    let count = 0;
    for await (const keys of client.scanIterator({ MATCH: pattern, COUNT: 1_000 })) {
      count += keys.length;
      if (remove && keys.length > 0) await client.unlink(keys);
    }
    return count;
  } finally {
    client.destroy();
  }
}

async function connected(url: string) {
  const client = new Client({ connectionString: url });
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

async function ownDatabase() {
  const name = `demo_${process.pid}_${Math.random().toString(36).slice(2)}`;
  const owner = await connected(postgresUrl());
  await owner.client.query(`CREATE DATABASE ${name}`);
  const url = new URL(postgresUrl());
  url.pathname = `/${name}`;
  const { client } = await connected(url.href);
  return {
    url: url.href,
    client,
    async [Symbol.asyncDispose]() {
      await client.end();
      await owner.client.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await owner.client.end();
    },
  };
}
