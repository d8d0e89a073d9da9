/**
 * Prepares a release: writes version and date, checks, packs, makes the API reference, commits and tags.
 *
 *   npm run release -- 0.2.0 [--dry-run]
 *
 * Publishes and pushes nothing: it prints what to do. With `--dry-run` nothing is written, committed or tagged; the
 * checks are the same. Exits with 1 when something is not as it must be, and leaves the tree as it was.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { refuseVersion, released, unreleased, withVersion } from './text.ts';

const USAGE = 'usage: npm run release -- VERSION [--dry-run]';
const WRITTEN = ['package.json', 'package-lock.json', 'CHANGELOG.md'];
const root = fileURLToPath(new URL('../..', import.meta.url));

process.exitCode = release(process.argv.slice(2));

function release(args: readonly string[]): number {
  const asked = read(args);
  if (typeof asked === 'string') {
    console.error(`${asked}\n${USAGE}`);
    return 2;
  }
  const { version, isDry } = asked;
  const present = (JSON.parse(textOf('package.json')) as { version: string }).version;
  const faults = faultsOf(present, version);
  for (const fault of faults) console.error(`error: ${fault}`);
  if (faults.length > 0) return 1;

  try {
    if (!isDry) write(present, version);
    run('npm', 'run', 'check');
    run('npx', 'vitest', 'run', '--project', 'dist', 'test/dist/package.test.ts');
    run('npm', 'run', 'api');
    if (!isDry) run('npm', 'pack', '--ignore-scripts');
  } catch (error) {
    if (!isDry) run('git', 'checkout', '--', ...WRITTEN);
    console.error(`error: ${(error as Error).message}; nothing was released`);
    return 1;
  }
  if (isDry) {
    console.log(`\n${version} can be released with:\n\n${unreleased(textOf('CHANGELOG.md'))}`);
    return 0;
  }
  run('git', 'commit', '--quiet', '--message', `Release ${version}`, '--', ...WRITTEN);
  run('git', 'tag', '--annotate', `v${version}`, '--message', `Millrace ${version}`);
  console.log(`
${version} is committed and tagged. What is left is yours:

  git push origin main v${version}
  npm publish millrace-${version}.tgz

The reference is in api/. To take the release back before it is pushed:

  git tag --delete v${version} && git reset --hard HEAD~1`);
  return 0;
}

function read(args: readonly string[]): { version: string; isDry: boolean } | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { 'dry-run': { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const [version, ...others] = positionals;
    if (version === undefined || others.length > 0) return 'error: give one version';
    return { version, isDry: values['dry-run'] };
  } catch (error) {
    return `error: ${(error as Error).message.split('. ')[0]}`;
  }
}

/** All that stands in the way. */
function faultsOf(present: string, version: string): string[] {
  const faults: string[] = [];
  const branch = ask('git', 'rev-parse', '--abbrev-ref', 'HEAD');
  if (branch !== 'main') faults.push(`a release is made on main, not on ${branch}`);
  if (ask('git', 'status', '--porcelain') !== '')
    faults.push('there are changes that are not committed: see git status');
  const refusal = refuseVersion(present, version);
  if (refusal !== undefined) faults.push(refusal);
  else if (ask('git', 'tag', '--list', `v${version}`) !== '') faults.push(`the tag v${version} is there already`);
  const content = unreleased(textOf('CHANGELOG.md'));
  if (content === undefined) faults.push('CHANGELOG.md has no section "Unreleased"');
  else if (content === '') faults.push('CHANGELOG.md has nothing under "Unreleased"');
  return faults;
}

function write(present: string, version: string): void {
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(`${root}/package.json`, withVersion(textOf('package.json'), present, version, 1));
  writeFileSync(`${root}/package-lock.json`, withVersion(textOf('package-lock.json'), present, version, 2));
  writeFileSync(`${root}/CHANGELOG.md`, released(textOf('CHANGELOG.md'), version, date));
}

function textOf(file: string): string {
  return readFileSync(`${root}/${file}`, 'utf8');
}

/** Runs a command, which says itself what it does. */
function run(command: string, ...args: string[]): void {
  console.log(`\n> ${command} ${args.join(' ')}`);
  try {
    execFileSync(command, args, { cwd: root, stdio: 'inherit' });
  } catch (error) {
    throw new Error(`\`${command} ${args.join(' ')}\` failed`, { cause: error });
  }
}

function ask(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: root, encoding: 'utf8' }).trim();
}
