import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { Client } from 'pg';
import { createClient } from 'redis';
import { describe, expect, test } from 'vitest';
import { postgresUrl, redisUrl, startPostgres, startRedis } from '../servers/index.ts';

function connectTo(url: string) {
  return createClient({ url, socket: { reconnectStrategy: false } });
}

async function withRedis<T>(url: string, use: (client: ReturnType<typeof connectTo>) => Promise<T>): Promise<T> {
  const client = connectTo(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    client.destroy();
  }
}

async function withPostgres<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

describe('the shared servers', () => {
  test('Redis answers', async () => {
    expect(await withRedis(redisUrl(), (client) => client.ping())).toBe('PONG');
  });

  test('PostgreSQL answers, and its commits are real', async () => {
    const { rows } = await withPostgres(postgresUrl(), (client) =>
      client.query(`SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit`),
    );
    expect(rows).toEqual([{ fsync: 'on', commit: 'on' }]);
  });
});

describe('a Redis of a test’s own', () => {
  test('forgets everything when it dies without an append-only file', async () => {
    await using server = await startRedis();
    await withRedis(server.url, (client) => client.set('k', 'v'));
    await server.kill9();
    await expect(withRedis(server.url, (client) => client.ping())).rejects.toThrow(/ECONNREFUSED/);
    await server.restart();
    expect(await withRedis(server.url, (client) => client.get('k'))).toBeNull();
  });

  test('has its data and its port after a kill when it syncs its append-only file', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const { url, pid } = server;
    await withRedis(url, (client) => client.set('k', 'v'));
    await server.kill9();
    await server.restart();
    expect(server.url).toBe(url);
    expect(server.pid).not.toBe(pid);
    expect(await withRedis(url, (client) => client.get('k'))).toBe('v');
  });

  test('stops while it is suspended', async () => {
    const server = await startRedis();
    process.kill(server.pid, 'SIGSTOP');
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
  });

  test('says why it did not start', async () => {
    await expect(startRedis({ args: ['--no-such-option', '1'] })).rejects.toThrow(
      /Redis did not start:.*no-such-option/s,
    );
  });
});

describe('a PostgreSQL of a test’s own', () => {
  test('has what was committed, and not what was not, after a kill in the middle of a transaction', async () => {
    await using server = await startPostgres();
    const { url, pid } = server;
    await withPostgres(url, (client) => client.query('CREATE TABLE t (n int); INSERT INTO t VALUES (1)'));
    const open = new Client({ connectionString: url });
    const cut = new Promise((resolve) => open.once('end', resolve));
    open.on('error', () => undefined);
    await open.connect();
    await open.query('BEGIN');
    await open.query('INSERT INTO t VALUES (2)');
    await server.kill9();
    await cut;
    await server.restart();
    expect(server.url).toBe(url);
    expect(server.pid).not.toBe(pid);
    expect((await withPostgres(url, (client) => client.query('SELECT n FROM t'))).rows).toEqual([{ n: 1 }]);
  });
});

test('servers and their folders go with a process that is killed', async () => {
  const script = `
    import { startRedis, startPostgres } from '${new URL('../servers/index.ts', import.meta.url).href}';
    const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
    console.log(JSON.stringify([redis, postgres].map(({ pid, dir }) => ({ pid, dir }))));
    setInterval(() => {}, 1_000);
  `;
  const owner = spawn(process.execPath, ['--import', './scripts/run-ts.mjs', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(owner.stdout.setEncoding('utf8'), 'data')) as [string];
  const servers = JSON.parse(line) as { pid: number; dir: string }[];
  expect(servers.map(({ pid }) => isAlive(pid))).toEqual([true, true]);

  owner.kill('SIGKILL');
  for (const { pid, dir } of servers) {
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
    await expect
      .poll(
        () =>
          access(dir).then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(false);
  }
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
