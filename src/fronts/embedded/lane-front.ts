import type { SyncLevel } from '../../core/acks.ts';
import { type LaneEnv, type LaneTable } from '../../core/lane.ts';
import { fillTotals, increment } from '../../core/lane-deltas.ts';
import {
  acknowledge,
  claim,
  cut,
  readDeltas,
  readGeneration,
  readLog,
  release,
  requestFlush,
} from '../../core/lane-flush.ts';
import { append } from '../../core/lane-log.ts';
import { adopt, confirm, recover } from '../../core/lane-recover.ts';
import { doubtScores, fillScores, readFlightScores, readScores, writeScores } from '../../core/lane-scores.ts';
import { beginFill, beginIntent, beginRefresh, endFill, finishIntent, invalidate } from '../../core/lane-slots.ts';
import { type WriteBatch, type WriteResult, write } from '../../core/lane-write.ts';
import { traitsOf } from '../../core/shape.ts';
import { isMillraceError, MillraceError } from '../../errors.ts';
import { type Attachment, type LaneFront, UNRECOVERED } from '../../ports/front.ts';
import type { EmbeddedLanes, EmbeddedTable } from './lanes.ts';

/** UTF-8 bytes that a key may have: what the embedded fronts' tables are laid out for. */
const KEY_BYTES_MAX = 512;
/** How much smaller an acknowledging step is when there was no room for it. */
const ACKNOWLEDGE_DIVISOR = 25;

/**
 * One cache's lanes in an embedded front. Each method is the pure step of the same name, run over the lane's table.
 *
 * Unlike a front with a server it need not remember which run and incarnation it last saw: a step has the header
 * before it in its own transaction. It believes what the header says as long as that is of the present run.
 */
export class EmbeddedLaneFront implements LaneFront {
  readonly #lanes: EmbeddedLanes;
  readonly #attachment: Attachment;
  #closed: Promise<void> | undefined;

  constructor(lanes: EmbeddedLanes, attachment: Attachment) {
    this.#lanes = lanes;
    this.#attachment = attachment;
  }

  async read(lane: number, key: string): ReturnType<LaneFront['read']> {
    return this.#view(lane, (table) => (table.isCurrent() ? table.readSlot(key) : UNRECOVERED));
  }

  async readMany(lanes: readonly number[], keys: readonly string[]): ReturnType<LaneFront['readMany']> {
    const slots: (string | undefined)[] = [];
    for (let i = 0; i < keys.length; i++) {
      const slot = this.#view(lanes[i] as number, (table) =>
        table.isCurrent() ? table.readSlot(keys[i] as string) : UNRECOVERED,
      );
      if (slot === UNRECOVERED) return UNRECOVERED;
      slots.push(slot);
    }
    return slots;
  }

  async readWithTtl(lane: number, key: string): ReturnType<LaneFront['readWithTtl']> {
    return this.#view(lane, (table) =>
      table.isCurrent() ? { raw: table.readSlot(key), ttlMs: ttlOf(table, key) } : UNRECOVERED,
    );
  }

  write(lane: number, batch: WriteBatch): Promise<WriteResult> {
    return this.#step(lane, batch.keys, (table, env) => write(table, env, batch));
  }

  increment(lane: number, batch: Parameters<LaneFront['increment']>[1]): ReturnType<LaneFront['increment']> {
    return this.#step(lane, batch.keys, (table, env) => increment(table, env, batch));
  }

  fillTotals(lane: number, loaded: Parameters<LaneFront['fillTotals']>[1]): ReturnType<LaneFront['fillTotals']> {
    return this.#step(lane, loaded.keys, (table, env) => fillTotals(table, env, loaded));
  }

  append(lane: number, batch: Parameters<LaneFront['append']>[1]): ReturnType<LaneFront['append']> {
    this.#checkOpen();
    return this.#lanes.step(lane, batch.entries.length, (table, runId) => append(table, envOf(table, runId), batch));
  }

  writeScores(lane: number, batch: Parameters<LaneFront['writeScores']>[1]): ReturnType<LaneFront['writeScores']> {
    return this.#step(lane, batch.members, (table, env) => writeScores(table, env, batch));
  }

  fillScores(lane: number, loaded: Parameters<LaneFront['fillScores']>[1]): ReturnType<LaneFront['fillScores']> {
    const { page, doubts } = loaded;
    const members = [...(page?.rows.map(([member]) => member) ?? []), ...(doubts?.map(({ member }) => member) ?? [])];
    return this.#step(lane, members, (table, env) => fillScores(table, env, loaded));
  }

  async readScores(
    lane: number,
    shape: Parameters<LaneFront['readScores']>[1],
    query: Parameters<LaneFront['readScores']>[2],
  ): ReturnType<LaneFront['readScores']> {
    return this.#view(lane, (table, runId) => readScores(table, envOf(table, runId), shape, query));
  }

  beginFill(lane: number, keys: readonly string[], token: string, tokenMs: number): ReturnType<LaneFront['beginFill']> {
    return this.#step(lane, keys, (table, env) => beginFill(table, env, keys, token, tokenMs));
  }

  beginRefresh(lane: number, keys: readonly string[], token: string): ReturnType<LaneFront['beginRefresh']> {
    return this.#step(lane, keys, (table, env) => beginRefresh(table, env, keys, token));
  }

  endFill(
    lane: number,
    keys: readonly string[],
    token: string,
    loaded: readonly (string | undefined)[],
    ttlMs: number | undefined,
  ): ReturnType<LaneFront['endFill']> {
    return this.#step(lane, keys, (table, env) => endFill(table, env, keys, token, loaded, ttlMs));
  }

  beginIntent(
    lane: number,
    keys: readonly string[],
    token: string,
    intentMs: number,
  ): ReturnType<LaneFront['beginIntent']> {
    return this.#step(lane, keys, (table, env) => beginIntent(table, env, keys, token, intentMs));
  }

  finishIntent(
    lane: number,
    keys: readonly string[],
    token: string,
    committed: readonly (string | undefined)[],
    ttlMs: readonly (number | undefined)[],
  ): ReturnType<LaneFront['finishIntent']> {
    return this.#step(lane, keys, (table, env) => finishIntent(table, env, keys, token, committed, ttlMs));
  }

  invalidate(lane: number, keys: readonly string[]): ReturnType<LaneFront['invalidate']> {
    const forget = traitsOf(this.#attachment.shape).isRanked ? doubtScores : invalidate;
    return this.#step(lane, keys, (table, env) => forget(table, env, keys));
  }

  claim(lane: number, owner: string, leaseMs: number): ReturnType<LaneFront['claim']> {
    return this.#step(lane, [], (table, env) => claim(table, env, owner, leaseMs));
  }

  release(lane: number, owner: string): Promise<void> {
    return this.#step(lane, [], (table) => release(table, owner));
  }

  requestFlush(lane: number): ReturnType<LaneFront['requestFlush']> {
    return this.#step(lane, [], (table, env) => requestFlush(table, env));
  }

  cut(lane: number, epoch: number, digest: string): ReturnType<LaneFront['cut']> {
    return this.#step(lane, [], (table, env) => cut(table, env, epoch, digest));
  }

  async readGeneration(
    lane: number,
    epoch: number,
    generation: number,
    cursor: string,
    limit: number,
  ): ReturnType<LaneFront['readGeneration']> {
    return this.#view(lane, (table, runId) => readGeneration(table, runId, epoch, generation, cursor, limit));
  }

  async readDeltas(
    lane: number,
    epoch: number,
    generation: number,
    cursor: string,
    limit: number,
  ): ReturnType<LaneFront['readDeltas']> {
    return this.#view(lane, (table, runId) => readDeltas(table, runId, epoch, generation, cursor, limit));
  }

  async readFlightScores(
    lane: number,
    epoch: number,
    generation: number,
    cursor: string,
    limit: number,
  ): ReturnType<LaneFront['readFlightScores']> {
    return this.#view(lane, (table, runId) => readFlightScores(table, runId, epoch, generation, cursor, limit));
  }

  async readLog(
    lane: number,
    epoch: number,
    generation: number,
    from: number,
    limit: number,
  ): ReturnType<LaneFront['readLog']> {
    return this.#view(lane, (table, runId) => readLog(table, runId, epoch, generation, from, limit));
  }

  /** On a disk that is nearly full there may be room for a small transaction where there is none for a large one. */
  async acknowledge(lane: number, ack: Parameters<LaneFront['acknowledge']>[1]): ReturnType<LaneFront['acknowledge']> {
    this.#checkKeys(ack.deadKeys);
    for (let { limit } = ack; ; limit = Math.ceil(limit / ACKNOWLEDGE_DIVISOR)) {
      this.#checkOpen();
      try {
        return await this.#lanes.step(lane, ack.deadKeys.length + limit, (table, runId) =>
          acknowledge(table, runId, { ...ack, limit }),
        );
      } catch (error) {
        if (limit <= 1 || !isMillraceError(error) || error.code !== 'MILLRACE_FRONT_UNAVAILABLE') throw error;
      }
    }
  }

  async header(lane: number): ReturnType<LaneFront['header']> {
    return this.#view(lane, (table) => ({ header: table.readHeader(), current: table.isCurrent() }));
  }

  async recover(lane: number, recovery: Parameters<LaneFront['recover']>[1]): ReturnType<LaneFront['recover']> {
    this.#checkOpen();
    const { lanes, shape = '', random } = this.#attachment;
    const incarnation = random.token();
    return this.#lanes.step(lane, 1, (table, runId) =>
      recover(table, { ...recovery, lanes, shape, runId, incarnation }),
    );
  }

  async confirm(lane: number, epoch: number): ReturnType<LaneFront['confirm']> {
    this.#checkOpen();
    return this.#lanes.step(lane, 1, (table, runId) => confirm(table, runId, epoch));
  }

  /** What a recovery forgets is gone with it. */
  swept(): Promise<void> {
    return Promise.resolve();
  }

  async adopt(lane: number): ReturnType<LaneFront['adopt']> {
    this.#checkOpen();
    const { lanes, random } = this.#attachment;
    const incarnation = random.token();
    return this.#lanes.step(lane, 1, (table, runId) => adopt(table, { lanes, runId, incarnation }));
  }

  async sync(level: SyncLevel): Promise<void> {
    this.#checkOpen();
    await this.#lanes.sync(level);
  }

  async inspect(lane: number, key: string): ReturnType<LaneFront['inspect']> {
    return this.#view(lane, (table) => ({
      raw: traitsOf(this.#attachment.shape).isRanked ? table.scores.readWeight(key)?.toString() : table.readSlot(key),
      ttlMs: ttlOf(table, key),
      pending:
        table.hasPending(key) || table.readDelta(key) !== undefined || table.scores.readPending(key) !== undefined,
      inFlight:
        table.hasFlight(key) || table.readFlightDelta(key) !== undefined || table.scores.readFlight(key) !== undefined,
      header: table.readHeader(),
    }));
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#lanes.close());
  }

  #view<T>(lane: number, run: (table: EmbeddedTable, runId: string) => T): T {
    this.#checkOpen();
    return this.#lanes.view(lane, run);
  }

  async #step<T>(lane: number, keys: readonly string[], run: (table: LaneTable, env: LaneEnv) => T): Promise<T> {
    this.#checkOpen();
    // Before the step: one that failed half way could leave the half.
    this.#checkKeys(keys);
    return this.#lanes.step(lane, keys.length + 1, (table, runId) => run(table, envOf(table, runId)));
  }

  #checkKeys(keys: readonly string[]): void {
    for (const key of keys) {
      if (key.length * 3 <= KEY_BYTES_MAX && key !== '') continue;
      if (key !== '' && Buffer.byteLength(key) <= KEY_BYTES_MAX) continue;
      throw new MillraceError('MILLRACE_KEY', `a key has 1 to ${KEY_BYTES_MAX} bytes in UTF-8`, {
        cache: this.#attachment.cache,
        key,
      });
    }
  }

  #checkOpen(): void {
    if (this.#closed !== undefined)
      throw new MillraceError('MILLRACE_CLOSED', 'the cache is closed', { cache: this.#attachment.cache });
  }
}

/** The lane as it is, if it was recovered under the present run; otherwise an environment that no step accepts. */
function envOf(table: LaneTable, runId: string): LaneEnv {
  return { runId, incarnation: table.readHeader()?.incarnation ?? '' };
}

function ttlOf(table: LaneTable, key: string): number | undefined {
  const expiresAtMs = table.readExpiry(key);
  return expiresAtMs === undefined ? undefined : Math.max(0, expiresAtMs - table.nowMs);
}
