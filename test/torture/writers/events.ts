import { pickLevel, type Writer, type WriterParts } from './writer.ts';

const KEYS = Array.from({ length: 6 }, (_, k) => `key-${k}`);

/** Appends events; the keys are everybody's. */
export function eventsWriter({ spec, subject, scribe, random, rest }: WriterParts): Writer {
  return async () => {
    const level = pickLevel(spec.levels, random);
    const id = scribe.nextId();
    const refused = random.chance(0.01);
    const key = refused ? `refused-${id}` : random.pick(KEYS);
    const ask = () => subject.append({ id, key, ...(refused && { bad: true as const }) }, level);
    if (await scribe.write({ id, key, mutation: 'append', level }, ask, level !== 'stored' && random.chance(0.1)))
      return;
    await rest();
  };
}
