import type { LaneHeader } from '../../src/core/lane.ts';
import { traitsOf } from '../../src/core/shape.ts';
import type { LaneFront } from '../../src/ports/front.ts';

export const KEYS = ['a', 'b', '__proto__', '{x}:y', 'é'];

/** Doubts come in any order, with tokens that each front makes for itself. */
export function withoutTokens<T extends object>(result: T): unknown {
  return 'doubts' in result
    ? {
        ...(comparableResult(result) as object),
        doubts: (result.doubts as [string, string][]).map(([member]) => member).toSorted(),
      }
    : comparableResult(result);
}

/** Without what must differ: names that are drawn, and times. */
function comparable(header: LaneHeader | undefined): unknown {
  if (header === undefined) return undefined;
  const { flight, pendingSinceMs } = header;
  return {
    ...header,
    runId: '',
    incarnation: '',
    leaseUntilMs: 0,
    pendingSinceMs: pendingSinceMs > 0,
    flight: flight && { ...flight, sinceMs: flight.sinceMs > 0 },
  };
}

export function comparableResult(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || !('header' in result || 'flight' in result)) return result;
  const { header, flight, ...rest } = result as { header?: LaneHeader; flight?: LaneHeader['flight'] };
  return { ...rest, header: comparable(header), flight: flight && { ...flight, sinceMs: flight.sinceMs > 0 } };
}

export async function deltasOf(
  front: LaneFront,
  { epoch, generation }: { epoch: number; generation: number },
): Promise<unknown> {
  const found = new Map<string, bigint>();
  for (let cursor = ''; ; ) {
    const page = await front.readDeltas(0, epoch, generation, cursor, 2);
    if (page.kind === 'refused') return page;
    for (const [key, delta] of page.rows) found.set(key, delta);
    cursor = page.next;
    if (cursor === '') return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

export async function changesOf(
  front: LaneFront,
  { epoch, generation }: { epoch: number; generation: number },
): Promise<unknown> {
  const found = new Map<string, number | null>();
  for (let cursor = ''; ; ) {
    const page = await front.readFlightScores(0, epoch, generation, cursor, 2);
    if (page.kind === 'refused') return page;
    for (const [member, change] of page.rows) found.set(member, change);
    cursor = page.next;
    if (cursor === '') return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

export async function observe(front: LaneFront): Promise<unknown> {
  const { header, current } = await front.header(0);
  const of = { epoch: header?.epoch ?? 0, generation: header?.flight?.generation ?? 0 };
  const shared = { header: comparable(header), current };
  if (traitsOf(header?.shape).isRanked) {
    return {
      ...shared,
      board: withoutTokens(await front.readScores(0, 'scores', { kind: 'range', from: 0, count: 100 })),
      scores: withoutTokens(await front.readScores(0, 'scores', { kind: 'members', members: KEYS })),
      members: await Promise.all(
        KEYS.map(async (key) => {
          const { raw, pending, inFlight } = await front.inspect(0, key);
          return { weight: raw === undefined ? undefined : Number(raw), pending, inFlight };
        }),
      ),
      changes: await changesOf(front, of),
    };
  }
  return {
    ...shared,
    totals: await front.readMany(
      KEYS.map(() => 0),
      KEYS,
    ),
    keys: await Promise.all(
      KEYS.map(async (key) => {
        const { ttlMs = 0, pending, inFlight } = await front.inspect(0, key);
        return { expires: ttlMs > 0, pending, inFlight };
      }),
    ),
    deltas: await deltasOf(front, of),
    log: [
      await front.readLog(0, of.epoch, of.generation, 0, 3),
      await front.readLog(0, of.epoch, of.generation, 3, 1_000),
    ],
  };
}
