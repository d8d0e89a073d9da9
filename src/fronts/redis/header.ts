import type { Flight, LaneHeader, Shape } from '../../core/lane.ts';

/** The lane's header from the reply of HGETALL: field and value in turn; undefined when there is none. */
export function decodeHeader(reply: unknown): LaneHeader | undefined {
  const flat = reply as string[];
  if (flat.length === 0) return undefined;
  const fields: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string;
  const text = (name: string) => fields[name] ?? '';
  const whole = (name: string) => Number(fields[name] ?? 0);
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
    flushSeq: whole('flush'),
    stopped: text('stopped'),
  };
}

function decodeFlight(text: (name: string) => string, whole: (name: string) => number): Flight | undefined {
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
