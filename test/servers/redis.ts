import { connect } from 'node:net';
import { redisBinary, waitaofBinary } from './redis-binary.ts';
import { type Place, type Server, startServer } from './server.ts';

const pingTimeoutMs = 5_000;

export interface RedisOptions extends Place {
  /** After the defaults, so they win: `['--appendonly', 'yes']`. */
  args?: string[];
  /** A server that has WAITAOF, which the first one in the PATH may be too old for. */
  waitaof?: boolean;
}

/** Starts a Redis (or Valkey) server that keeps nothing on disk unless `args` say so. */
export async function startRedis(options: RedisOptions = {}): Promise<Server> {
  const file = await (options.waitaof === true ? waitaofBinary() : redisBinary());
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
