import type { Refused, Stopped, Unrecovered } from '../../core/lane.ts';
import {
  type IncrementBatch,
  type IncrementResult,
  type LoadedTotals,
  SUM_MAX,
  type TotalsResult,
} from '../../core/lane-deltas.ts';
import type { DeltasResult } from '../../core/lane-flush.ts';
import { type AppendBatch, type AppendResult, eventsWithoutRoom } from '../../core/lane-log.ts';
import { withoutRoomOf } from '../../core/room.ts';
import { misshapen, type Shape } from '../../core/shape.ts';
import { headerOf, type Reply, unexplained } from './lane-steps.ts';

/** Arguments and answers of the steps on counters and logs, as their scripts have them. */

export function incrementArgs(batch: IncrementBatch, incarnation: string, slotPrefix: string): string[] {
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

export function incremented(reply: Reply, batch: IncrementBatch): IncrementResult {
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

export const totalsArgs = (loaded: LoadedTotals, incarnation: string, slotPrefix: string): string[] => [
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

export function filled(reply: Reply, { shape }: LoadedTotals): TotalsResult {
  if (reply[0] === 'stale') return { kind: 'stale' };
  if (reply[0] !== 'totals') return refusal(reply, shape);
  return {
    kind: 'totals',
    totals: (reply[1] as (string | null)[]).map((total) => (total === null ? undefined : BigInt(total))),
  };
}

export const appendArgs = (
  { shape, bytes, maxEntries, maxBytes, entries }: AppendBatch,
  incarnation: string,
): string[] => [incarnation, shape, String(bytes), String(maxEntries), String(maxBytes), ...entries];

export function appended(reply: Reply, batch: AppendBatch): AppendResult {
  if (reply[0] === 'full') {
    const [, entries, bytes] = reply as readonly [string, number, number];
    return { kind: 'full', entries, bytes, refused: eventsWithoutRoom(batch, entries, bytes) };
  }
  if (reply[0] !== 'accepted') return refusal(reply, batch.shape);
  const [, seq, epoch, pending, entries, bytes] = reply as readonly [string, number, number, number, number, number];
  return { kind: 'accepted', seq, epoch, pending, entries, bytes };
}

export function deltasPage(reply: Reply): DeltasResult {
  if (reply[0] === 'refused') return { kind: 'refused', epoch: reply[1] as number };
  const [, next, prefix, flat] = reply as readonly [string, string, number, string[]];
  const rows: (readonly [string, bigint])[] = [];
  for (let i = 0; i < flat.length; i += 2)
    if (flat[i] !== '') rows.push([(flat[i] as string).slice(prefix), BigInt(flat[i + 1] as string)]);
  return { kind: 'deltas', rows, next };
}

/** `count` is how many were looked for: where fewer were found, the log ends. */
export function logPart(
  reply: Reply,
): { readonly kind: 'entries'; readonly entries: readonly string[]; readonly count: number } | Refused {
  return reply[0] === 'refused'
    ? { kind: 'refused', epoch: reply[1] as number }
    : { kind: 'entries', entries: reply[1] as string[], count: reply[2] as number };
}

/** So many flags, of which those with these numbers are set. */
export function flagged(count: number, set: readonly number[]): boolean[] {
  const flags = Array.from({ length: count }, () => false);
  for (const i of set) flags[i] = true;
  return flags;
}

export function refusal(reply: Reply, shape: Shape): Unrecovered | Stopped {
  switch (reply[0]) {
    case 'unrecovered':
      return { kind: 'unrecovered', header: headerOf(reply) };
    case 'stopped':
      return { kind: 'stopped', reason: reply[1] as string };
    case 'misshapen':
      return { kind: 'stopped', reason: misshapen(reply[1] as Shape, shape) };
    default:
      throw unexplained(reply);
  }
}
