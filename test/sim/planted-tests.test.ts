import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { MUTANTS } from './mutants/index.ts';
import { SHAPE_MUTANTS } from './shapes/mutants.ts';

/** Planted bugs that schedules meet too rarely: each is found by tests that were written for it. */
const bugs = [...MUTANTS, ...SHAPE_MUTANTS].flatMap(({ name, foundBy }) =>
  foundBy === undefined ? [] : [{ name, foundBy }],
);

/** What the tests of a file say, with the bug in the source, or with none. */
async function run(file: string, bug: string): Promise<{ failed: boolean; output: string }> {
  const env = { ...process.env, MILLRACE_PLANTED_BUG: bug, VITEST: undefined, NO_COLOR: '1' };
  try {
    const { stdout } = await promisify(execFile)('npx', ['vitest', 'run', '--project', 'unit', file], { env });
    return { failed: false, output: stdout };
  } catch (error) {
    return { failed: true, output: (error as { stdout: string }).stdout };
  }
}

describe.each([...new Set(bugs.map(({ foundBy }) => foundBy))])('%s', (file) => {
  test('passes as long as nothing is planted', async () => {
    const { failed, output } = await run(file, '');
    expect(output).toMatch(/Tests +\d+ passed/);
    expect(failed).toBe(false);
  });

  test.each(bugs.filter(({ foundBy }) => foundBy === file).map(({ name }) => name))('finds: %s', async (name) => {
    const { failed, output } = await run(file, name);
    // A test failed, not the run itself.
    expect(output).toMatch(/Tests +\d+ failed/);
    expect(failed).toBe(true);
  });
});
