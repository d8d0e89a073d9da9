import type { Doc } from '../subject.ts';
import { pickLevel, type Writer, type WriterParts } from './writer.ts';

/** Writes a document, reads it back, and reads another; never two writes of a key at a time. */
export function docsWriter({ spec, subject, scribe, random, rest }: WriterParts): Writer {
  const { ownKeys, sharedKeys } = spec;
  const levels = spec.policy === 'write-through' ? (['stored'] as const) : spec.levels;
  const busy = new Set<string>();

  const write = (key: string, put: boolean): Promise<boolean> => {
    const level = pickLevel(levels, random);
    const id = scribe.nextId();
    const doc: Doc = {
      id,
      pad: 'x'.repeat(random.between(0, 200)),
      ...(key.startsWith('refused') && { bad: true as const }),
    };
    const ask = () => (put ? subject.set(key, doc, level) : subject.delete(key, level));
    return scribe.write(
      { id, key, mutation: put ? 'put' : 'delete', level },
      ask,
      level !== 'stored' && random.chance(0.1),
    );
  };
  const read = (key: string): Promise<void> => scribe.read(key, () => subject.get(key));

  return async () => {
    const key = random.pick(random.chance(0.75) ? ownKeys : sharedKeys);
    if (busy.has(key)) return;
    busy.add(key);
    const done = await write(key, random.chance(0.85));
    await read(key);
    if (random.chance(0.3)) await read(random.pick(random.chance(0.5) ? ownKeys : sharedKeys));
    if (random.chance(0.01)) await write(`refused-${scribe.nextId()}`, true);
    // What became of it is not known: it may take effect in a moment, and then come before the key's next write.
    if (!done) await rest();
    busy.delete(key);
  };
}
