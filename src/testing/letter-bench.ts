/** What the tests of letters have in common: a store that refuses a value, and short words for it. */
import { strict as assert } from 'node:assert';
import type { DeadLetter, DeadLetterStore, Mutation } from '../ports/store.ts';
import { type Bench, flushOf, judgeTwice } from './store-subject.ts';

/** A bench whose store refuses a value that it knows of. */
export interface LetterBench extends Bench {
  readonly letters: DeadLetterStore;
  readonly bad: string;
}

/** Registers a test, which is left out where the store refuses nothing that it takes at first. */
export type RegisterLetters = (name: string, check: (bench: LetterBench) => Promise<void>) => void;

export const badRow = ({ bad }: LetterBench, key: string, lane = 0): Mutation => ({ lane, key, json: bad });

/** Applies generation `generation` of lane 0 with a refused row of each key, which waits. */
export async function refuse(bench: LetterBench, keys: readonly string[], generation = 1): Promise<DeadLetter[]> {
  const result = await bench.lanes.apply(
    flushOf([{ generation, letters: true }], [keys.map((key) => badRow(bench, key))], judgeTwice),
  );
  assert.ok(result.kind === 'applied');
  return bench.letters.find(result.refused.map(({ id }) => id));
}

export const statesOf = async (bench: LetterBench, letters: readonly DeadLetter[]): Promise<string[]> =>
  (await bench.letters.find(letters.map(({ id }) => id))).map(({ state }) => state);
