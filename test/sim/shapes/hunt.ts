import { bundle } from '../bundle.ts';
import { type Finding, runSchedules } from '../pool.ts';
import { entryOf } from './entry.ts';
import type { ShapeMutant } from './mutants.ts';

/** A mutant that makes a schedule go round in circles is found by that. */
const STALL_MS = 60_000;

/** Looks for planted bugs in the first schedules of their shapes, several at a time. */
export async function huntShapes(
  mutants: readonly ShapeMutant[],
  { threads, schedules }: { readonly threads: number; readonly schedules: number },
  onHunted: (mutant: ShapeMutant, finding: Finding | undefined) => void,
): Promise<void> {
  const left = [...mutants];
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      await using planted = await bundle(mutant, entryOf(mutant.shape));
      const run = (firstSeed: number, count: number) =>
        runSchedules({ file: planted.file, firstSeed, schedules: count, threads: 1, stallMs: STALL_MS });
      const hinted = mutant.seed === undefined ? undefined : (await run(mutant.seed, 1)).finding;
      onHunted(mutant, hinted ?? (await run(1, schedules)).finding);
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
}
