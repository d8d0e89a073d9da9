import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { bundle } from './bundle.ts';
import { HUNT_SCHEDULES, hunt } from './hunt.ts';
import { MUTANTS } from './mutants/index.ts';
import { placesOf } from './mutants/mutant.ts';

/** In which schedule each was found: `npm run sim -- --mutants` looks for all, and records it. */
const seeds = JSON.parse(await readFile(new URL('./mutants/seeds.json', import.meta.url), 'utf8')) as Record<
  string,
  number
>;
const found = MUTANTS.filter(({ name }) => name in seeds);

test(`each of ${found.length} planted bugs is found within ${HUNT_SCHEDULES} schedules`, async () => {
  expect(found.length).toBeGreaterThanOrEqual(40);
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  const survivors: string[] = [];
  await hunt(
    found,
    { threads: 2, schedules: HUNT_SCHEDULES, hints: seeds },
    ({ mutant, finding }) => void (finding === undefined && survivors.push(mutant.name)),
  );
  expect(survivors).toEqual([]);
}, 900_000);

test('a mutant whose text is not there exactly once is an error', async () => {
  const mutant = { name: 'none', file: 'src/core/lane.ts', find: 'no such text', replace: '', why: '' };
  await expect(bundle(mutant)).rejects.toThrow('0 times');
  await expect(bundle({ ...mutant, find: 'readonly epoch: number;' })).rejects.toThrow('must be there once');
  await expect(bundle({ ...mutant, file: 'src/cli/main.ts' })).rejects.toThrow('not part of the simulator');
});

test('every mutant can be planted', async () => {
  const missing: string[] = [];
  for (const { name, file, find } of MUTANTS)
    if (placesOf(await readFile(file, 'utf8'), find).length !== 1) missing.push(name);
  expect(missing).toEqual([]);
});
