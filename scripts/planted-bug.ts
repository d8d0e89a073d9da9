/**
 * Plants one bug of `test/sim/mutants` or `test/sim/shapes/mutants.ts` into the source that tests import: the one that
 * the variable MILLRACE_PLANTED_BUG names. So a test can be shown to find it:
 *
 *   MILLRACE_PLANTED_BUG='repeated over unanswered' npx vitest run --project unit test/unit/engine-writes.test.ts
 */
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vitest/config';
import { MUTANTS } from '../test/sim/mutants/index.ts';
import { plant } from '../test/sim/mutants/mutant.ts';
import { SHAPE_MUTANTS } from '../test/sim/shapes/mutants.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** None where no bug is named. An unknown name is an error. */
export function plantedBug(): Plugin | undefined {
  const name = process.env['MILLRACE_PLANTED_BUG'];
  if (name === undefined || name === '') return undefined;
  const mutant = [...MUTANTS, ...SHAPE_MUTANTS].find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`there is no planted bug "${name}"`);
  return {
    name: 'millrace:planted-bug',
    enforce: 'pre',
    transform(code, id) {
      const file = relative(root, resolve(id.split('?')[0] as string)).replaceAll('\\', '/');
      return file === mutant.file ? plant(code, mutant) : undefined;
    },
  };
}
