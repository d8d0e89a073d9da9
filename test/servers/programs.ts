import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Installs a program with the system's packages (of its own name, unless told) and returns its file. Rejects with
 * `missing` where that cannot be done.
 */
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
  const archive = (await areAvailable(packages)) ? undefined : await archiveOf();
  if (archive === undefined) {
    await apt('install', '-y', '--no-install-recommends', ...packages);
    return;
  }
  // Lists of its own, so that the system's sources stay as they are.
  const folder = await mkdtemp(join(tmpdir(), 'millrace-apt-'));
  try {
    const source = join(folder, 'sources.list');
    const lists = join(folder, 'lists');
    await mkdir(lists);
    const { release, uri } = archive;
    const line = (suite: string) => `deb ${uri} ${suite} main\n`;
    await writeFile(source, line(release) + line(`${release}-backports`));
    const own = [
      '-o',
      `Dir::Etc::sourcelist=${source}`,
      '-o',
      'Dir::Etc::sourceparts=/dev/null',
      '-o',
      `Dir::State::lists=${lists}`,
      '-o',
      'APT::Sandbox::User=root',
    ];
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

/**
 * A Debian release, which may have the package in its backports, and where its packages come from; undefined elsewhere.
 */
async function archiveOf(): Promise<{ readonly release: string; readonly uri: string } | undefined> {
  const system = await readFile('/etc/os-release', 'utf8');
  const release = /^ID=debian$/m.test(system) ? /^VERSION_CODENAME=(\w+)$/m.exec(system)?.[1] : undefined;
  if (release === undefined) return undefined;
  const { stdout } = await run('apt-get', [
    'indextargets',
    '--format',
    '$(CODENAME) $(REPO_URI)',
    'Created-By: Packages',
  ]);
  const uri = stdout
    .split('\n')
    .find((line) => line.startsWith(`${release} `))
    ?.split(' ')[1];
  return uri === undefined ? undefined : { release, uri };
}

/** The files of programs with these names, in the order of the names and the PATH. */
export async function inPath(...names: string[]): Promise<string[]> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  const found: string[] = [];
  for (const file of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const executable = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) found.push(file);
  }
  return found;
}
