import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';
import { type Mutant, plant } from './mutants/mutant.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The simulator as one file: it starts at once, and runs half as long again as fast as through a loader. */
export interface Bundle extends AsyncDisposable {
  readonly file: string;
}

/**
 * Bundles `entry`, a worker of schedules, with all that it imports, planted bugs included. A text to be replaced that
 * is not there exactly once is an error: a mutant must never silently be none.
 */
export async function bundle(mutant?: Mutant, entry = 'test/sim/worker.ts'): Promise<Bundle> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-sim-'));
  const planted = { times: 0 };
  await build({
    config: false,
    logLevel: 'error',
    tsconfig: false,
    dts: false,
    clean: false,
    report: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    entry: [join(ROOT, entry)],
    outDir: folder,
    plugins: [
      {
        name: 'millrace:mutant',
        transform(code: string, id: string): string | undefined {
          const file = relative(ROOT, resolve(id.split('?')[0] as string)).replaceAll('\\', '/');
          if (file !== mutant?.file) return undefined;
          planted.times++;
          return plant(code, mutant);
        },
      },
    ],
  });
  if (mutant !== undefined && planted.times !== 1)
    throw new Error(`mutant "${mutant.name}": ${mutant.file} is not part of the simulator`);
  const [file] = await readdir(folder);
  return {
    file: join(folder, file as string),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
