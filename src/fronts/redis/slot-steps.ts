import type { SlotsDone, SlotsResult } from '../../core/lane-slots.ts';
import type { WriteBatch, WriteResult } from '../../core/lane-write.ts';
import { type Shape, traitsOf } from '../../core/shape.ts';
import { TOMBSTONE } from '../../core/slot.ts';
import { type LaneFront, type SlotReport, UNRECOVERED } from '../../ports/front.ts';
import { headerOf, type Reply, unrecovered } from './lane-steps.ts';
import type { ScriptName } from './scripts.ts';

/** Arguments and answers of the steps on slots, as their scripts have them. */

type Nullable = string | null;
const defined = (raw: unknown): string | undefined => (raw as Nullable) ?? undefined;
const ttlOf = (ms: unknown): number | undefined => ((ms as number) >= 0 ? (ms as number) : undefined);
const optional = (ms: number | undefined): string => (ms === undefined ? '' : String(ms));

export function writeArgs(batch: WriteBatch, incarnation: string, slotPrefix: string): string[] {
  const { keys, slots, ttls } = batch;
  const n = keys.length;
  const own = ttls === undefined ? [] : [...ttls].filter(([i]) => i < n);
  const numbers = [
    batch.accepted,
    n,
    batch.maxEntries,
    batch.maxBytes,
    slots.reduce((sum, slot) => (slot === TOMBSTONE ? sum + 1 : sum), 0),
    own.length,
  ];
  const args = [incarnation, ...numbers.map(String)];
  for (let i = 0; i < n; i++) args.push(slotPrefix + (keys[i] as string), slots[i] as string);
  for (const [i, ttlMs] of own) args.push(slotPrefix + (keys[i] as string), String(ttlMs));
  return args;
}

export function written(reply: Reply): WriteResult {
  switch (reply[0]) {
    case 'accepted': {
      const [, seq, epoch, pending, entries, bytes] = reply as readonly [
        string,
        number,
        number,
        number,
        number,
        number,
      ];
      return { kind: 'accepted', seq, epoch, pending, entries, bytes };
    }
    case 'full': {
      const [, entries, bytes, refused] = reply as readonly [string, number, number, number[]];
      return { kind: 'full', entries, bytes, refused };
    }
    case 'stopped':
      return { kind: 'stopped', reason: reply[1] as string };
    default:
      return unrecovered(reply);
  }
}

export const named = (slotPrefix: string, keys: readonly string[]): string[] => keys.map((key) => slotPrefix + key);

/** What was loaded for a token of a fill or a refresh. */
interface LoadedSlots {
  readonly keys: readonly string[];
  readonly token: string;
  readonly loaded: readonly (string | undefined)[];
  readonly ttlMs: number | undefined;
}

export const endFillArgs =
  ({ keys, token, loaded, ttlMs }: LoadedSlots) =>
  (incarnation: string, slotPrefix: string): string[] => [
    incarnation,
    token,
    optional(ttlMs),
    ...keys.flatMap((key, i) => [slotPrefix + key, loaded[i] ?? '']),
  ];

/** What a write-through writer leaves. Where nothing is `committed`, nothing is published. */
interface FinishedIntent {
  readonly keys: readonly string[];
  readonly token: string;
  readonly committed: readonly (string | undefined)[];
  readonly ttlMs: readonly (number | undefined)[];
}

export const finishIntentArgs =
  ({ keys, token, committed, ttlMs }: FinishedIntent) =>
  (incarnation: string, slotPrefix: string): string[] => [
    incarnation,
    token,
    ...keys.flatMap((key, i) => [slotPrefix + key, committed[i] ?? '', optional(ttlMs[i])]),
  ];

export const slotsFound = (reply: Reply): SlotsResult =>
  reply[0] === 'slots' ? { kind: 'slots', slots: (reply[1] as Nullable[]).map(defined) } : unrecovered(reply);

export const done = (reply: Reply): SlotsDone => (reply[0] === 'done' ? { kind: 'done' } : unrecovered(reply));

export const slotWithTtl = (reply: Reply): Awaited<ReturnType<LaneFront['readWithTtl']>> =>
  reply[0] === 'slot' ? { raw: defined(reply[1]), ttlMs: ttlOf(reply[2]) } : UNRECOVERED;

export const inspectScript = (shape: Shape | undefined): ScriptName =>
  traitsOf(shape).isRanked ? 'inspectScore' : 'inspect';

export const inspected = (reply: Reply): SlotReport => ({
  raw: defined(reply[1]),
  ttlMs: ttlOf(reply[2]),
  pending: reply[3] === 1,
  inFlight: reply[4] === 1,
  header: headerOf(reply),
});
