import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The first version with WAITAOF. A server that is older, as Debian 12 has it, is one that many still run. */
const WAITAOF_VERSION = 7.02;
const NAMES = ['redis-server', 'valkey-server'];

/** A server of any version that Millrace supports, from the PATH; installed where that can be done. */
export async function redisBinary(): Promise<string> {
  return (await inPath(...NAMES))[0] ?? install('redis-server', 'no redis-server or valkey-server in the PATH: install one, or set MILLRACE_TEST_REDIS_URL');
}

/** A server that has WAITAOF (Redis 7.2, Valkey), from the PATH; installed beside an older one where that can be done. */
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

async function install(name: string, missing: string): Promise<string> {
  if (process.getuid?.() !== 0 || (await inPath('apt-get')).length === 0) throw new Error(missing);
  try {
    await aptInstall(name);
  } catch (cause) {
    throw new Error(`${missing} (apt-get could not install it)`, { cause });
  }
  const [installed] = await inPath(name);
  if (installed === undefined) throw new Error(missing);
  return installed;
}

async function aptInstall(name: string): Promise<void> {
  // Run level 1 keeps the package from starting the system's service: tests start their own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const apt = (...args: string[]) => run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-qq', ...args], { env });
  await apt('update');
  const release = (await isAvailable(name)) ? undefined : await backportsOf();
  if (release === undefined) {
    await apt('install', '-y', '--no-install-recommends', name);
    return;
  }
  // Lists of its own, so that the system's sources stay as they are.
  const folder = await mkdtemp(join(tmpdir(), 'millrace-apt-'));
  try {
    const source = join(folder, 'sources.list');
    const lists = join(folder, 'lists');
    await mkdir(lists);
    const line = (suite: string) => `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian ${suite} main\n`;
    await writeFile(source, line(release) + line(`${release}-backports`));
    const own = ['-o', `Dir::Etc::sourcelist=${source}`, '-o', 'Dir::Etc::sourceparts=/dev/null', '-o', `Dir::State::lists=${lists}`, '-o', 'APT::Sandbox::User=root'];
    await apt(...own, 'update');
    await apt(...own, 'install', '-y', '--no-install-recommends', '-t', `${release}-backports`, name);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function isAvailable(name: string): Promise<boolean> {
  const { stdout } = await run('apt-cache', ['policy', name]);
  return /Candidate: (?!\(none\))/.test(stdout);
}

/** The code name of a Debian release, which may have the package in its backports; undefined elsewhere. */
async function backportsOf(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8');
  return /^ID=debian$/m.test(release) ? /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] : undefined;
}

async function inPath(...names: string[]): Promise<string[]> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  const found: string[] = [];
  for (const file of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const executable = await access(file, constants.X_OK).then(() => true, () => false);
    if (executable) found.push(file);
  }
  return found;
}
