import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Snippet } from './documents.ts';
import { drivers, root } from './package.ts';

const execute = promisify(execFile);

/** What fragments may use without saying where it comes from. */
const PRELUDE = `
import type { Pool } from 'pg';
import type { Cache, Front, Store } from 'millrace';
import type { RedisFrontOptions } from 'millrace/redis';

declare global {
  interface Session { cart: string[] }
  const createCache: typeof import('millrace').createCache;
  const isMillraceError: typeof import('millrace').isMillraceError;
  const redisFront: typeof import('millrace/redis').redisFront;
  const lmdbFront: typeof import('millrace/lmdb').lmdbFront;
  const memoryFront: typeof import('millrace/memory').memoryFront;
  const postgresStore: typeof import('millrace/postgres').postgresStore;
  const client: RedisFrontOptions['client'];
  const pool: Pool;
  const front: Front;
  const store: Store;
  const sessions: Cache<Session>;
  const session: Session;
}
`;

const COMPILER_OPTIONS = {
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  module: 'nodenext',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
};

/**
 * A folder of a user's own in which the snippets are built and run, with the built package and every driver installed.
 */
export class Workshop {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(snippets: readonly Snippet[]): Promise<Workshop> {
    if (!existsSync(join(root, 'dist/index.mjs'))) throw new Error('nothing to try: run `npm run build` first');
    const workshop = new Workshop(await mkdtemp(join(tmpdir(), 'millrace-docs-')));
    await workshop.#install();
    for (const kind of ['programs', 'fragments'] as const)
      await workshop.#write(
        kind,
        snippets.filter(({ isProgram }) => isProgram === (kind === 'programs')),
      );
    await writeFile(join(workshop.#folder, 'fragments/prelude.d.ts'), PRELUDE);
    return workshop;
  }

  close(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }

  async #install(): Promise<void> {
    const modules = join(this.#folder, 'node_modules');
    for (const name of [...drivers, '@types/node', '@types/pg', 'undici-types']) {
      if (!existsSync(join(root, 'node_modules', name))) continue;
      await mkdir(join(modules, name, '..'), { recursive: true });
      await symlink(join(root, 'node_modules', name), join(modules, name));
    }
    await symlink(root, join(modules, 'millrace'));
    await writeFile(join(this.#folder, 'package.json'), '{ "private": true, "type": "module" }');
  }

  async #write(kind: 'programs' | 'fragments', snippets: readonly Snippet[]): Promise<void> {
    const folder = join(this.#folder, kind);
    await mkdir(folder);
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...COMPILER_OPTIONS, outDir: 'built' }, include: ['*.ts'] }),
    );
    // Lines are counted as in the document, so that a fault is found there.
    for (const snippet of snippets)
      await writeFile(
        join(folder, `${nameOf(snippet)}.ts`),
        `${'\n'.repeat(snippet.line - 1)}${snippet.code}\nexport {};\n`,
      );
  }

  /** What the compiler says against the snippets; programs are built on the way. */
  async typeFaults(): Promise<string> {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const said = await Promise.all(
      ['programs', 'fragments'].map((kind) =>
        execute(process.execPath, [compiler, '-p', kind, ...(kind === 'fragments' ? ['--noEmit'] : [])], {
          cwd: this.#folder,
        }).then(
          () => '',
          (error: { stdout: string }) => error.stdout,
        ),
      ),
    );
    return said.join('');
  }

  /** Runs a program in a folder of its own and gives what it printed. */
  async run(snippet: Snippet): Promise<string> {
    const built = join(this.#folder, 'programs/built');
    if (!existsSync(built)) await this.typeFaults();
    const name = nameOf(snippet);
    const cwd = join(this.#folder, `runs-${name}`);
    await mkdir(cwd);
    const { stdout } = await execute(process.execPath, [join(built, `${name}.js`)], { cwd });
    return stdout;
  }

  /** Runs a worked example from source and gives what it printed. */
  static async example(file: string, ...args: string[]): Promise<string> {
    const before = await readdir(root);
    const { stdout } = await execute(
      process.execPath,
      ['--import', './scripts/run-ts.mjs', `examples/${file}`, ...args],
      { cwd: root },
    );
    const left = (await readdir(root)).filter((name) => !before.includes(name));
    if (left.length > 0) throw new Error(`the example left ${left.join(', ')} behind`);
    return stdout;
  }

  static async help(command: readonly string[]): Promise<string> {
    const { stdout } = await execute(process.execPath, [join(root, 'dist/cli/main.mjs'), ...command, '--help']).catch(
      () => ({ stdout: '' }),
    );
    return stdout;
  }
}

const nameOf = ({ file, line }: Snippet): string => `${relative(root, file).replaceAll(/[^\w-]+/g, '_')}_${line}`;
