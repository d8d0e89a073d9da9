import { type DeadLetter, isMillraceError, type Redrive } from '../../src/index.ts';
import type { Journal } from './journal.ts';
import type { Prng } from './prng.ts';

type Letter = Pick<DeadLetter<unknown>, 'id' | 'lane' | 'key' | 'fromSeq' | 'cutSeq'>;

/** The letters of a cache of any shape. */
export interface Letters {
  list(page: { readonly state: 'dead' }): Promise<readonly Letter[]>;
  redrive(id: string, options: { readonly timeout: number }): Promise<Redrive>;
}

interface Redriven {
  readonly letter: Letter;
  readonly outcome: Redrive['outcome'];
}

/**
 * What an operator does who has seen to what the store refused: tries one dead letter again. Undefined: there was none,
 * or somebody else was quicker.
 */
export async function redriveOne(deadLetters: Letters, prng: Prng, journal: Journal): Promise<Redriven | undefined> {
  const dead = await deadLetters.list({ state: 'dead' });
  if (dead.length === 0) return undefined;
  const letter = prng.pick(dead);
  try {
    const { outcome } = await deadLetters.redrive(letter.id, { timeout: prng.pick([0, 50, 2_000]) });
    journal.count(`redrive: ${outcome}`);
    return { letter, outcome };
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'MILLRACE_KEY') throw error;
    journal.count('redrive: gone');
    return undefined;
  }
}
