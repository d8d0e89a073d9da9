import type { AckLevel } from '../core/acks.ts';
import { laneOf } from '../core/lane-of.ts';
import { traitsOf } from '../core/shape.ts';
import { TOMBSTONE } from '../core/slot.ts';
import type { MillraceError } from '../errors.ts';
import { untilAborted } from './base/abort.ts';
import type { Background } from './base/background.ts';
import type { EngineContext } from './base/context.ts';
import type { Flusher } from './flushing/flusher.ts';
import type { LaneProgress } from './flushing/progress.ts';
import { Admission, type StepCounts } from './lanes/admission.ts';
import { type Receipt, STORED_RECEIPT } from './lanes/receipt.ts';
import type { Watermark } from './lanes/watermark.ts';
import { CounterWriters, LogWriters, ScoreWriters } from './shapes/ways.ts';
import { DirectWriter } from './writing/direct-writer.ts';
import { LaneWriter } from './writing/document-writer.ts';
import { WaitingRoom } from './writing/waiting-room.ts';
import type { StepHooks } from './writing/writer-hooks.ts';

/** What the ways into the front need of the rest of the engine. */
export interface WriterParts {
  readonly watermarks: readonly Watermark[];
  readonly flusher: Flusher | undefined;
  readonly progress: LaneProgress;
  readonly background: Background;
  readonly recover: (lane: number) => Promise<void>;
  /** Why nothing gets stored, for messages; undefined when flushes succeed. */
  readonly trouble: () => string | undefined;
}

/** All that writes in a cache: the ways in of its policy and shape, and the room in which writes wait. */
export class Writers {
  readonly #context: EngineContext;
  readonly #progress: LaneProgress;
  readonly #lanes: readonly LaneWriter[];
  readonly #admission: Admission;
  readonly #room: WaitingRoom;
  readonly #direct: DirectWriter | undefined;
  /** Of a cache that holds counters, a log, or a leaderboard. */
  readonly counters: CounterWriters | undefined;
  readonly log: LogWriters | undefined;
  readonly scores: ScoreWriters | undefined;

  constructor(context: EngineContext, { watermarks, flusher, progress, background, recover, trouble }: WriterParts) {
    this.#context = context;
    this.#progress = progress;
    const { settings } = context;
    const { shape } = settings;
    const writeBehind = settings.policy === 'write-behind';
    const admission = new Admission(settings.backpressure, watermarks);
    this.#admission = admission;
    const room = new WaitingRoom(context, admission, {
      waitForRoom: () => progress.untilFlushed(),
      send: (lane, writers) => (this.#lanes[lane] as LaneWriter).resume(writers),
      ask: (lane, writer) => (this.#lanes[lane] as LaneWriter).ask(writer),
      trouble,
    });
    const hooks: StepHooks = {
      stored: (position, key) => progress.stored(position, key),
      accepted: (lane, result) => flusher?.accepted(lane, result),
      recover,
      hurry: (lane) => progress.hurry(lane),
      newEpoch: (lane) => background.run(progress.observe(lane)),
      refreshOccupancy: () => progress.observeAll(),
      waitForRoom: () => progress.untilFlushed(),
      full: (lane, key, why) => room.full(lane, key, false, why),
    };
    this.#room = room;
    this.#lanes =
      writeBehind && shape === ''
        ? watermarks.map((watermark, lane) => new LaneWriter(context, lane, watermark, admission, room, hooks))
        : [];
    this.log = shape === 'log' ? new LogWriters(context, watermarks, admission, hooks) : undefined;
    this.scores = traitsOf(shape).isRanked ? new ScoreWriters(context, watermarks, admission, hooks) : undefined;
    this.counters =
      shape === '' || shape === 'log' || traitsOf(shape).isRanked
        ? undefined
        : new CounterWriters(context, watermarks, admission, hooks);
    this.#direct = writeBehind ? undefined : new DirectWriter(context, recover);
  }

  /** Writes, and resolves as `ack` promises. `json` undefined deletes. */
  write(
    key: string,
    json: string | undefined,
    ttlMs: number | undefined,
    ack: AckLevel,
    signal?: AbortSignal,
  ): Promise<Receipt> {
    if (this.#direct !== undefined)
      return untilAborted(
        this.#direct.write(key, json, ttlMs).then(() => STORED_RECEIPT),
        signal,
        this.#context.settings.name,
        key,
      );
    const writer = this.#lanes[laneOf(key, this.#context.settings.lanes)] as LaneWriter;
    if (ack === 'stored') return this.#untilStored(writer, key, json ?? TOMBSTONE, ttlMs, signal);
    return writer.write(key, json ?? TOMBSTONE, ttlMs, ack, signal);
  }

  async #untilStored(
    writer: LaneWriter,
    key: string,
    slot: string,
    ttlMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    await this.#progress.untilStored(await writer.write(key, slot, ttlMs, 'stored', signal), signal);
    return STORED_RECEIPT;
  }

  /** The steps of all lanes. */
  get steps(): StepCounts {
    return this.#admission.steps;
  }

  /** Resolves when every write that was asked for has been answered by the front. */
  async idle(): Promise<void> {
    do {
      await Promise.all([
        this.#direct?.idle(),
        this.counters?.idle(),
        this.log?.idle(),
        this.scores?.idle(),
        this.sent(),
        this.#room.idle(),
      ]);
      // What waited for room was sent when there was, and what waited behind it after that.
    } while (!this.#room.isEmpty || this.#lanes.some((writer) => !writer.isIdle));
  }

  /** Resolves when every write has been answered, or waits for room. */
  async sent(): Promise<void> {
    await Promise.all(this.#lanes.map((writer) => writer.idle()));
  }

  /** Turns away whoever waits for room, and whoever comes to. */
  turnAway(error: MillraceError): void {
    this.#room.close(error);
  }
}
