import type { SyncLevel } from '../../core/acks.ts';
import type { LaneTable } from '../../core/lane.ts';
import { acknowledge, claim, cut, readGeneration, release, requestFlush } from '../../core/lane-flush.ts';
import { adopt, confirm, recover } from '../../core/lane-recover.ts';
import { doubtScores } from '../../core/lane-scores.ts';
import { beginFill, beginIntent, beginRefresh, endFill, finishIntent, invalidate } from '../../core/lane-slots.ts';
import { type WriteBatch, type WriteResult, write } from '../../core/lane-write.ts';
import { traitsOf } from '../../core/shape.ts';
import { partsOf } from '../../core/shape-tables.ts';
import { isMillraceError } from '../../errors.ts';
import { type Attachment, type CommonFront, type LaneFront, UNRECOVERED } from '../../ports/front.ts';
import type { EmbeddedLanes } from './lanes.ts';
import { shapeFronts } from './shape-fronts.ts';
import { EmbeddedSteps } from './steps.ts';

/** How much smaller an acknowledging step is when there was no room for it. */
const ACKNOWLEDGE_DIVISOR = 25;

/** One cache's lanes in an embedded front: the steps that every shape has, and those of each. */
export function embeddedFront(lanes: EmbeddedLanes, attachment: Attachment): LaneFront {
  const steps = new EmbeddedSteps(lanes, attachment.cache);
  return Object.assign(new EmbeddedLaneFront(steps, attachment), shapeFronts(steps));
}

/**
 * The steps that every shape has. Each method is the pure step of the same name, run over the lane's table.
 *
 * Unlike a front with a server it need not remember which run and incarnation it last saw: a step has the header
 * before it in its own transaction. It believes what the header says as long as that is of the present run.
 */
class EmbeddedLaneFront implements CommonFront {
  readonly #steps: EmbeddedSteps;
  readonly #attachment: Attachment;

  constructor(steps: EmbeddedSteps, attachment: Attachment) {
    this.#steps = steps;
    this.#attachment = attachment;
  }

  async read(lane: number, key: string): ReturnType<LaneFront['read']> {
    return this.#steps.view(lane, (table) => (table.isCurrent() ? table.readSlot(key) : UNRECOVERED));
  }

  async readMany(lanes: readonly number[], keys: readonly string[]): ReturnType<LaneFront['readMany']> {
    const slots: (string | undefined)[] = [];
    for (let i = 0; i < keys.length; i++) {
      const slot = this.#steps.view(lanes[i] as number, (table) =>
        table.isCurrent() ? table.readSlot(keys[i] as string) : UNRECOVERED,
      );
      if (slot === UNRECOVERED) return UNRECOVERED;
      slots.push(slot);
    }
    return slots;
  }

  async readWithTtl(lane: number, key: string): ReturnType<LaneFront['readWithTtl']> {
    return this.#steps.view(lane, (table) =>
      table.isCurrent() ? { raw: table.readSlot(key), ttlMs: ttlOf(table, key) } : UNRECOVERED,
    );
  }

  write(lane: number, batch: WriteBatch): Promise<WriteResult> {
    return this.#steps.step(lane, batch.keys, (table, env) => write(table, env, batch));
  }

  beginFill(lane: number, keys: readonly string[], token: string, tokenMs: number): ReturnType<LaneFront['beginFill']> {
    return this.#steps.step(lane, keys, (table, env) => beginFill(table, env, keys, token, tokenMs));
  }

  beginRefresh(lane: number, keys: readonly string[], token: string): ReturnType<LaneFront['beginRefresh']> {
    return this.#steps.step(lane, keys, (table, env) => beginRefresh(table, env, keys, token));
  }

  endFill(
    lane: number,
    keys: readonly string[],
    token: string,
    loaded: readonly (string | undefined)[],
    ttlMs: number | undefined,
  ): ReturnType<LaneFront['endFill']> {
    return this.#steps.step(lane, keys, (table, env) => endFill(table, env, keys, token, loaded, ttlMs));
  }

  beginIntent(
    lane: number,
    keys: readonly string[],
    token: string,
    intentMs: number,
  ): ReturnType<LaneFront['beginIntent']> {
    return this.#steps.step(lane, keys, (table, env) => beginIntent(table, env, keys, token, intentMs));
  }

  finishIntent(
    lane: number,
    keys: readonly string[],
    token: string,
    committed: readonly (string | undefined)[],
    ttlMs: readonly (number | undefined)[],
  ): ReturnType<LaneFront['finishIntent']> {
    return this.#steps.step(lane, keys, (table, env) => finishIntent(table, env, keys, token, committed, ttlMs));
  }

  invalidate(lane: number, keys: readonly string[]): ReturnType<LaneFront['invalidate']> {
    const forget = traitsOf(this.#attachment.shape).isRanked ? doubtScores : invalidate;
    return this.#steps.step(lane, keys, (table, env) => forget(table, env, keys));
  }

  claim(lane: number, owner: string, leaseMs: number): ReturnType<LaneFront['claim']> {
    return this.#steps.step(lane, [], (table, env) => claim(table, env, owner, leaseMs));
  }

  release(lane: number, owner: string): Promise<void> {
    return this.#steps.step(lane, [], (table) => release(table, owner));
  }

  requestFlush(lane: number): ReturnType<LaneFront['requestFlush']> {
    return this.#steps.step(lane, [], (table, env) => requestFlush(table, env));
  }

  cut(lane: number, epoch: number, digest: string): ReturnType<LaneFront['cut']> {
    return this.#steps.step(lane, [], (table, env) => cut(table, env, epoch, digest));
  }

  async readGeneration(
    lane: number,
    epoch: number,
    generation: number,
    cursor: string,
    limit: number,
  ): ReturnType<LaneFront['readGeneration']> {
    return this.#steps.view(lane, (table, runId) => readGeneration(table, runId, epoch, generation, cursor, limit));
  }

  /** On a disk that is nearly full there may be room for a small transaction where there is none for a large one. */
  async acknowledge(lane: number, ack: Parameters<LaneFront['acknowledge']>[1]): ReturnType<LaneFront['acknowledge']> {
    this.#steps.checkKeys(ack.deadKeys);
    for (let { limit } = ack; ; limit = Math.ceil(limit / ACKNOWLEDGE_DIVISOR)) {
      try {
        return await this.#steps.raw(lane, ack.deadKeys.length + limit, (table, runId) =>
          acknowledge(table, runId, { ...ack, limit }),
        );
      } catch (error) {
        if (limit <= 1 || !isMillraceError(error) || error.code !== 'MILLRACE_FRONT_UNAVAILABLE') throw error;
      }
    }
  }

  async header(lane: number): ReturnType<LaneFront['header']> {
    return this.#steps.view(lane, (table) => ({ header: table.readHeader(), current: table.isCurrent() }));
  }

  async recover(lane: number, recovery: Parameters<LaneFront['recover']>[1]): ReturnType<LaneFront['recover']> {
    const { lanes, shape = '', random } = this.#attachment;
    const incarnation = random.token();
    return this.#steps.raw(lane, 1, (table, runId) =>
      recover(table, { ...recovery, lanes, shape, runId, incarnation }),
    );
  }

  async confirm(lane: number, epoch: number): ReturnType<LaneFront['confirm']> {
    return this.#steps.raw(lane, 1, (table, runId) => confirm(table, runId, epoch));
  }

  /** What a recovery forgets is gone with it. */
  swept(): Promise<void> {
    return Promise.resolve();
  }

  async adopt(lane: number): ReturnType<LaneFront['adopt']> {
    const { lanes, random } = this.#attachment;
    const incarnation = random.token();
    return this.#steps.raw(lane, 1, (table, runId) => adopt(table, { lanes, runId, incarnation }));
  }

  async sync(level: SyncLevel): Promise<void> {
    await this.#steps.sync(level);
  }

  async inspect(lane: number, key: string): ReturnType<LaneFront['inspect']> {
    return this.#steps.view(lane, (table) => ({
      raw: traitsOf(this.#attachment.shape).isRanked
        ? table.shapes.scores.readWeight(key)?.toString()
        : table.readSlot(key),
      ttlMs: ttlOf(table, key),
      pending: table.hasPending(key) || partsOf(table.shapes).some((part) => part.hasPending(key)),
      inFlight: table.hasFlight(key) || partsOf(table.shapes).some((part) => part.hasFlight(key)),
      header: table.readHeader(),
    }));
  }

  close(): Promise<void> {
    return this.#steps.close();
  }
}

function ttlOf(table: LaneTable, key: string): number | undefined {
  const expiresAtMs = table.readExpiry(key);
  return expiresAtMs === undefined ? undefined : Math.max(0, expiresAtMs - table.nowMs);
}
