import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as lmdbEntry from '../../src/fronts/lmdb/index.ts';
import type * as memoryEntry from '../../src/fronts/memory/index.ts';
import type * as redisEntry from '../../src/fronts/redis/index.ts';
import type * as entry from '../../src/index.ts';
import type * as postgresEntry from '../../src/stores/postgres/index.ts';
import type * as testingEntry from '../../src/testing/index.ts';
import { progress } from './report.ts';

/** What a build exports. One of another checkout may have less, or more. */
export type Millrace = typeof entry &
  typeof redisEntry &
  typeof lmdbEntry &
  typeof memoryEntry &
  typeof postgresEntry &
  typeof testingEntry;

/** The folder of this checkout. */
export const OWN = resolve(fileURLToPath(new URL('../..', import.meta.url)));

const ENTRY_POINTS = [
  'index',
  'fronts/redis/index',
  'fronts/lmdb/index',
  'fronts/memory/index',
  'stores/postgres/index',
  'testing/index',
];

const pathOf = (folder: string, entryPoint: string): string => join(folder, `dist/${entryPoint}.mjs`);

/** The entry points of the build in a checkout. */
export async function loadBuild(folder: string): Promise<Millrace> {
  const parts = await Promise.all(
    ENTRY_POINTS.map(async (one) => (await import(pathToFileURL(pathOf(folder, one)).href)) as object),
  );
  return Object.assign({}, ...parts) as Millrace;
}

/** Builds a checkout with its own `npm run build`. */
export function build(folder: string): void {
  progress(`building ${folder}`);
  try {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string | Buffer; stderr?: string | Buffer };
    throw new Error(`\`npm run build\` failed in ${folder}:\n${String(stdout)}${String(stderr)}`.trim(), {
      cause: error,
    });
  }
}

/** Why no build can be had from there; undefined when one can. */
export function refuseCheckout(folder: string): string | undefined {
  if (!existsSync(join(folder, 'package.json'))) return `there is no checkout at ${folder}: it has no package.json`;
  if (!existsSync(join(folder, 'node_modules'))) return `${folder} has no node_modules: run \`npm ci\` there`;
  return undefined;
}

/** Builds where nothing is built yet. */
export function buildMissing(folder: string): void {
  if (!ENTRY_POINTS.every((one) => existsSync(pathOf(folder, one)))) build(folder);
}

/** Which commit a checkout is at, with a mark when files differ from it. */
export function commitOf(folder: string): string {
  const describe = ['describe', '--always', '--dirty', '--abbrev=7', '--exclude=*'];
  return execFileSync('git', describe, { cwd: folder, encoding: 'utf8' }).trim();
}
