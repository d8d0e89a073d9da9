import type { Flight, LaneHeader } from '../../core/lane.ts';
import type { Shape } from '../../core/shape.ts';

/**
 * The fields of the header as prelude.lua packs them: numbers that a mutation replaces, texts that it reads, and what
 * it does not look at.
 */
const FIELDS = [
  'seq',
  'epoch',
  'pe',
  'pb',
  'pt',
  'ps',
  'fe',
  'fb',
  'run',
  'inc',
  'shape',
  'stopped',
  'fstate',
  'ttls',
  'lanes',
  'gen',
  'stored',
  'lease',
  'flush',
  'fgen',
  'fseq',
  'ft',
  'fs',
  'inv',
  'epochs',
  'owner',
  'fdigest',
] as const;
type Field = (typeof FIELDS)[number];
const PLACES = Object.fromEntries(FIELDS.map((field, place) => [field, place])) as Readonly<Record<Field, number>>;

/** The lane's header from what a script tells of it; undefined when there is none. */
export function decodeHeader(reply: unknown): LaneHeader | undefined {
  const told = reply as readonly (string | number)[];
  if (told.length === 0) return undefined;
  const text = (field: Field): string => told[PLACES[field]] as string;
  const whole = (field: Field): number => told[PLACES[field]] as number;
  return {
    lanes: whole('lanes'),
    shape: text('shape') as Shape,
    runId: text('run'),
    incarnation: text('inc'),
    epoch: whole('epoch'),
    epochs: text('epochs')
      .split(',')
      .filter(Boolean)
      .map((start) => {
        const [epoch, seq] = start.split(':');
        return { epoch: Number(epoch), seq: Number(seq) };
      }),
    seq: whole('seq'),
    generation: whole('gen'),
    storedSeq: whole('stored'),
    pendingEntries: whole('pe'),
    pendingBytes: whole('pb'),
    pendingTombstones: whole('pt'),
    pendingSinceMs: whole('ps'),
    flight: decodeFlight(text, whole),
    owner: text('owner'),
    leaseUntilMs: whole('lease'),
    invalidations: whole('inv'),
    flushSeq: whole('flush'),
    stopped: text('stopped'),
  };
}

function decodeFlight(text: (field: Field) => string, whole: (field: Field) => number): Flight | undefined {
  const state = text('fstate');
  if (state !== 'cut' && state !== 'stored') return undefined;
  return {
    generation: whole('fgen'),
    cutSeq: whole('fseq'),
    digest: text('fdigest'),
    entries: whole('fe'),
    bytes: whole('fb'),
    tombstones: whole('ft'),
    sinceMs: whole('fs'),
    state,
  };
}
