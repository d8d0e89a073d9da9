import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const root = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  version: string;
  exports: Record<string, unknown>;
  peerDependencies: Record<string, string>;
}

export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
export const drivers = Object.keys(manifest.peerDependencies);
export const entryPoints = Object.keys(manifest.exports)
  .filter((path) => path !== './package.json')
  .map((path) => path.replace(/^\./, 'millrace'));

/** The package as a user has it: packed, and installed in a folder of its own. */
export interface Installed {
  tarball: string;
  folder: string;
  /** Runs a file's worth of code there, as `.mjs` or `.cjs`, and gives what it printed. */
  run(code: string, kind: 'mjs' | 'cjs', ...nodeArgs: string[]): Promise<string>;
  millrace(...args: string[]): Promise<string>;
  remove(): Promise<void>;
}

export async function packAndInstall(): Promise<Installed> {
  if (!existsSync(join(root, 'dist/index.mjs'))) throw new Error('nothing to pack: run `npm run build` first');
  const folder = await mkdtemp(join(tmpdir(), 'millrace-dist-'));
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: root });
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  const tarball = join(folder, filename);
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  await run('npm', ['install', tarball, '--no-audit', '--no-fund', '--prefer-offline', '--omit=peer'], { cwd: folder });

  let programs = 0;
  return {
    tarball,
    folder,
    async run(code, kind, ...nodeArgs) {
      const file = join(folder, `program-${(programs += 1)}.${kind}`);
      await writeFile(file, code);
      return (await run(process.execPath, [...nodeArgs, file], { cwd: folder })).stdout.trim();
    },
    async millrace(...args) {
      return (await run(join(folder, 'node_modules/.bin/millrace'), args, { cwd: folder })).stdout;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Gives the installed package the drivers that are installed here. */
export async function linkDrivers({ folder }: Installed): Promise<void> {
  for (const driver of drivers) {
    const link = join(folder, 'node_modules', driver);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(root, 'node_modules', driver), link);
  }
}

export async function typesProblems(tarball: string): Promise<string> {
  const attw = resolve(root, 'node_modules/.bin/attw');
  // node16: resolution as Node 10 did it knows no sub-path exports, and Node 10 is not supported.
  const args = [tarball, '--profile', 'node16', '--format', 'ascii', '--no-emoji', '--no-color'];
  return run(attw, args).then(
    () => '',
    (error: { stdout?: string; message: string }) => error.stdout || error.message,
  );
}
