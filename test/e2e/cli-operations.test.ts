import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Pool } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { type Cache, createCache, createLeaderboard } from '../../src/index.ts';
import { postgresLeaderboard, postgresStore } from '../../src/stores/postgres/index.ts';
import { postgresUrl, redisUrl } from '../servers/index.ts';
import { type Ended, root, startMillrace } from './cli-process.ts';

interface Cart {
  items: number;
  note?: string;
}

const name = `carts-${process.pid}-${Math.random().toString(36).slice(2)}`;
const schema = name.replaceAll('-', '_');
const secret = 'pineapple';
let folder: string;
let admin: Client;

// In a folder of the user's own, in TypeScript, with the package as an installed dependency.
const config = `
  import pg from 'pg';
  import { createClient } from 'redis';
  import { createCache, defineConfig } from 'millrace';
  import { redisFront } from 'millrace/redis';
  import { postgresStore } from 'millrace/postgres';

  interface Cart { items: number }
  const client = createClient({ url: process.env['REDIS_URL'] as string });
  const pool = new pg.Pool({ connectionString: process.env['POSTGRES_URL'] as string });
  const carts = createCache<Cart>({
    name: '${name}',
    front: redisFront({ client }),
    store: postgresStore({ pool, table: '${schema}.carts', key: 'id', value: 'cart' }),
    flush: { maxDelay: process.env['MAX_DELAY'] as '1m', lease: '300ms' },
  });
  export default defineConfig({ caches: [carts] });
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-operations-'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules/millrace'));
  for (const driver of ['pg', 'redis'])
    await symlink(join(root, 'node_modules', driver), join(folder, 'node_modules', driver));
  await writeFile(join(folder, 'millrace.config.ts'), config);
  admin = new Client({ connectionString: postgresUrl() });
  await admin.connect();
});

beforeEach(async () => {
  await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`);
  await admin.query(
    `CREATE TABLE ${schema}.carts (
      id text PRIMARY KEY,
      cart jsonb NOT NULL CONSTRAINT few CHECK ((cart->>'items')::int < 100)
    )`,
  );
  await removeKeys();
});

afterAll(async () => {
  await admin?.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await admin?.end();
  await removeKeys();
  await rm(folder, { recursive: true, force: true });
});

/** Nothing is due by itself before a minute has passed. */
const env = { REDIS_URL: redisUrl(), POSTGRES_URL: postgresUrl(), MAX_DELAY: '1m' };

function millrace(...args: string[]): Promise<Ended> {
  return startMillrace(args, { cwd: folder, env }).ended;
}

/** The application: it writes, and leaves flushing to others. */
async function withApplication<T>(use: (carts: Cache<Cart>) => Promise<T>): Promise<T> {
  const pool = new Pool({ connectionString: postgresUrl() });
  const carts = createCache<Cart>({
    name,
    front: redisFront({ client: createClient({ url: redisUrl() }) }),
    store: postgresStore({ pool, table: `${schema}.carts`, key: 'id', value: 'cart' }),
    flush: false,
  });
  try {
    return await use(carts);
  } finally {
    await carts.close({ timeout: 0 });
    await pool.end();
  }
}

async function stored(): Promise<Record<string, Cart>> {
  const { rows } = await admin.query<{ id: string; cart: Cart }>(`SELECT id, cart FROM ${schema}.carts ORDER BY id`);
  return Object.fromEntries(rows.map(({ id, cart }) => [id, cart]));
}

async function removeKeys(): Promise<void> {
  const client = await createClient({ url: redisUrl() }).connect();
  for await (const keys of client.scanIterator({ MATCH: `*${name}*`, COUNT: 1_000 }))
    if (keys.length > 0) await client.unlink(keys);
  client.destroy();
}

describe('the doctor', () => {
  test('says what is wrong, what it means and what to change, and its exit code is for scripts', async () => {
    const plain = await millrace('doctor');
    expect(plain).toMatchObject({ code: 0, stderr: '' });
    // The tests' Redis keeps nothing on disk.
    expect(plain.stdout).toMatch(/warning {2}redis\.appendonly +appendonly no/);
    expect(plain.stdout).toMatch(/change: CONFIG SET appendonly yes/);
    expect(plain.stdout).toMatch(/0 errors, \d+ warnings?, \d+ fine\n$/);
    expect(plain.stdout).not.toContain('\u001b');
    expect((await millrace('doctor', '--strict')).code).toBe(1);

    await admin.query(`ALTER TABLE ${schema}.carts DROP CONSTRAINT carts_pkey`);
    const json = await millrace('doctor', '--json', name);
    expect(json).toMatchObject({ code: 1, stderr: '' });
    const [cache] = (JSON.parse(json.stdout) as { caches: [{ name: string; ok: boolean; findings: object[] }] }).caches;
    expect(cache).toMatchObject({ name, ok: false });
    expect(cache.findings[0]).toMatchObject({
      severity: 'error',
      check: 'postgres.table',
      found: expect.stringMatching(/add unique/),
    });
    expect((await millrace('doctor', 'nobody')).code).toBe(2);
  });

  test('never repeats a password', async () => {
    const away = {
      REDIS_URL: `redis://user:${secret}@127.0.0.1:1`,
      POSTGRES_URL: `postgres://user:${secret}@127.0.0.1:1/db`,
    };
    const { code, stdout, stderr } = await startMillrace(['doctor'], { cwd: folder, env: { ...env, ...away } }).ended;
    expect(code).toBe(1);
    expect(stdout).toMatch(/MILLRACE_FRONT_UNAVAILABLE/);
    expect(stdout).toMatch(/MILLRACE_STORE_UNAVAILABLE/);
    expect(stdout + stderr).not.toContain(secret);
  });
});

describe('what is pending', () => {
  test('is counted by status, found by inspect and stored by flush', async () => {
    await withApplication((carts) =>
      carts.setMany([
        ['a', { items: 1 }],
        ['b', { items: 2 }],
      ]),
    );

    const inspected = await millrace('inspect', name, 'a', '--json');
    expect(inspected).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(inspected.stdout)).toMatchObject({
      cache: name,
      key: 'a',
      state: 'pending',
      front: 'value',
      inStore: false,
    });

    const status = await millrace('status', '--json');
    expect(status).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(status.stdout)).toMatchObject({
      ok: true,
      caches: [{ name, ok: true, deadLetters: 0, stats: { pending: { entries: 2 } } }],
    });
    expect(await stored(), 'looking stores nothing').toEqual({});

    const flushed = await millrace('flush', name, '--json');
    expect(flushed).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(flushed.stdout)).toMatchObject({ ok: true, caches: [{ name, ok: true, dead: 0, pending: 0 }] });
    expect(await stored()).toEqual({ a: { items: 1 }, b: { items: 2 } });

    expect((await millrace('inspect', name, 'a')).stdout).toMatch(/^a in .*: stored, the store has it\n/);
    expect(await millrace('inspect', name, 'nobody')).toMatchObject({
      code: 1,
      stderr: '',
      stdout: expect.stringContaining('absent') as unknown,
    });
    expect((await millrace('status')).stdout).toMatch(new RegExp(`^cache +pending .*\n${name} +0 .* ok\n$`));
  });

  test('a worker stores it, and drains when it is told to stop', async () => {
    const worker = startMillrace(['worker'], { cwd: folder, env: { ...env, MAX_DELAY: '50ms' } });
    await expect.poll(worker.output, { timeout: 20_000 }).toContain('ready');
    await withApplication((carts) => carts.set('w', { items: 3 }).then((receipt) => receipt.stored()));
    expect(await stored()).toEqual({ w: { items: 3 } });
    worker.child.kill('SIGTERM');
    const { code, stdout, stderr } = await worker.ended;
    expect(stdout).toMatch(/flush: 1 row in 1 statement/);
    expect(stdout).toMatch(/closed: .* 0 entries remaining/);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('a store that was restored', () => {
  test('stops what flushes, until somebody says that it goes on', async () => {
    await withApplication((carts) => carts.set('a', { items: 1 }));
    expect(await millrace('flush')).toMatchObject({ code: 0 });
    await admin.query(`CREATE TABLE ${schema}.saved AS TABLE ${schema}.millrace_fence`);
    await withApplication((carts) =>
      carts.setMany([
        ['a', { items: 2 }],
        ['b', { items: 2 }],
      ]),
    );
    expect(await millrace('flush')).toMatchObject({ code: 0 });
    await admin.query(
      `TRUNCATE ${schema}.millrace_fence;
      INSERT INTO ${schema}.millrace_fence TABLE ${schema}.saved;
      UPDATE ${schema}.carts SET cart = '{"items": 1}' WHERE id = 'a';
      DELETE FROM ${schema}.carts WHERE id = 'b'`,
    );
    const stopped = await millrace('flush', '--json');
    expect(stopped.code).toBe(1);
    expect(stopped.stdout + stopped.stderr).toMatch(/the store lost generation/);
    const accepted = await millrace('flush', '--accept-store-rollback', '--json');
    expect(accepted).toMatchObject({ code: 0 });
    await withApplication((carts) => carts.set('c', { items: 3 }));
    expect(await millrace('flush')).toMatchObject({ code: 0 });
    expect(await stored()).toEqual({ a: { items: 1 }, c: { items: 3 } });
  });
});

describe('dead letters', () => {
  const written = { items: 500, note: secret };
  let flushed: Ended;

  beforeEach(async () => {
    await withApplication((carts) =>
      carts.setMany([
        ['bad', written],
        ['good', { items: 1 }],
      ]),
    );
    flushed = await millrace('flush', '--json');
  });

  test('are what flush tells of, and no success', () => {
    expect(JSON.parse(flushed.stdout)).toMatchObject({ ok: false, caches: [{ dead: 1, pending: 0 }] });
    expect(flushed.code).toBe(1);
  });

  test('are listed and shown, with the value only when it is asked for', async () => {
    const listed = await millrace('dead', 'list', name);
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(listed.stdout).toMatch(
      /^id +key +write +code +state +attempts +next attempt .*\n\d+ +bad +put +23514 +(waiting|dead) +[1-3] /,
    );
    const id = /^(\d+) /m.exec(listed.stdout)![1]!;
    const shown = await millrace('dead', 'show', name, id);
    const all = [
      listed.stdout,
      shown.stdout,
      (await millrace('dead', 'list', name, '--json')).stdout,
      (await millrace('inspect', name, 'bad')).stdout,
    ];
    for (const text of all) expect(text).not.toContain(secret);
    expect((await millrace('dead', 'show', name, id, '--value')).stdout).toContain(JSON.stringify(written));
    expect(JSON.parse((await millrace('dead', 'show', name, id, '--value', '--json')).stdout)).toMatchObject({
      key: 'bad',
      value: written,
    });
    expect(await millrace('inspect', name, 'bad')).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/: (waiting|dead), [^]*dead letter .*23514/) as unknown,
    });
  });

  test('are redriven once the cause is put right', async () => {
    const early = await millrace('dead', 'redrive', name, '--all');
    expect(early.code, 'it is refused again').toBe(1);
    await admin.query(`ALTER TABLE ${schema}.carts DROP CONSTRAINT few`);
    const redriven = await millrace('dead', 'redrive', name, '--all');
    expect(redriven).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+: stored\n1 dead letter of 1 done\n$/) as unknown,
    });
    expect(await stored()).toEqual({ bad: written, good: { items: 1 } });
    expect((await millrace('dead', 'list', name)).stdout).toContain('has no dead letters');
  });

  test('are discarded by id', async () => {
    const { deadLetters } = JSON.parse((await millrace('dead', 'list', name, '--json')).stdout) as {
      deadLetters: { id: string }[];
    };
    const id = deadLetters[0]!.id;
    expect(await millrace('dead', 'discard', name, id)).toMatchObject({ code: 0, stderr: '' });
    expect(await millrace('dead', 'discard', name, id)).toMatchObject({ code: 1 });
    expect(await stored()).toEqual({ good: { items: 1 } });
  });
});

describe('what is wrong with the command or the configuration is said', () => {
  test.each([
    [['status', 'nobody'], /there is no cache named nobody; the configuration has carts/],
    [['inspect', 'nobody', 'a'], /there is no cache named nobody/],
    [['inspect', name], /missing required argument 'key'/],
    [['dead', 'redrive', name], /give the ids of dead letters, or --all/],
    [['dead', 'discard', name, '1', '--all'], /give the ids of dead letters, or --all/],
    [['status', '--config', 'nowhere.ts'], /there is no file nowhere\.ts/],
    [['flush', '--timeout', 'soon'], /duration such as/],
  ])('millrace %j exits with 2', async (args, message) => {
    const { code, stderr } = await millrace(...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n +at /);
    expect(code).toBe(2);
  });

  test.each([
    [
      'throws.mjs',
      `throw new Error('no login redis://me:${secret}@host');`,
      /cannot be loaded: no login redis:\/\/\*\*\*@host/,
    ],
    ['empty.mjs', 'export default { caches: [] };', /must export defineConfig/],
    ['none.mjs', 'export const caches = [];', /must export defineConfig/],
    ['syntax.ts', 'export default {', /cannot be loaded/],
  ])('a configuration that is not right: %s', async (file, text, message) => {
    await writeFile(join(folder, file), text);
    const { code, stderr } = await millrace('status', '--config', file);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain(secret);
    expect(code).toBe(2);
  });

  test('no configuration at all', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'millrace-empty-'));
    const { code, stderr } = await startMillrace(['status'], { cwd: empty }).ended;
    await rm(empty, { recursive: true });
    expect(stderr).toMatch(/there is no millrace\.config\.ts/);
    expect(code).toBe(2);
  });

  test('a server that is down', async () => {
    const { code, stdout } = await startMillrace(['status', '--json'], {
      cwd: folder,
      env: { ...env, REDIS_URL: 'redis://127.0.0.1:1' },
    }).ended;
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      caches: [{ name, ok: false, error: { code: 'MILLRACE_FRONT_UNAVAILABLE' } }],
    });
    expect(code).toBe(1);
  });
});

describe('counters, logs and leaderboards', () => {
  const shapes = `
    import pg from 'pg';
    import { createClient } from 'redis';
    import { createCounters, createLeaderboard, createLog, defineConfig } from 'millrace';
    import { redisFront } from 'millrace/redis';
    import { postgresCounters, postgresLeaderboard, postgresLog } from 'millrace/postgres';

    const pool = new pg.Pool({ connectionString: process.env['POSTGRES_URL'] as string });
    const client = createClient({ url: process.env['REDIS_URL'] as string });
    const common = { front: redisFront({ client }), flush: { maxDelay: '1h' } } as const;
    export const views = createCounters({
      ...common,
      name: '${name}-views',
      store: postgresCounters({ pool, table: '${schema}.views', key: 'key', count: 'count' }),
    });
    export const events = createLog({
      ...common,
      name: '${name}-events',
      store: postgresLog({ pool, table: '${schema}.events', value: 'doc' }),
    });
    export const board = createLeaderboard({
      ...common,
      name: '${name}-board',
      store: postgresLeaderboard({ pool, table: '${schema}.scores', member: 'member', score: 'score' }),
    });
    export default defineConfig({ caches: [views, events, board] });
  `;

  beforeEach(async () => {
    await writeFile(join(folder, 'shapes.config.ts'), shapes);
    await admin.query(
      `CREATE TABLE ${schema}.views (key text PRIMARY KEY, count bigint);
      CREATE TABLE ${schema}.events (doc jsonb);
      CREATE TABLE ${schema}.scores (member text, score bigint)`,
    );
  });

  const shaped = (...args: string[]): Promise<Ended> => millrace(...args, '--config', 'shapes.config.ts');

  test('are examined, flushed and looked into like caches', async () => {
    const refused = await shaped('doctor', `${name}-board`);
    expect(refused.stdout).toMatch(/add unique \("member"\)/);
    expect(refused.code).toBe(1);
    await admin.query(`ALTER TABLE ${schema}.scores ADD UNIQUE (member)`);
    const examined = JSON.parse((await shaped('doctor', '--json')).stdout) as {
      caches: { name: string; findings: { check: string; severity: string }[] }[];
    };
    for (const { findings } of examined.caches)
      expect(findings.find(({ check }) => check === 'postgres.table')?.severity).toBe('ok');
    expect(examined.caches.length).toBe(3);

    const client = createClient({ url: redisUrl() });
    const pool = new Pool({ connectionString: postgresUrl() });
    const board = createLeaderboard({
      name: `${name}-board`,
      front: redisFront({ client }),
      store: postgresLeaderboard({ pool, table: `${schema}.scores`, member: 'member', score: 'score' }),
      flush: false,
    });
    await board.add('ann', 7);
    await board.close();
    await pool.end();
    expect((await shaped('inspect', `${name}-board`, 'ann')).stdout).toMatch(/ann in .*-board: pending/);
    expect((await shaped('flush')).code).toBe(0);
    expect((await admin.query(`SELECT member, score::int FROM ${schema}.scores`)).rows).toEqual([
      { member: 'ann', score: 7 },
    ]);
    expect((await shaped('inspect', `${name}-board`, 'ann')).stdout).toMatch(/ann in .*-board: stored/);
    const status = JSON.parse((await shaped('status', '--json')).stdout) as { caches: { name: string }[] };
    expect(status.caches.map((cache) => cache.name)).toEqual([`${name}-views`, `${name}-events`, `${name}-board`]);
    const { code, stderr } = await shaped('inspect', `${name}-events`, 'x');
    expect(stderr).toMatch(/is a log, which has no keys/);
    expect(code).toBe(2);
  });
});
