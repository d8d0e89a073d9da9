import { createHash } from 'node:crypto';
import type { SyncLevel } from '../../core/acks.ts';
import type { IncrementBatch, IncrementResult, LoadedTotals, TotalsResult } from '../../core/lane-deltas.ts';
import type { Acknowledgement, AcknowledgeResult, ClaimResult, CutResult, DeltasResult, EntriesResult, ReadResult } from '../../core/lane-flush.ts';
import type { AppendBatch, AppendResult } from '../../core/lane-log.ts';
import type { BoardRefusal, FillScoresResult, FlightScoresResult, LoadedScores, ScoreBatch, ScoreQuery, ScoreResult, ScoreRows } from '../../core/lane-scores.ts';
import type { AdoptResult, ConfirmResult, RecoverResult } from '../../core/lane-recover.ts';
import type { SlotsDone, SlotsResult } from '../../core/lane-slots.ts';
import type { WriteBatch, WriteResult } from '../../core/lane-write.ts';
import { bytesOf, entriesOf, isScores, type LaneHeader, type Shape, type Unrecovered } from '../../core/lane.ts';
import { NO_FILL, TOMBSTONE } from '../../core/slot.ts';
import { MillraceError } from '../../errors.ts';
import { UNRECOVERED, type Attachment, type LaneFront, type SlotReport } from '../../ports/front.ts';
import type { Acks } from './acks.ts';
import { replyCode, unavailable, withoutCommand } from './faults.ts';
import { GarbageCollector } from './garbage.ts';
import { headerOf, unexplained, type LaneSteps, type Reply } from './lane-steps.ts';
import { LaneReader } from './reader.ts';
import { fillScoresArgs, flightScoresPage, readScoresArgs, scoresFilled, scoresRead, scoresWritten, writeScoresArgs } from './score-steps.ts';
import type { ScriptName } from './scripts.ts';
import { appendArgs, appended, deltasPage, filled, incrementArgs, incremented, logPage, totalsArgs } from './shape-steps.ts';

type Raw = string | null;
interface OutOfMemory {
  readonly kind: 'full';
  readonly entries: number;
  readonly bytes: number;
  readonly room: 0;
}
const INCARNATION_LENGTH = 10;
const defined = (raw: unknown): string | undefined => (raw as Raw) ?? undefined;
const optional = (ms: number | undefined): string => (ms === undefined ? '' : String(ms));

/** One cache's lanes on Redis. Each step is one script, described at the function of the same name in `core/`. */
export class RedisLaneFront implements LaneFront {
  readonly #lanes: readonly LaneSteps[];
  readonly #attachment: Attachment;
  readonly #acks: Acks;
  readonly #garbage: GarbageCollector;
  readonly #reader: LaneReader;
  readonly #release: () => void;
  #closed = false;

  constructor(acks: Acks, attachment: Attachment, lanes: readonly LaneSteps[], release: () => void) {
    this.#acks = acks;
    this.#attachment = attachment;
    this.#lanes = lanes;
    this.#release = release;
    this.#garbage = new GarbageCollector(attachment.onWarning);
    this.#reader = new LaneReader(lanes);
  }

  read(lane: number, key: string): ReturnType<LaneFront['read']> {
    return this.#closed ? Promise.reject(this.#closedError()) : this.#reader.read(lane, key);
  }

  async readMany(lanes: readonly number[], keys: readonly string[]): ReturnType<LaneFront['readMany']> {
    this.#checkOpen();
    return this.#reader.readMany(lanes, keys);
  }

  #lane(lane: number): LaneSteps {
    this.#checkOpen();
    return this.#lanes[lane] as LaneSteps;
  }

  #checkOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  #closedError(): MillraceError {
    return new MillraceError('MILLRACE_CLOSED', 'the cache is closed', { cache: this.#attachment.cache });
  }

  /** Runs a step; a refusal of the server that is not an answer becomes a `MillraceError`. */
  async #step(lane: number, script: ScriptName, args: (incarnation: string, slots: string) => string[]): Promise<Reply> {
    try {
      return await this.#lane(lane).run(script, args);
    } catch (error) {
      throw this.#fault(lane, error);
    }
  }

  #fault(lane: number, error: unknown): unknown {
    if (error instanceof MillraceError) return error;
    const code = replyCode(error);
    const context = { cache: this.#attachment.cache, lane, cause: withoutCommand(error) };
    if (code === 'NOPERM' || code === 'NOAUTH') {
      return new MillraceError('MILLRACE_FRONT_SETTINGS', `the Redis user may not do what Millrace needs (${code}); the ACL must allow its scripts, keys and commands`, context);
    }
    // WRONGTYPE and ERR: somebody else wrote into the lane's keys, or a defect. Neither passes by itself.
    if (code === 'WRONGTYPE' || code === 'ERR') return new MillraceError('MILLRACE_INTERNAL', `a step was refused by the Redis server (${code})`, context);
    return unavailable('the Redis server refused a step; it was not executed', error);
  }

  async readWithTtl(lane: number, key: string): ReturnType<LaneFront['readWithTtl']> {
    const reply = await this.#step(lane, 'readWithTtl', (incarnation, slots) => [incarnation, slots + key]);
    if (reply[0] !== 'slot') return UNRECOVERED;
    return { raw: defined(reply[1]), ttlMs: ttlOf(reply[2]) };
  }

  /** Runs a step that takes mutations in; a server without memory is a full buffer. */
  async #accept(lane: number, script: ScriptName, args: (incarnation: string, slots: string) => string[]): Promise<Reply | OutOfMemory | Unrecovered> {
    try {
      return await this.#lane(lane).run(script, args);
    } catch (error) {
      if (replyCode(error) === 'OOM') return this.#outOfMemory(lane);
      throw this.#fault(lane, error);
    }
  }

  async increment(lane: number, batch: IncrementBatch): Promise<IncrementResult> {
    const reply = await this.#accept(lane, 'increment', (incarnation, slots) => incrementArgs(batch, incarnation, slots));
    return 'kind' in reply ? reply : incremented(reply, batch);
  }

  async fillTotals(lane: number, loaded: LoadedTotals): Promise<TotalsResult> {
    return filled(await this.#step(lane, 'fillTotals', (incarnation, slots) => totalsArgs(loaded, incarnation, slots)), loaded);
  }

  async append(lane: number, batch: AppendBatch): Promise<AppendResult> {
    const reply = await this.#accept(lane, 'append', (incarnation) => appendArgs(batch, incarnation));
    return 'kind' in reply ? reply : appended(reply, batch);
  }

  async writeScores(lane: number, batch: ScoreBatch): Promise<ScoreResult> {
    const reply = await this.#accept(lane, 'writeScores', (incarnation) => writeScoresArgs(batch, incarnation));
    return 'kind' in reply ? reply : scoresWritten(reply, batch);
  }

  async fillScores(lane: number, loaded: LoadedScores): Promise<FillScoresResult> {
    return scoresFilled(await this.#step(lane, 'fillScores', (incarnation) => fillScoresArgs(loaded, incarnation)), loaded);
  }

  async readScores(lane: number, shape: Shape, query: ScoreQuery): Promise<ScoreRows | BoardRefusal> {
    return scoresRead(await this.#step(lane, 'readScores', (incarnation) => readScoresArgs(shape, query, incarnation)), shape);
  }

  async write(lane: number, batch: WriteBatch): Promise<WriteResult> {
    const reply = await this.#accept(lane, 'write', (incarnation, slots) => writeArgs(batch, incarnation, slots));
    if ('kind' in reply) {
      if (reply.kind === 'unrecovered') return reply;
      return { kind: 'full', entries: reply.entries, bytes: reply.bytes, refused: batch.keys.map((_, i) => i), outOfMemory: true };
    }
    switch (reply[0]) {
      case 'accepted': {
        const [, seq, epoch, pending, entries, bytes] = reply as readonly [string, number, number, number, number, number];
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

  /** The server has no memory left: full, whatever the limits say, until something expires or is evicted. */
  async #outOfMemory(lane: number): Promise<OutOfMemory | Unrecovered> {
    const { header } = await this.header(lane);
    if (header === undefined) return { kind: 'unrecovered', header };
    return { kind: 'full', entries: entriesOf(header), bytes: bytesOf(header), room: 0 };
  }

  async beginFill(lane: number, keys: readonly string[], token: string, tokenMs: number): Promise<SlotsResult> {
    // Out of memory the reader goes to the store and fills nothing.
    return this.#slots(lane, 'beginFill', NO_FILL, keys, (incarnation, slots) => [incarnation, token, String(tokenMs), ...named(slots, keys)]);
  }

  async beginRefresh(lane: number, keys: readonly string[], token: string): Promise<SlotsResult> {
    return this.#slots(lane, 'beginRefresh', '', keys, (incarnation, slots) => [incarnation, token, ...named(slots, keys)]);
  }

  async endFill(lane: number, keys: readonly string[], token: string, loaded: readonly (string | undefined)[], ttlMs: number | undefined): Promise<SlotsResult> {
    return this.#slots(lane, 'endFill', '', keys, (incarnation, slots) => [
      incarnation,
      token,
      optional(ttlMs),
      ...keys.flatMap((key, i) => [slots + key, loaded[i] ?? '']),
    ]);
  }

  async #slots(lane: number, script: ScriptName, outOfMemory: string, keys: readonly string[], args: (incarnation: string, slots: string) => string[]): Promise<SlotsResult> {
    try {
      const reply = await this.#lane(lane).run(script, args);
      return reply[0] === 'slots' ? { kind: 'slots', slots: (reply[1] as Raw[]).map(defined) } : unrecovered(reply);
    } catch (error) {
      if (replyCode(error) !== 'OOM') throw this.#fault(lane, error);
      return { kind: 'slots', slots: keys.map(() => outOfMemory) };
    }
  }

  async beginIntent(lane: number, keys: readonly string[], token: string, intentMs: number): Promise<SlotsDone> {
    return done(await this.#step(lane, 'beginIntent', (incarnation, slots) => [incarnation, token, String(intentMs), ...named(slots, keys)]));
  }

  async finishIntent(
    lane: number,
    keys: readonly string[],
    token: string,
    committed: readonly (string | undefined)[],
    ttlMs: readonly (number | undefined)[],
  ): Promise<SlotsDone> {
    const args = (publish: boolean) => (incarnation: string, slots: string) => [
      incarnation,
      token,
      ...keys.flatMap((key, i) => [slots + key, (publish ? committed[i] : undefined) ?? '', optional(ttlMs[i])]),
    ];
    try {
      return done(await this.#lane(lane).run('finishIntent', args(true)));
    } catch (error) {
      if (replyCode(error) !== 'OOM') throw this.#fault(lane, error);
      return done(await this.#step(lane, 'finishIntentOutOfMemory', args(false)));
    }
  }

  async invalidate(lane: number, keys: readonly string[]): Promise<SlotsDone> {
    if (isScores(this.#attachment.shape)) return done(await this.#step(lane, 'doubtScores', (incarnation) => [incarnation, ...keys]));
    return done(await this.#step(lane, 'invalidate', (incarnation, slots) => [incarnation, ...named(slots, keys)]));
  }

  async claim(lane: number, owner: string, leaseMs: number): Promise<ClaimResult> {
    const reply = await this.#step(lane, 'claim', (incarnation) => [incarnation, owner, String(leaseMs)]);
    if (reply[0] !== 'claimed') return unrecovered(reply);
    return { kind: 'claimed', held: reply[1] === 1, header: mustHaveHeader(reply) };
  }

  async release(lane: number, owner: string): Promise<void> {
    await this.#step(lane, 'release', () => [owner]);
  }

  async requestFlush(lane: number): ReturnType<LaneFront['requestFlush']> {
    const reply = await this.#step(lane, 'requestFlush', (incarnation) => [incarnation]);
    if (reply[0] !== 'requested') return unrecovered(reply);
    const header = mustHaveHeader(reply);
    return { kind: 'requested', seq: header.seq, header };
  }

  async cut(lane: number, epoch: number, digest: string): Promise<CutResult> {
    const reply = await this.#step(lane, 'cut', (incarnation) => [incarnation, String(epoch), digest]);
    switch (reply[0]) {
      case 'cut': {
        const { flight } = mustHaveHeader(reply);
        if (flight === undefined) throw unexplained(reply);
        return { kind: 'cut', flight };
      }
      case 'empty': {
        const { storedSeq, seq } = mustHaveHeader(reply);
        return { kind: 'empty', storedSeq, seq };
      }
      case 'refused':
        return { kind: 'refused', epoch: reply[1] as number };
      case 'stopped':
        return { kind: 'stopped', reason: reply[1] as string };
      default:
        return unrecovered(reply);
    }
  }

  async readGeneration(lane: number, epoch: number, generation: number, cursor: string, limit: number): Promise<ReadResult> {
    const reply = await this.#step(lane, 'readGeneration', () => [String(epoch), String(generation), cursor === '' ? 'm0' : cursor, String(Math.max(1, limit))]);
    if (reply[0] === 'refused') return { kind: 'refused', epoch: reply[1] as number };
    const [, next, prefix, names, slots] = reply as readonly [string, string, number, string[], Raw[]];
    return { kind: 'rows', rows: names.map((name, i) => ({ key: name.slice(prefix), raw: slots[i] ?? undefined })), next };
  }

  async readDeltas(lane: number, epoch: number, generation: number, cursor: string, limit: number): Promise<DeltasResult> {
    return deltasPage(await this.#step(lane, 'readDeltas', () => [String(epoch), String(generation), cursor === '' ? '0' : cursor, String(Math.max(1, limit))]));
  }

  async readFlightScores(lane: number, epoch: number, generation: number, cursor: string, limit: number): Promise<FlightScoresResult> {
    return flightScoresPage(await this.#step(lane, 'readFlightScores', () => [String(epoch), String(generation), cursor === '' ? '0' : cursor, String(Math.max(1, limit))]));
  }

  async readLog(lane: number, epoch: number, generation: number, from: number, limit: number): Promise<EntriesResult> {
    return logPage(await this.#step(lane, 'readLog', () => [String(epoch), String(generation), String(from), String(from + limit - 1)]));
  }

  async acknowledge(lane: number, ack: Acknowledgement): Promise<AcknowledgeResult> {
    const reply = await this.#step(lane, 'acknowledge', () => [
      String(ack.epoch),
      String(ack.generation),
      optional(ack.ttlMs),
      String(ack.limit),
      ...ack.deadKeys,
    ]);
    if (reply[0] === 'refused') return { kind: 'refused', epoch: reply[1] as number };
    return { kind: reply[0] === 'done' ? 'done' : 'more', header: mustHaveHeader(reply) };
  }

  async header(lane: number): Promise<{ header: LaneHeader | undefined; current: boolean }> {
    const reply = await this.#step(lane, 'header', () => []);
    return { header: headerOf(reply), current: reply[2] === 1 };
  }

  /** Ten characters (60 bits) are enough for one lane, and each slot's name is that much shorter. Hashed: a token need not differ in its first ten. */
  #newIncarnation(): string {
    return createHash('sha1').update(this.#attachment.random.token()).digest('base64url').slice(0, INCARNATION_LENGTH);
  }

  async recover(lane: number, recovery: Parameters<LaneFront['recover']>[1]): Promise<RecoverResult> {
    const { fence, owner, leaseMs, tentative } = recovery;
    const incarnation = this.#newIncarnation();
    const fenceArgs = [fence.epoch, fence.generation, fence.seq].map(String);
    const epochs = (fence.epochs ?? []).map((start) => `${start.epoch}:${start.seq}`).join(',');
    const reply = await this.#step(lane, 'recover', () => [
      String(this.#lanes.length),
      incarnation,
      ...fenceArgs,
      fence.digest,
      owner,
      String(leaseMs),
      tentative === true ? '1' : '',
      epochs,
      this.#attachment.shape ?? '',
    ]);
    switch (reply[0]) {
      case 'created':
      case 'current':
      case 'behind':
        this.#garbage.collect(this.#lanes[lane] as LaneSteps);
        return { kind: reply[0], header: mustHaveHeader(reply), dropped: reply[2] as number };
      case 'lanes':
        return { kind: 'lanes', lanes: reply[1] as number };
      case 'refused':
        return { kind: 'refused', epoch: reply[1] as number };
      default:
        return { kind: 'stopped', reason: reply[1] as string };
    }
  }

  async confirm(lane: number, epoch: number): Promise<ConfirmResult> {
    const reply = await this.#step(lane, 'confirm', () => [String(epoch)]);
    return reply[0] === 'confirmed' ? { kind: 'confirmed', header: mustHaveHeader(reply) } : { kind: 'refused', epoch: reply[1] as number };
  }

  async adopt(lane: number): Promise<AdoptResult> {
    const incarnation = this.#newIncarnation();
    const reply = await this.#step(lane, 'adopt', () => [String(this.#lanes.length), incarnation]);
    switch (reply[0]) {
      case 'lanes':
        return { kind: 'lanes', lanes: reply[1] as number };
      case 'pending':
        return { kind: 'pending', entries: reply[1] as number };
      default:
        this.#garbage.collect(this.#lanes[lane] as LaneSteps);
        return { kind: 'adopted', header: mustHaveHeader(reply) };
    }
  }

  async sync(level: SyncLevel, lane: number): Promise<void> {
    const steps = this.#lane(lane);
    try {
      await this.#acks.sync(steps.server, level, `${steps.prefix}sync`);
    } catch (error) {
      const fault = error instanceof Error && (error instanceof MillraceError || replyCode(error) === undefined) ? error.message : `the Redis server refused to confirm it (${replyCode(error)})`;
      throw new MillraceError('MILLRACE_ACK', `not confirmed as '${level}': ${fault}. The front has it as 'buffered'.`, { cache: this.#attachment.cache, lane, cause: withoutCommand(error) });
    }
  }

  async inspect(lane: number, key: string): Promise<SlotReport> {
    const reply = await this.#step(lane, isScores(this.#attachment.shape) ? 'inspectScore' : 'inspect', () => [key]);
    return { raw: defined(reply[1]), ttlMs: ttlOf(reply[2]), pending: reply[3] === 1, inFlight: reply[4] === 1, header: headerOf(reply) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#garbage.close();
    this.#release();
  }
}

function writeArgs(batch: WriteBatch, incarnation: string, slotPrefix: string): string[] {
  const { keys, slots, ttls } = batch;
  const n = keys.length;
  const own = ttls === undefined ? [] : [...ttls].filter(([i]) => i < n);
  const numbers = [batch.accepted, n, batch.maxEntries, batch.maxBytes, slots.reduce((sum, slot) => (slot === TOMBSTONE ? sum + 1 : sum), 0), own.length];
  const args = [incarnation, ...numbers.map(String)];
  for (let i = 0; i < n; i++) args.push(slotPrefix + (keys[i] as string), slots[i] as string);
  for (const [i, ttlMs] of own) args.push(slotPrefix + (keys[i] as string), String(ttlMs));
  return args;
}

const named = (slotPrefix: string, keys: readonly string[]): string[] => keys.map((key) => slotPrefix + key);

const ttlOf = (ms: unknown): number | undefined => ((ms as number) >= 0 ? (ms as number) : undefined);

function unrecovered(reply: Reply): Unrecovered {
  if (reply[0] !== 'unrecovered') throw unexplained(reply);
  return { kind: 'unrecovered', header: headerOf(reply) };
}

const done = (reply: Reply): SlotsDone => (reply[0] === 'done' ? { kind: 'done' } : unrecovered(reply));

function mustHaveHeader(reply: Reply): LaneHeader {
  const header = headerOf(reply);
  if (header === undefined) throw unexplained(reply);
  return header;
}
