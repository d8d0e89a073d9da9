import { strict as assert } from 'node:assert';
import type { Flight, LaneHeader } from '../core/lane.ts';
import type { Shape } from '../core/shape.ts';
import type { LaneFront } from '../ports/front.ts';
import { type Bench, fence, LONG_MS, type Register, recoveredAs } from './front-subject.ts';

/** The name of the cache that {@link checksOf} attaches. */
export const SHAPED = 'shaped';

/** Short words for what the tests do with lane 0 of a cache of any shape, which is in its first epoch. */
export class ShapeLane {
  readonly bench: Bench;
  readonly lanes: LaneFront;
  readonly #ttlMs: number | undefined;

  constructor(bench: Bench, lanes: LaneFront, ttlMs?: number) {
    this.bench = bench;
    this.lanes = lanes;
    this.#ttlMs = ttlMs;
  }

  async header(): Promise<LaneHeader> {
    const { header } = await this.lanes.header(0);
    assert.ok(header !== undefined);
    return header;
  }

  async cut(digest = 'digest'): Promise<Flight> {
    const result = await this.lanes.cut(0, 1, digest);
    assert.equal(result.kind, 'cut');
    return (result as Extract<typeof result, { kind: 'cut' }>).flight;
  }

  async acknowledge(generation: number, deadKeys: readonly string[] = []): Promise<LaneHeader> {
    const result = await this.lanes.acknowledge(0, { epoch: 1, generation, deadKeys, ttlMs: this.#ttlMs, limit: 10 });
    assert.ok(result.kind === 'done');
    return result.header;
  }
}

/** Registers checks of a cache of this shape, each with a lane of its own that takes writes. */
export type Checks<L extends ShapeLane> = (name: string, check: (lane: L) => Promise<void>) => void;

export function checksOf<L extends ShapeLane>(
  register: Register,
  shape: Shape,
  laneOf: (bench: Bench, lanes: LaneFront) => L,
): Checks<L> {
  return (name, check) =>
    register(name, async (bench) => {
      const lanes = await bench.attach({ cache: SHAPED, shape });
      recoveredAs('created', await lanes.recover(0, { fence: fence(), owner: 'me', leaseMs: LONG_MS }));
      await check(laneOf(bench, lanes));
    });
}
