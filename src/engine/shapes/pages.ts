import { fromScaled } from '../../core/decimal.ts';
import { type Refused } from '../../core/lane.ts';
import type { DeltasResult } from '../../core/lane-flush.ts';
import { type FlightScoresResult, turned } from '../../core/lane-scores.ts';
import type { Change } from '../../core/score-table.ts';
import { traitsOf } from '../../core/shape.ts';
import type { Mutation } from '../../ports/store.ts';
import type { EngineContext } from '../base/context.ts';
import { LaneTaken, type ReadableGeneration } from '../flushing/readable-generation.ts';
import { eventName } from './appends.ts';

/** The deltas of a generation, in pages. */
export function deltaPages(
  { front, settings }: EngineContext,
  { lane, epoch, generation }: ReadableGeneration,
  limit: number,
): AsyncGenerator<Mutation[]> {
  const scale = traitsOf(settings.shape).scale;
  const read = (cursor: string): Promise<DeltasResult> => front.readDeltas(lane, epoch, generation, cursor, limit);
  return keyedPages(lane, read, (key, sum: bigint) => ({ lane, key, json: fromScaled(sum, scale), kind: 'delta' }));
}

/** The scores of a generation, as what they came to, in pages. */
export function scorePages(
  { front, settings }: EngineContext,
  { lane, epoch, generation }: ReadableGeneration,
  limit: number,
): AsyncGenerator<Mutation[]> {
  const read = (cursor: string): Promise<FlightScoresResult> =>
    front.readFlightScores(lane, epoch, generation, cursor, limit);
  return keyedPages(lane, read, (key, change: Change) => ({
    lane,
    key,
    json: change === null ? undefined : String(turned(settings.shape, change)),
  }));
}

/** A page that a cursor leads to. */
interface KeyedPage<T> {
  readonly kind: 'deltas' | 'scores';
  readonly rows: readonly (readonly [key: string, value: T])[];
  readonly next: string;
}

async function* keyedPages<T>(
  lane: number,
  read: (cursor: string) => Promise<KeyedPage<T> | Refused>,
  mutationOf: (key: string, value: T) => Mutation,
): AsyncGenerator<Mutation[]> {
  // A page can bring a key again.
  const seen = new Set<string>();
  for (let cursor = ''; ; ) {
    const page = await read(cursor);
    if (page.kind === 'refused') throw new LaneTaken(lane);
    const rows: Mutation[] = [];
    for (const [key, value] of page.rows) {
      if (seen.has(key)) continue;
      seen.add(key);
      rows.push(mutationOf(key, value));
    }
    yield rows;
    cursor = page.next;
    if (cursor === '') return;
  }
}

/** The events of a generation in their order, in pages; the next is on its way while one is worked on. */
export async function* eventPages(
  { front }: EngineContext,
  { lane, epoch, generation, fromSeq }: ReadableGeneration,
  limit: number,
): AsyncGenerator<Mutation[]> {
  let next = front.readLog(lane, epoch, generation, 0, limit);
  for (let from = 0; ; from += limit) {
    const page = await next;
    if (page.kind === 'refused') throw new LaneTaken(lane);
    const isLast = page.entries.length < limit;
    if (!isLast) {
      next = front.readLog(lane, epoch, generation, from + limit, limit);
      // If nobody comes back for it, its rejection is nobody's.
      next.catch(() => undefined);
    }
    yield page.entries.map((entry, i) => ({
      lane,
      key: eventName(lane, fromSeq + from + i),
      json: entry,
      kind: 'append' as const,
    }));
    if (isLast) return;
  }
}
