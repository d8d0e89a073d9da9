import { UNRECOVERED } from '../../ports/front.ts';
import { MillraceError } from '../../errors.ts';
import { NotSent, replyCode, unavailable } from './faults.ts';
import type { LaneSteps } from './lane-steps.ts';
import type { RedisServer } from './server.ts';

/** How often a read begins again because a connection or a recovery came between. */
const ATTEMPTS_MAX = 6;
const AGAIN: unique symbol = Symbol('again');

/**
 * Reads by plain GET and MGET. A value is believed on the connection on which the lane's incarnation was seen: as long
 * as it lasts the server is in the same run. A miss is verified, since nothing tells an empty slot from a lane that is gone.
 */
export class LaneReader {
  readonly #lanes: readonly LaneSteps[];

  constructor(lanes: readonly LaneSteps[]) {
    this.#lanes = lanes;
  }

  async read(lane: number, key: string): Promise<string | undefined | typeof UNRECOVERED> {
    const steps = this.#lanes[lane] as LaneSteps;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const result = await guarded([steps], () => readOnce(steps, key));
      if (result !== AGAIN) return result;
    }
    throw tooOften();
  }

  async readMany(lanes: readonly number[], keys: readonly string[]): Promise<(string | undefined)[] | typeof UNRECOVERED> {
    if (keys.length === 0) return [];
    const used = [...new Set(lanes)].map((lane) => this.#lanes[lane] as LaneSteps);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const result = await guarded(used, () => this.#readManyOnce(used, lanes, keys));
      if (result !== AGAIN) return result;
    }
    throw tooOften();
  }

  async #readManyOnce(used: readonly LaneSteps[], lanes: readonly number[], keys: readonly string[]) {
    const unseen = used.filter((steps) => !steps.seenOn(steps.server));
    if (!(await verified(unseen))) return UNRECOVERED;
    const before = used.map((steps) => ({ steps, server: steps.server, generation: steps.server.generation, incarnation: steps.incarnation }));
    if (before.some(({ steps, server }) => !steps.seenOn(server))) return AGAIN;

    // One MGET for all lanes would be refused by a cluster, whose lanes have slots of their own.
    const values: (string | undefined)[] = keys.map(() => undefined);
    const missed = new Set<LaneSteps>();
    await Promise.all(
      before.map(async ({ steps, server }) => {
        const at = [...keys.keys()].filter((i) => this.#lanes[lanes[i] as number] === steps);
        const found = (await server.send(['MGET', ...at.map((i) => steps.slotPrefix + (keys[i] as string))])) as (string | null)[];
        at.forEach((i, j) => (values[i] = found[j] ?? undefined));
        if (found.includes(null)) missed.add(steps);
      }),
    );
    if (before.some(({ server, generation }) => server.generation !== generation)) return AGAIN;
    if (!(await verified([...missed]))) return UNRECOVERED;
    return before.some(({ steps, incarnation }) => steps.incarnation !== incarnation) ? AGAIN : values;
  }
}

async function readOnce(steps: LaneSteps, key: string): Promise<string | undefined | typeof UNRECOVERED | typeof AGAIN> {
  const server: RedisServer = steps.server;
  if (!steps.seenOn(server)) {
    if (!(await steps.verify())) return UNRECOVERED;
    return AGAIN;
  }
  const { generation } = server;
  const { incarnation } = steps;
  const raw = (await server.send(['GET', steps.slotPrefix + key])) as string | null;
  if (server.generation !== generation) return AGAIN;
  if (raw !== null) return raw;
  if (!(await steps.verify())) return UNRECOVERED;
  return steps.incarnation === incarnation ? undefined : AGAIN;
}

async function verified(lanes: readonly LaneSteps[]): Promise<boolean> {
  return (await Promise.all(lanes.map((steps) => steps.verify()))).every(Boolean);
}

/** Runs a read; one that met a redirection, or a server that left before anything was sent, begins again elsewhere. */
async function guarded<T>(lanes: readonly LaneSteps[], read: () => Promise<T>): Promise<T | typeof AGAIN> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    if (!(error instanceof NotSent) && !/^(MOVED|ASK|TRYAGAIN)$/.test(replyCode(error) ?? '')) throw unavailable('the Redis server refused a read', error);
    for (const steps of lanes) await steps.refresh();
    return AGAIN;
  }
}

const tooOften = () => unavailable('the lane changed hands again and again while it was read');
