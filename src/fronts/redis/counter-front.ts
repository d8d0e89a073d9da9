import {
  type DeltasResult,
  type IncrementBatch,
  type IncrementResult,
  type LoadedTotals,
  SUM_MAX,
  type TotalsResult,
} from '../../core/lane-deltas.ts';
import { withoutRoomOf } from '../../core/room.ts';
import type { CounterFront } from '../../ports/counter-front.ts';
import { flagged, pageArgs, refusal, refused } from './answers.ts';
import type { Reply } from './lane-steps.ts';
import type { StepRunner } from './step-runner.ts';

/** The steps of counters, with arguments and answers as their scripts have them. */
export const counterFront = (steps: StepRunner): CounterFront => ({
  async increment(lane, batch) {
    const reply = await steps.accept(lane, 'increment', batch.keys.length, (incarnation, slots) =>
      incrementArgs(batch, incarnation, slots),
    );
    return 'kind' in reply ? reply : incremented(reply, batch);
  },

  async fillTotals(lane, loaded) {
    const args = (incarnation: string, slots: string) => totalsArgs(loaded, incarnation, slots);
    return filled(await steps.run(lane, 'fillTotals', args), loaded);
  },

  async readDeltas(lane, epoch, generation, cursor, limit) {
    return deltasPage(await steps.run(lane, 'readDeltas', () => pageArgs(epoch, generation, cursor, limit)));
  },
});

function incrementArgs(batch: IncrementBatch, incarnation: string, slotPrefix: string): string[] {
  const { keys, sums, wanted } = batch;
  const args = [
    incarnation,
    batch.shape,
    String(batch.accepted),
    String(keys.length),
    String(batch.bytes),
    String(batch.maxEntries),
    String(batch.maxBytes),
    String(batch.limit),
    flagsOf(wanted),
    batch.mayExpire ? '1' : '',
  ];
  for (const key of keys) args.push(slotPrefix + key);
  if (sums.every((sum) => sum === sums[0])) args.push(String(sums[0] ?? 0n));
  else for (const sum of sums) args.push(String(sum));
  return args;
}

function flagsOf(wanted: readonly boolean[]): string {
  if (!wanted.includes(true)) return '';
  return wanted.includes(false) ? wanted.map((is) => (is ? '1' : '0')).join('') : '*';
}

function incremented(reply: Reply, batch: IncrementBatch): IncrementResult {
  const { shape, wanted } = batch;
  switch (reply[0]) {
    case 'accepted': {
      const [, seq, epoch, pending, entries, bytes, told] = reply as readonly [
        string,
        number,
        number,
        number,
        number,
        number,
        string,
      ];
      const totals = told.split(',');
      let next = 0;
      return {
        kind: 'accepted',
        seq,
        epoch,
        pending,
        entries,
        bytes,
        totals: wanted.map((is) => (is ? BigInt(totals[next++] as string) : undefined)),
      };
    }
    case 'unsettled':
      return { kind: 'unsettled', unknown: reply[1] as number[], beyond: reply[2] as number[] };
    case 'full': {
      const [, entries, bytes, needing] = reply as readonly [string, number, number, number[]];
      const fresh = flagged(batch.keys.length, needing);
      return { kind: 'full', entries, bytes, refused: withoutRoomOf(fresh, batch, entries, bytes) };
    }
    default:
      return refusal(reply, shape);
  }
}

const totalsArgs = (loaded: LoadedTotals, incarnation: string, slotPrefix: string): string[] => [
  incarnation,
  loaded.shape,
  String(loaded.generation),
  String(loaded.epoch),
  String(loaded.invalidations),
  String(loaded.limit),
  String(SUM_MAX),
  loaded.ttlMs === undefined ? '' : String(loaded.ttlMs),
  ...loaded.keys.flatMap((key, i) => [slotPrefix + key, String(loaded.stored[i])]),
];

function filled(reply: Reply, { shape }: LoadedTotals): TotalsResult {
  if (reply[0] === 'stale') return { kind: 'stale' };
  if (reply[0] !== 'totals') return refusal(reply, shape);
  return {
    kind: 'totals',
    totals: (reply[1] as (string | null)[]).map((total) => (total === null ? undefined : BigInt(total))),
  };
}

function deltasPage(reply: Reply): DeltasResult {
  if (reply[0] === 'refused') return refused(reply);
  const [, next, prefix, flat] = reply as readonly [string, string, number, string[]];
  const rows: (readonly [string, bigint])[] = [];
  for (let i = 0; i < flat.length; i += 2)
    if (flat[i] !== '') rows.push([(flat[i] as string).slice(prefix), BigInt(flat[i + 1] as string)]);
  return { kind: 'deltas', rows, next };
}
