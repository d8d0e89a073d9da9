import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Installs a program with the system's packages (of its own name, unless told) and returns its file. Rejects with `missing` where that cannot be done. */
export async function install(name: string, missing: string, packages: readonly string[] = [name]): Promise<string> {
  if (process.getuid?.() !== 0 || (await inPath('apt-get')).length === 0) throw new Error(missing);
  try {
    await aptInstall(packages);
  } catch (cause) {
    throw new Error(`${missing} (apt-get could not install it)`, { cause });
  }
  const [installed] = await inPath(name);
  if (installed === undefined) throw new Error(missing);
  return installed;
}

async function aptInstall(packages: readonly string[]): Promise<void> {
  // Run level 1 keeps the package from starting the system's service: tests start their own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const apt = (...args: string[]) => run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-qq', ...args], { env });
  await apt('update');
  const release = (await areAvailable(packages)) ? undefined : await backportsOf();
  if (release === undefined) {
    await apt('install', '-y', '--no-install-recommends', ...packages);
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
    await apt(...own, 'install', '-y', '--no-install-recommends', '-t', `${release}-backports`, ...packages);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function areAvailable(packages: readonly string[]): Promise<boolean> {
  const { stdout } = await run('apt-cache', ['policy', ...packages]);
  return stdout.match(/Candidate: (?!\(none\))/g)?.length === packages.length;
}

/** The code name of a Debian release, which may have the package in its backports; undefined elsewhere. */
async function backportsOf(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8');
  return /^ID=debian$/m.test(release) ? /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] : undefined;
}

/** The files of programs with these names, in the order of the names and the PATH. */
export async function inPath(...names: string[]): Promise<string[]> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  const found: string[] = [];
  for (const file of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const executable = await access(file, constants.X_OK).then(() => true, () => false);
    if (executable) found.push(file);
  }
  return found;
}
