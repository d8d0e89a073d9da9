import { now, SCORE_DIGITS } from '../ledger.ts';
import { digitPlaces } from './digits.ts';
import { pickLevel, type Writer, type WriterParts } from './writer.ts';

/** Adds powers of 4, each once, to members of its own and to those that all share, and reads scores. */
export function scoresWriter({ spec, subject, scribe, random, rest }: WriterParts): Writer {
  const place = digitPlaces(spec, SCORE_DIGITS);

  const add = async (key: string, digit: number, by: number): Promise<boolean> => {
    const level = pickLevel(spec.levels, random);
    const from = now();
    let score: number | undefined;
    const ask = async () => {
      const receipt = await subject.score(key, by, level);
      ({ score } = receipt);
      return receipt;
    };
    const done = await scribe.write(
      { id: scribe.nextId(), key, mutation: 'score', level, digit },
      ask,
      level !== 'stored' && random.chance(0.1),
    );
    if (score !== undefined && by > 0) scribe.total('scores', key, score, from);
    return done;
  };

  return async () => {
    if (random.chance(0.01)) await add(`refused-${scribe.nextId()}`, 0, -1);
    const { key, digit } = place();
    const done = await add(key, digit, 4 ** digit);
    if (random.chance(0.5)) await scribe.readTotal('scores', key, () => subject.scoreOf(key));
    if (!done) await rest();
  };
}
