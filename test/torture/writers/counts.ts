import { DIGITS, now } from '../ledger.ts';
import { digitPlaces } from './digits.ts';
import { pickLevel, type Writer, type WriterParts } from './writer.ts';

/** Adds powers of 4, each once, to counters of its own and to those that all members share, and reads totals. */
export function countsWriter({ spec, subject, scribe, random, rest }: WriterParts): Writer {
  const place = digitPlaces(spec, DIGITS);
  const add = async (key: string, digit: number, by: bigint): Promise<boolean> => {
    const level = pickLevel(spec.levels, random);
    const asked = { id: scribe.nextId(), key, mutation: 'delta' as const, level, digit };
    // A total comes without the place in the lane that a reported loss is matched with.
    if (spec.loses || random.chance(0.5))
      return scribe.write(asked, () => subject.add(key, by, level), level !== 'stored' && random.chance(0.1));
    const from = now();
    let total: bigint | undefined;
    const ask = async () => {
      total = await subject.increment(key, by, level);
      return { stored: () => Promise.resolve() };
    };
    const done = await scribe.write(asked, ask, false);
    if (total !== undefined) scribe.total('counts', key, total, from);
    return done;
  };

  return async () => {
    if (random.chance(0.01)) await add(`refused-${scribe.nextId()}`, 0, -1n);
    const { key, digit } = place();
    const done = await add(key, digit, 4n ** BigInt(digit));
    if (random.chance(0.5)) await scribe.readTotal('counts', key, () => subject.total(key));
    if (!done) await rest();
  };
}
