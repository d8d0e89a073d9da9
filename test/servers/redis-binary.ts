import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { inPath, install } from './programs.ts';

const run = promisify(execFile);

/** The first version with WAITAOF. A server that is older, as Debian 12 has it, is one that many still run. */
const WAITAOF_VERSION = 7.02;
const NAMES = ['redis-server', 'valkey-server'];

/** A server of any version that Millrace supports, from the PATH; installed where that can be done. */
export async function redisBinary(): Promise<string> {
  return (
    (await inPath(...NAMES))[0] ??
    install('redis-server', 'no redis-server or valkey-server in the PATH: install one, or set MILLRACE_TEST_REDIS_URL')
  );
}

/**
 * A server that has WAITAOF (Redis 7.2, Valkey), from the PATH; installed beside an older one where that can be done.
 */
export async function waitaofBinary(): Promise<string> {
  for (const file of await inPath(...NAMES)) if ((await versionOf(file)) >= WAITAOF_VERSION) return file;
  return install('valkey-server', 'no redis-server 7.2 or valkey-server in the PATH: install one');
}

/** Major and minor as one number: 7.2 is 7.02. */
async function versionOf(file: string): Promise<number> {
  const { stdout } = await run(file, ['--version']);
  const match = / v=(\d+)\.(\d+)/.exec(stdout);
  return match === null ? 0 : Number(match[1]) + Number(match[2]) / 100;
}
