import { createHash } from 'node:crypto';
import type { SyncLevel } from '../../core/acks.ts';
import type { LaneHeader } from '../../core/lane.ts';
import type {
  Acknowledgement,
  AcknowledgeResult,
  ClaimResult,
  CutResult,
  GenerationRow,
  ReadResult,
} from '../../core/lane-flush.ts';
import type { AdoptResult, ConfirmResult, RecoverResult } from '../../core/lane-recover.ts';
import type { SlotsDone, SlotsResult } from '../../core/lane-slots.ts';
import type { WriteBatch, WriteResult } from '../../core/lane-write.ts';
import { traitsOf } from '../../core/shape.ts';
import { NO_FILL } from '../../core/slot.ts';
import { MillraceError } from '../../errors.ts';
import type { Attachment, CommonFront, LaneFront, SlotReport } from '../../ports/front.ts';
import type { Acks } from './acks.ts';
import { replyCode, withoutCommand } from './faults.ts';
import {
  acknowledgeArgs,
  acknowledged,
  adopted,
  claimed,
  confirmed,
  generationPart,
  recoverArgs,
  recovered,
  requested,
  wasCut,
} from './flush-steps.ts';
import { GarbageCollector } from './garbage.ts';
import { headerOf, type LaneSteps } from './lane-steps.ts';
import { LaneReader } from './reader.ts';
import { shapeFronts } from './shape-fronts.ts';
import {
  done,
  endFillArgs,
  finishIntentArgs,
  inspected,
  inspectScript,
  named,
  slotWithTtl,
  writeArgs,
  written,
} from './slot-steps.ts';
import { StepRunner } from './step-runner.ts';

const INCARNATION_LENGTH = 10;

/** One cache's lanes on Redis: the steps that every shape has, and those of each. */
export function redisFrontOf(parts: RedisFrontParts): LaneFront {
  const steps = new StepRunner(parts.attachment.cache, parts.lanes);
  return Object.assign(new RedisLaneFront(steps, parts), shapeFronts(steps));
}

export interface RedisFrontParts {
  readonly acks: Acks;
  readonly attachment: Attachment;
  readonly lanes: readonly LaneSteps[];
  /** Lets go of the connections. */
  readonly release: () => void;
}

/** The steps that every shape has. Each is one script, described at the function of the same name in `core/`. */
class RedisLaneFront implements CommonFront {
  readonly #steps: StepRunner;
  readonly #attachment: Attachment;
  readonly #acks: Acks;
  readonly #garbage: GarbageCollector;
  readonly #reader: LaneReader;
  readonly #release: () => void;

  constructor(steps: StepRunner, { acks, attachment, lanes, release }: RedisFrontParts) {
    this.#acks = acks;
    this.#attachment = attachment;
    this.#steps = steps;
    this.#release = release;
    this.#garbage = new GarbageCollector(attachment.onWarning);
    this.#reader = new LaneReader(lanes);
  }

  read(lane: number, key: string): ReturnType<LaneFront['read']> {
    return this.#steps.isClosed ? Promise.reject(this.#steps.closedError()) : this.#reader.read(lane, key);
  }

  async readMany(lanes: readonly number[], keys: readonly string[]): ReturnType<LaneFront['readMany']> {
    this.#steps.checkOpen();
    return this.#reader.readMany(lanes, keys);
  }

  async readWithTtl(lane: number, key: string): ReturnType<LaneFront['readWithTtl']> {
    return slotWithTtl(await this.#steps.run(lane, 'readWithTtl', (incarnation, slots) => [incarnation, slots + key]));
  }

  async write(lane: number, batch: WriteBatch): Promise<WriteResult> {
    const reply = await this.#steps.accept(lane, 'write', batch.keys.length, (incarnation, slots) =>
      writeArgs(batch, incarnation, slots),
    );
    return 'kind' in reply ? reply : written(reply);
  }

  async beginFill(lane: number, keys: readonly string[], token: string, tokenMs: number): Promise<SlotsResult> {
    // Out of memory the reader goes to the store and fills nothing.
    return this.#steps.slots(lane, {
      script: 'beginFill',
      keys,
      outOfMemory: NO_FILL,
      args: (incarnation, slots) => [incarnation, token, String(tokenMs), ...named(slots, keys)],
    });
  }

  async beginRefresh(lane: number, keys: readonly string[], token: string): Promise<SlotsResult> {
    return this.#steps.slots(lane, {
      script: 'beginRefresh',
      keys,
      outOfMemory: '',
      args: (incarnation, slots) => [incarnation, token, ...named(slots, keys)],
    });
  }

  async endFill(
    lane: number,
    keys: readonly string[],
    token: string,
    loaded: readonly (string | undefined)[],
    ttlMs: number | undefined,
  ): Promise<SlotsResult> {
    return this.#steps.slots(lane, {
      script: 'endFill',
      keys,
      outOfMemory: '',
      args: endFillArgs({ keys, token, loaded, ttlMs }),
    });
  }

  async beginIntent(lane: number, keys: readonly string[], token: string, intentMs: number): Promise<SlotsDone> {
    return done(
      await this.#steps.run(lane, 'beginIntent', (incarnation, slots) => [
        incarnation,
        token,
        String(intentMs),
        ...named(slots, keys),
      ]),
    );
  }

  async finishIntent(
    lane: number,
    keys: readonly string[],
    token: string,
    committed: readonly (string | undefined)[],
    ttlMs: readonly (number | undefined)[],
  ): Promise<SlotsDone> {
    try {
      return done(await this.#steps.of(lane).run('finishIntent', finishIntentArgs({ keys, token, committed, ttlMs })));
    } catch (error) {
      if (replyCode(error) !== 'OOM') throw this.#steps.fault(lane, error);
      return done(
        await this.#steps.run(lane, 'finishIntentOutOfMemory', finishIntentArgs({ keys, token, committed: [], ttlMs })),
      );
    }
  }

  async invalidate(lane: number, keys: readonly string[]): Promise<SlotsDone> {
    if (traitsOf(this.#attachment.shape).isRanked)
      return done(await this.#steps.run(lane, 'doubtScores', (incarnation) => [incarnation, ...keys]));
    return done(
      await this.#steps.run(lane, 'invalidate', (incarnation, slots) => [incarnation, ...named(slots, keys)]),
    );
  }

  async claim(lane: number, owner: string, leaseMs: number): Promise<ClaimResult> {
    return claimed(await this.#steps.run(lane, 'claim', (incarnation) => [incarnation, owner, String(leaseMs)]));
  }

  async release(lane: number, owner: string): Promise<void> {
    await this.#steps.run(lane, 'release', () => [owner]);
  }

  async requestFlush(lane: number): ReturnType<LaneFront['requestFlush']> {
    return requested(await this.#steps.run(lane, 'requestFlush', (incarnation) => [incarnation]));
  }

  async cut(lane: number, epoch: number, digest: string): Promise<CutResult> {
    return wasCut(await this.#steps.run(lane, 'cut', (incarnation) => [incarnation, String(epoch), digest]));
  }

  /** Values that are too long for one step are fetched by further ones. */
  async readGeneration(
    lane: number,
    epoch: number,
    generation: number,
    cursor: string,
    limit: number,
  ): Promise<ReadResult> {
    const rows: GenerationRow[] = [];
    let [next, rest]: [string, readonly string[]] = [cursor === '' ? 'm0' : cursor, []];
    do {
      const part = generationPart(
        await this.#steps.run(lane, 'readGeneration', () => [
          String(epoch),
          String(generation),
          next,
          String(Math.max(1, limit)),
          ...rest,
        ]),
      );
      if (part.kind === 'refused') return part;
      rows.push(...part.rows);
      ({ next, rest } = part);
    } while (rest.length > 0);
    return { kind: 'rows', rows, next };
  }

  async acknowledge(lane: number, ack: Acknowledgement): Promise<AcknowledgeResult> {
    return acknowledged(await this.#steps.run(lane, 'acknowledge', () => acknowledgeArgs(ack)));
  }

  async header(lane: number): Promise<{ header: LaneHeader | undefined; current: boolean }> {
    const reply = await this.#steps.run(lane, 'header', () => []);
    return { header: headerOf(reply), current: reply[2] === 1 };
  }

  /**
   * Ten characters (60 bits) are enough for one lane, and each slot's name is that much shorter. Hashed: a token need
   * not differ in its first ten.
   */
  #newIncarnation(): string {
    return createHash('sha1').update(this.#attachment.random.token()).digest('base64url').slice(0, INCARNATION_LENGTH);
  }

  async recover(lane: number, recovery: Parameters<LaneFront['recover']>[1]): Promise<RecoverResult> {
    const incarnation = this.#newIncarnation();
    const result = recovered(
      await this.#steps.run(lane, 'recover', () =>
        recoverArgs(recovery, this.#steps.lanes, incarnation, this.#attachment.shape),
      ),
    );
    if ('dropped' in result) this.#garbage.collect(this.#steps.of(lane));
    return result;
  }

  /** Whoever has not heard of a new incarnation reads old slots as long as they are there. */
  async swept(lane: number): Promise<void> {
    try {
      await this.#garbage.sweep(this.#steps.of(lane));
    } catch (error) {
      throw this.#steps.fault(lane, error);
    }
  }

  async confirm(lane: number, epoch: number): Promise<ConfirmResult> {
    return confirmed(await this.#steps.run(lane, 'confirm', () => [String(epoch)]));
  }

  async adopt(lane: number): Promise<AdoptResult> {
    const incarnation = this.#newIncarnation();
    const steps = this.#steps.of(lane);
    const result = adopted(await this.#steps.run(lane, 'adopt', () => [String(this.#steps.lanes), incarnation]));
    if (result.kind === 'adopted') this.#garbage.collect(steps);
    return result;
  }

  async sync(level: SyncLevel, lane: number): Promise<void> {
    const steps = this.#steps.of(lane);
    try {
      await this.#acks.sync(steps.server, level, `${steps.prefix}sync`);
    } catch (error) {
      const fault =
        error instanceof Error && (error instanceof MillraceError || replyCode(error) === undefined)
          ? error.message
          : `the Redis server refused to confirm it (${replyCode(error)})`;
      throw new MillraceError(
        'MILLRACE_ACK',
        `not confirmed as '${level}': ${fault}. The front has it as 'buffered'.`,
        { cache: this.#attachment.cache, lane, cause: withoutCommand(error) },
      );
    }
  }

  async inspect(lane: number, key: string): Promise<SlotReport> {
    return inspected(await this.#steps.run(lane, inspectScript(this.#attachment.shape), () => [key]));
  }

  async close(): Promise<void> {
    this.#steps.close();
    this.#garbage.close();
    this.#release();
  }
}
