import { bundle } from './bundle.ts';
import { MUTANTS } from './mutants/index.ts';
import type { Mutant } from './mutants/mutant.ts';
import { type Finding, runSchedules } from './pool.ts';

/** A planted bug must be found by one of so many schedules, from this seed on. */
export const HUNT_SCHEDULES = 20_000;
export const HUNT_FIRST_SEED = 1;
/** A schedule takes some ms; a mutant that makes one go round in circles is found by that. */
const STALL_MS = 60_000;

/** `finding` is missing when the mutant survived. */
export interface Hunted {
  readonly mutant: Mutant;
  readonly finding: Finding | undefined;
}

/** Looks for planted bugs, several at a time, each in a bundle and a thread of its own. */
export async function hunt(
  mutants: readonly Mutant[],
  at: {
    readonly threads: number;
    readonly schedules: number;
    readonly theme?: string;
    readonly hints: Readonly<Record<string, number>>;
  },
  onHunted: (hunted: Hunted) => void,
): Promise<void> {
  const left = [...mutants];
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      await using planted = await bundle(mutant);
      const { file } = planted;
      // Where it was found before; the seed means something else when the product has changed since.
      const hint = at.hints[mutant.name];
      const hinted =
        hint === undefined
          ? undefined
          : (await runSchedules({ file, firstSeed: hint, schedules: 1, threads: 1, stallMs: STALL_MS })).finding;
      const finding =
        hinted ??
        (
          await runSchedules({
            file,
            firstSeed: HUNT_FIRST_SEED,
            schedules: at.schedules,
            threads: 1,
            stallMs: STALL_MS,
            ...(at.theme === undefined ? {} : { theme: at.theme }),
          })
        ).finding;
      onHunted({ mutant, finding });
    }
  };
  await Promise.all(Array.from({ length: at.threads }, work));
}

/** The mutants whose names have the text in them. */
export const mutantsNamed = (text: string): Mutant[] =>
  MUTANTS.filter(({ name, foundBy }) => foundBy === undefined && name.includes(text));
