import { type Deferred, defer } from '../../core/deferred.ts';
import { MillraceError } from '../../errors.ts';
import { UNRECOVERED } from '../../ports/front.ts';
import { NotSent, replyCode, unavailable } from './faults.ts';
import type { LaneSteps } from './lane-steps.ts';
import type { RedisServer } from './server.ts';

/** How often a read begins again because a connection or a recovery came between. */
const ATTEMPTS_MAX = 6;
/** Keys of one command that several callers share: large values of others must not delay a caller for long. */
const SHARED_KEYS_MAX = 128;
/** Commands of one lane that are under way at the same time; callers that come meanwhile share the next. */
const SHARED_IN_FLIGHT_MAX = 2;
const AGAIN: unique symbol = Symbol('again');

type RawSlot = string | undefined;

type SharedRead = Deferred<RawSlot | typeof UNRECOVERED>;

/**
 * Reads by plain GET and MGET. A value is believed on the connection on which the lane's incarnation was seen: as long
 * as it lasts the server is in the same run. A miss is verified, since nothing tells an empty slot from a lane that is
 * gone.
 */
export class LaneReader {
  readonly #lanes: readonly SharedReads[];

  constructor(lanes: readonly LaneSteps[]) {
    this.#lanes = lanes.map((steps) => new SharedReads(steps));
  }

  read(lane: number, key: string): Promise<RawSlot | typeof UNRECOVERED> {
    return (this.#lanes[lane] as SharedReads).read(key);
  }

  /** One MGET for each lane: one for all would be refused by a cluster, whose lanes have slots of their own. */
  async readMany(lanes: readonly number[], keys: readonly string[]): Promise<RawSlot[] | typeof UNRECOVERED> {
    const places = new Map<number, number[]>();
    for (let i = 0; i < keys.length; i++) {
      const lane = lanes[i] as number;
      const list = places.get(lane);
      if (list === undefined) places.set(lane, [i]);
      else list.push(i);
    }
    const values: RawSlot[] = keys.map(() => undefined);
    let recovered = true;
    await Promise.all(
      [...places].map(async ([lane, list]) => {
        const found = await readLane(
          (this.#lanes[lane] as SharedReads).steps,
          list.map((i) => keys[i] as string),
        );
        if (found === UNRECOVERED) recovered = false;
        else for (let j = 0; j < list.length; j++) values[list[j] as number] = found[j];
      }),
    );
    return recovered ? values : UNRECOVERED;
  }
}

/**
 * Reads of single keys of one lane. A lone one goes at once; those that come while others are under way go together,
 * and callers who want the same key before it is asked for share the answer.
 */
class SharedReads {
  readonly steps: LaneSteps;
  #waiting = new Map<string, SharedRead>();
  #underWay = 0;
  #wakeUpSet = false;

  constructor(steps: LaneSteps) {
    this.steps = steps;
  }

  read(key: string): Promise<RawSlot | typeof UNRECOVERED> {
    let read = this.#waiting.get(key);
    if (read === undefined) {
      this.#waiting.set(key, (read = defer()));
      this.#wakeUp();
    }
    return read.promise;
  }

  #wakeUp(): void {
    if (this.#wakeUpSet || this.#underWay >= SHARED_IN_FLIGHT_MAX || this.#waiting.size === 0) return;
    this.#wakeUpSet = true;
    const send = (): void => {
      this.#wakeUpSet = false;
      void this.#send();
    };
    if (this.#underWay === 0) queueMicrotask(send);
    else setImmediate(send);
  }

  async #send(): Promise<void> {
    const reads = this.#take();
    this.#underWay++;
    this.#wakeUp();
    try {
      const found = await readLane(this.steps, [...reads.keys()]);
      let i = 0;
      for (const read of reads.values()) read.resolve(found === UNRECOVERED ? UNRECOVERED : found[i++]);
    } catch (error) {
      for (const read of reads.values()) read.reject(error);
    }
    this.#underWay--;
    this.#wakeUp();
  }

  #take(): ReadonlyMap<string, SharedRead> {
    const all = this.#waiting;
    if (all.size <= SHARED_KEYS_MAX) {
      this.#waiting = new Map();
      return all;
    }
    const some = new Map<string, SharedRead>();
    for (const [key, read] of all) {
      some.set(key, read);
      all.delete(key);
      if (some.size === SHARED_KEYS_MAX) break;
    }
    return some;
  }
}

async function readLane(steps: LaneSteps, keys: readonly string[]): Promise<RawSlot[] | typeof UNRECOVERED> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    try {
      const result = await readOnce(steps, keys);
      if (result !== AGAIN) return result;
    } catch (error) {
      // A redirection, or a server that left before anything was sent: the read begins again elsewhere.
      if (error instanceof MillraceError) throw error;
      if (!(error instanceof NotSent) && !/^(MOVED|ASK|TRYAGAIN)$/.test(replyCode(error) ?? ''))
        throw unavailable('the Redis server refused a read', error);
      await steps.refresh();
    }
  }
  throw unavailable('the lane changed hands again and again while it was read');
}

async function readOnce(
  steps: LaneSteps,
  keys: readonly string[],
): Promise<RawSlot[] | typeof UNRECOVERED | typeof AGAIN> {
  const server: RedisServer = steps.server;
  if (!steps.seenOn(server)) {
    if (!(await steps.verify())) return UNRECOVERED;
    if (!steps.seenOn(server)) return AGAIN;
  }
  const { generation } = server;
  const { incarnation, slotPrefix } = steps;
  const replies =
    keys.length === 1
      ? [await server.send(['GET', slotPrefix + (keys[0] as string)])]
      : ((await server.send(['MGET', ...keys.map((key) => slotPrefix + key)])) as unknown[]);
  if (server.generation !== generation) return AGAIN;
  let missed = false;
  const values = replies.map((raw) => {
    if (raw !== null) return raw as string;
    missed = true;
    return undefined;
  });
  if (!missed) return values;
  if (!(await steps.verify())) return UNRECOVERED;
  return steps.incarnation === incarnation ? values : AGAIN;
}
