import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { startServer, type Place, type Server } from './server.ts';

const run = promisify(execFile);
const pingTimeoutMs = 5_000;

export interface RedisOptions extends Place {
  /** After the defaults, so they win: `['--appendonly', 'yes']`. */
  args?: string[];
}

/** Starts a Redis (or Valkey) server that keeps nothing on disk unless `args` say so. */
export async function startRedis(options: RedisOptions = {}): Promise<Server> {
  const file = await redisBinary();
  return startServer(options, async (dir) => {
    const fixed = ['--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'];
    return {
      name: 'Redis',
      url: (port) => `redis://127.0.0.1:${port}`,
      command: (port) => ({ file, args: ['--port', `${port}`, ...fixed, ...(options.args ?? [])] }),
      ready: /Ready to accept connections/,
      tryAgain: /Address already in use/,
      stopSignal: 'SIGTERM',
      ping,
    };
  });
}

async function redisBinary(): Promise<string> {
  const found = await inPath('redis-server', 'valkey-server');
  if (found) return found;
  const missing = 'no redis-server or valkey-server in the PATH: install one, or set MILLRACE_TEST_REDIS_URL';
  if (process.getuid?.() !== 0 || !(await inPath('apt-get'))) throw new Error(missing);
  try {
    await installRedis();
  } catch (cause) {
    throw new Error(`${missing} (apt-get could not install it)`, { cause });
  }
  const installed = await inPath('redis-server');
  if (!installed) throw new Error(missing);
  return installed;
}

async function installRedis(): Promise<void> {
  // Run level 1 keeps the package from starting the system's service: tests start their own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const wait = ['-o', 'DPkg::Lock::Timeout=120', '-qq'];
  await run('apt-get', [...wait, 'update'], { env });
  await run('apt-get', [...wait, 'install', '-y', '--no-install-recommends', 'redis-server'], { env });
}

async function inPath(...names: string[]): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  for (const file of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const executable = await access(file, constants.X_OK).then(() => true, () => false);
    if (executable) return file;
  }
  return undefined;
}

/** Without a client library: the helper must not depend on what the tests are about. */
function ping(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write('PING\r\n'));
    socket.setTimeout(pingTimeoutMs, () => socket.destroy(new Error('no answer to PING')));
    // -NOAUTH is an answer too: a test may have asked for a password.
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
