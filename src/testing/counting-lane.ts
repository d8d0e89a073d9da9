import { strict as assert } from 'node:assert';
import type { Flight } from '../core/lane.ts';
import { type IncrementBatch, type IncrementResult, type LoadedTotals, SUM_MAX } from '../core/lane-deltas.ts';
import type { Shape } from '../core/shape.ts';
import { type LaneFront, UNRECOVERED } from '../ports/front.ts';
import { ShapeLane } from './shape-lane.ts';

export const SHAPE: Shape = 'counters';

type Counted = Extract<IncrementResult, { kind: 'accepted' }>;

/** Short words for what the tests do with lane 0 of a cache of counters. */
export class Counting extends ShapeLane {
  try(sums: Readonly<Record<string, bigint>>, over: Partial<IncrementBatch> = {}): Promise<IncrementResult> {
    const keys = Object.keys(sums);
    return this.lanes.increment(0, {
      accepted: keys.length,
      keys,
      sums: Object.values(sums),
      wanted: keys.map(() => false),
      shape: SHAPE,
      limit: SUM_MAX,
      mayExpire: true,
      bytes: 10 * keys.length,
      maxEntries: 1_000_000,
      maxBytes: 2 ** 30,
      ...over,
    });
  }

  async add(sums: Readonly<Record<string, bigint>>, over: Partial<IncrementBatch> = {}): Promise<Counted> {
    const result = await this.try(sums, over);
    assert.equal(result.kind, 'accepted', result.kind);
    return result as Counted;
  }

  /** Adds and gives the totals. */
  async total(
    sums: Readonly<Record<string, bigint>>,
    over: Partial<IncrementBatch> = {},
  ): Promise<readonly (bigint | undefined)[]> {
    return (await this.add(sums, { wanted: Object.keys(sums).map(() => true), ...over })).totals;
  }

  /** Fills totals of what the store had at a generation, as if the lane was still as it was before the load. */
  async tryFill(
    stored: Readonly<Record<string, bigint>>,
    generation: number,
    over: Partial<LoadedTotals> = {},
  ): ReturnType<LaneFront['fillTotals']> {
    const { epoch, invalidations } = await this.header();
    return this.lanes.fillTotals(0, {
      keys: Object.keys(stored),
      stored: Object.values(stored),
      generation,
      epoch,
      invalidations,
      shape: SHAPE,
      limit: SUM_MAX,
      ttlMs: undefined,
      ...over,
    });
  }

  async filled(
    stored: Readonly<Record<string, bigint>>,
    generation: number,
    over: Partial<LoadedTotals> = {},
  ): Promise<readonly (bigint | undefined)[]> {
    const result = await this.tryFill(stored, generation, over);
    assert.equal(result.kind, 'totals', result.kind);
    return (result as Extract<typeof result, { kind: 'totals' }>).totals;
  }

  async expectSlots(slots: Readonly<Record<string, string | undefined>>): Promise<void> {
    const keys = Object.keys(slots);
    assert.deepEqual(
      await this.lanes.readMany(
        keys.map(() => 0),
        keys,
      ),
      Object.values(slots),
    );
  }

  async ttl(key: string): Promise<number | undefined> {
    const read = await this.lanes.readWithTtl(0, key);
    assert.ok(read !== UNRECOVERED);
    return read.ttlMs;
  }

  async deltas({ generation }: Flight, limit = 100): Promise<Map<string, bigint>> {
    const found = new Map<string, bigint>();
    let cursor = '';
    do {
      const page = await this.lanes.readDeltas(0, 1, generation, cursor, limit);
      assert.ok(page.kind === 'deltas');
      for (const [key, sum] of page.rows) {
        assert.equal(found.get(key) ?? sum, sum, `${key} comes twice, with two sums`);
        found.set(key, sum);
      }
      cursor = page.next;
    } while (cursor !== '');
    return found;
  }
}
