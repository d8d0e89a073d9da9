import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redisFront } from '../../src/fronts/redis/index.ts';
import { type CloseReport, createCache } from '../../src/index.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { postgresUrl, redisUrl } from '../servers/index.ts';

let pool: pg.Pool;
let folder: string;

beforeAll(() => {
  pool = new pg.Pool({ connectionString: postgresUrl() });
  folder = mkdtempSync(join(tmpdir(), 'millrace-told-'));
});

afterAll(async () => {
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
});

function start(schema: string, drainMs: number) {
  const ledger = join(folder, schema);
  const args = [
    '--import',
    './scripts/run-ts.mjs',
    'test/chaos/terminated.ts',
    redisUrl(),
    postgresUrl(),
    schema,
    ledger,
    String(drainMs),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)));
  return {
    child,
    ready: async () => expect.poll(() => output, { timeout: 20_000 }).toContain('ready\n'),
    acknowledged: () => readFileSync(ledger, 'utf8').split('\n').filter(Boolean),
    report: () => (JSON.parse(output.split('\n')[1] as string) as { told: CloseReport }).told,
    ended: once(child, 'exit') as Promise<[code: number | null, signal: string | null]>,
  };
}

async function createTable(schema: string): Promise<void> {
  await pool.query(
    `drop schema if exists ${schema} cascade;
    create schema ${schema};
    create table ${schema}.told (id text primary key, doc jsonb not null)`,
  );
}

const storedIn = async (schema: string): Promise<Set<string>> =>
  new Set((await pool.query<{ id: string }>(`select id from ${schema}.told`)).rows.map(({ id }) => id));

test('SIGTERM under load drains everything that was acknowledged, and the process ends by the signal', async () => {
  await createTable('told_all');
  const { child, ready, acknowledged, report, ended } = start('told_all', 20_000);
  await ready();
  await expect.poll(() => acknowledged().length, { timeout: 20_000 }).toBeGreaterThan(1_000);
  child.kill('SIGTERM');
  expect(await ended).toEqual([null, 'SIGTERM']);
  const stored = await storedIn('told_all');
  expect(acknowledged().filter((key) => !stored.has(key))).toEqual([]);
  expect(report()).toMatchObject({ remaining: 0, dead: 0 });
  expect(report().stored).toBeGreaterThan(0);
}, 60_000);

test('while the store is blocked it ends at its deadline, says what remains, and another goes on at once', async () => {
  await createTable('told_some');
  const { child, ready, acknowledged, report, ended } = start('told_some', 300);
  await ready();
  await expect.poll(() => acknowledged().length, { timeout: 20_000 }).toBeGreaterThan(100);
  const blocker = await pool.connect();
  await blocker.query('begin; lock table told_some.told in access exclusive mode');
  const before = acknowledged().length;
  await expect.poll(() => acknowledged().length, { timeout: 20_000 }).toBeGreaterThan(before + 500);
  child.kill('SIGTERM');
  expect(await ended).toEqual([null, 'SIGTERM']);
  const { remaining, stored } = report();
  expect(stored).toBe(0);

  await using heir = createCache<{ n: number }>({
    name: 'told',
    front: redisFront({ client: createClient({ url: redisUrl() }), prefix: 'told_some:' }),
    store: postgresStore({ pool, table: 'told_some.told', key: 'id', value: 'doc' }),
    flush: { maxDelay: '50ms' },
  });
  await heir.pause();
  // Each key was written once, so each entry is one acknowledged write (or one whose answer came too late).
  expect((await heir.stats()).pending.entries).toBe(remaining);
  await blocker.query('rollback');
  blocker.release();
  const inStore = await storedIn('told_some');
  const missing = acknowledged().filter((key) => !inStore.has(key)).length;
  expect(remaining).toBeGreaterThanOrEqual(missing);
  expect(remaining - missing).toBeLessThanOrEqual(20);

  const startedAt = performance.now();
  await heir.resume();
  await expect.poll(async () => (await heir.stats()).pending.entries, { timeout: 20_000 }).toBe(0);
  // The lease that the first one had would have lasted a minute.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  const stored2 = await storedIn('told_some');
  expect(acknowledged().filter((key) => !stored2.has(key))).toEqual([]);
}, 60_000);

test('a worker that waits takes over as soon as the one that is told to end has ended', async () => {
  await createTable('told_heir');
  const first = start('told_heir', 0);
  await first.ready();
  await expect.poll(() => first.acknowledged().length, { timeout: 20_000 }).toBeGreaterThan(500);
  const heir = start('told_heir', 20_000);
  await heir.ready();
  first.child.kill('SIGTERM');
  expect(await first.ended).toEqual([null, 'SIGTERM']);
  const endedAt = performance.now();
  const left = first.acknowledged().filter((key) => key.startsWith(`${first.child.pid}-`));
  for (;;) {
    const inStore = await storedIn('told_heir');
    if (left.every((key) => inStore.has(key))) break;
    // The lease of the first would have lasted a minute; the figure that counts is printed.
    expect(performance.now() - endedAt).toBeLessThan(30_000);
  }
  console.info(
    `what the first worker left was stored by the second ${Math.round(performance.now() - endedAt)} ms after its end`,
  );
  heir.child.kill('SIGTERM');
  expect(await heir.ended).toEqual([null, 'SIGTERM']);
}, 90_000);

test('a second signal ends the process at once', async () => {
  await createTable('told_twice');
  const { child, ready, acknowledged, ended } = start('told_twice', 60_000);
  await ready();
  await expect.poll(() => acknowledged().length, { timeout: 20_000 }).toBeGreaterThan(100);
  const blocker = await pool.connect();
  await blocker.query('begin; lock table told_twice.told in access exclusive mode');
  child.kill('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(child.exitCode ?? child.signalCode).toBeNull();
  const startedAt = performance.now();
  child.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  await blocker.query('rollback');
  blocker.release();
}, 60_000);
