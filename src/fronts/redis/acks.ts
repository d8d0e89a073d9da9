import { MillraceError } from '../../errors.ts';
import { replyCode } from './faults.ts';
import type { RedisServer } from './server.ts';

/** How a server gives `fsynced`: by itself before each reply, when WAITAOF asks for it, or not at all. */
export type FsyncMode = { readonly kind: 'always' | 'waitaof' } | { readonly kind: 'none'; readonly why: string };

const modes = new WeakMap<RedisServer, { readonly generation: number; readonly mode: FsyncMode }>();

/** Asks once for each connection. */
export async function fsyncMode(server: RedisServer): Promise<FsyncMode> {
  const known = modes.get(server);
  if (known !== undefined && known.generation === server.generation) return known.mode;
  const { generation } = server;
  const mode = await ask(server);
  modes.set(server, { generation, mode });
  return mode;
}

async function ask(server: RedisServer): Promise<FsyncMode> {
  const info = String(await server.send(['INFO']));
  if (!/^aof_enabled:1\r?$/m.test(info)) return { kind: 'none', why: "its append-only file is off: set 'appendonly yes', and 'appendfsync always' or a version with WAITAOF (7.2)" };
  if ((await appendfsync(server)) === 'always') return { kind: 'always' };
  if (versionOf(info) >= 7.02) return { kind: 'waitaof' };
  return { kind: 'none', why: "it does not tell that 'appendfsync' is 'always' (set it, and allow CONFIG GET), and WAITAOF needs version 7.2" };
}

async function appendfsync(server: RedisServer): Promise<string | undefined> {
  try {
    const reply = await server.send(['CONFIG', 'GET', 'appendfsync']);
    // A map in RESP3 where the driver makes one of it, name and value in turn otherwise.
    return Array.isArray(reply) ? String(reply[1]) : (reply as Record<string, string>)['appendfsync'];
  } catch (error) {
    // Managed servers forbid CONFIG.
    if (replyCode(error) === undefined) throw error;
    return undefined;
  }
}

/** Major and minor as one number: 7.0 is 7.00, 7.2 is 7.02. Valkey states the Redis version that it is compatible with. */
export function versionOf(info: string): number {
  const match = /^redis_version:(\d+)\.(\d+)/m.exec(info);
  return match === null ? 0 : Number(match[1]) + Number(match[2]) / 100;
}

/**
 * WAITAOF blocks the connection it is sent on, up to a second with 'everysec', so it has one of its own. It waits for
 * what was written on its own connection: a write of that connection comes after all that was acknowledged before.
 */
const MARK = `#!lua flags=allow-oom\nredis.call('SET', KEYS[1], '1', 'PX', 60000)`;

/** Resolves when all that `server` acknowledged before the call is durable at `level`. */
export async function syncServer(server: RedisServer, level: 'fsynced' | 'replicated', markKey: string, timeoutMs: number): Promise<void> {
  if (level === 'replicated') throw new MillraceError('MILLRACE_ACK', "the Redis front does not give 'replicated'");
  const mode = await fsyncMode(server);
  if (mode.kind === 'always') return;
  if (mode.kind === 'none') throw new MillraceError('MILLRACE_ACK', `the Redis server cannot give 'fsynced' any more: ${mode.why}`);
  const side = await server.side();
  const [, reply] = await Promise.all([side.send(['EVAL', MARK, '1', markKey]), side.send(['WAITAOF', '1', '0', String(Math.floor(timeoutMs * 0.9))])]);
  const [local] = reply as [number, number];
  if (local < 1) throw new MillraceError('MILLRACE_ACK', `the Redis server did not confirm within ${timeoutMs} ms that its append-only file was synced`);
}
