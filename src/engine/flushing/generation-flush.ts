import { type AckLevel, isSyncLevel } from '../../core/acks.ts';
import { backoffMs } from '../../core/backoff.ts';
import type { Fence } from '../../core/lane.ts';
import type { Pace } from '../../core/pace.ts';
import { isMillraceError, MillraceError } from '../../errors.ts';
import type { ApplyResult, DeadLetter } from '../../ports/store.ts';
import { StoreHeldBack } from '../base/breaker.ts';
import type { EngineContext, StoreWith } from '../base/context.ts';
import type { Watermark } from '../lanes/watermark.ts';
import { Acknowledger } from './acknowledger.ts';
import type { Cut, FlushLane } from './flush-lane.ts';
import { FlushReport } from './flush-report.ts';
import { type GenerationPages, LaneTaken } from './generation-pages.ts';
import { GenerationReader } from './generation-reader.ts';
import { faultOf, type LaneLeases } from './lane-leases.ts';
import type { LetterRetry } from './letter-retry.ts';

/** The lanes that a flush has: not those that it lost, also when a later flush has them by now. */
type Held = () => readonly FlushLane[];

/**
 * One flush after the other of the lanes that it is given: cuts their generations, applies them in one transaction, has
 * them acknowledged ({@link Acknowledger}) and counted ({@link FlushReport}), and tries letters again that are due.
 * After a fault the lanes keep their flight and say when it may be tried again.
 */
export class GenerationFlush {
  readonly #context: EngineContext & StoreWith<'lanes'>;
  readonly #pace: Pace;
  readonly #lanes: readonly FlushLane[];
  readonly #leases: LaneLeases;
  readonly #letters: LetterRetry;
  readonly #pages: GenerationPages;
  readonly #acknowledger: Acknowledger;
  readonly #report: FlushReport;

  constructor({ context, pace, lanes, watermarks, leases, letters, pages }: GenerationFlushParts) {
    this.#context = context;
    this.#pace = pace;
    this.#lanes = lanes;
    this.#leases = leases;
    this.#letters = letters;
    this.#pages = pages;
    this.#acknowledger = new Acknowledger(context, watermarks, leases);
    this.#report = new FlushReport(context, lanes);
  }

  /** Flushes lanes that are idle. Cuts are sent before it returns; never rejects. */
  async flush(lanes: readonly FlushLane[]): Promise<void> {
    for (const lane of lanes) lane.become('flushing');
    const turns = new Map(lanes.map((lane) => [lane, lane.turn]));
    const held: Held = () => lanes.filter((lane) => lane.state === 'flushing' && lane.turn === turns.get(lane));
    const lettered = await this.#flushGenerations(held);
    for (const lane of lettered) await this.#retryLetters(lane, held);
  }

  /** Returns lanes whose letters are due, which are still held; the others are idle, and do not wait for them. */
  async #flushGenerations(held: Held): Promise<readonly FlushLane[]> {
    const { clock } = this.#context;
    const startedAt = clock.monotonic();
    let lettered: readonly FlushLane[] = [];
    try {
      const cuts = await this.#cut(held().filter(({ hasWork }) => hasWork));
      const unstored = cuts.filter(({ flight }) => flight.state === 'cut');
      const stored = cuts.filter(({ flight }) => flight.state === 'stored');
      await Promise.all(stored.map((cut) => this.#acknowledgeOther(cut)));
      if (unstored.length > 0) await this.#store(unstored, startedAt);
      const now = clock.monotonic();
      lettered = held().filter((lane) => !lane.hasFlight && lane.letters.dueAt <= now);
    } catch (error) {
      this.#failed(held(), error);
    }
    for (const lane of held()) if (!lettered.includes(lane)) lane.become('idle');
    return lettered;
  }

  async #retryLetters(lane: FlushLane, held: Held): Promise<void> {
    try {
      if (!(await this.#letters.retry(lane))) this.#leases.disown(lane);
    } catch (error) {
      this.#failed([lane], error);
    }
    if (held().includes(lane)) lane.become('idle');
  }

  async #cut(lanes: readonly FlushLane[]): Promise<Cut[]> {
    const { front, random } = this.#context;
    const cuts = await Promise.all(
      lanes.map(async (lane): Promise<Cut | undefined> => {
        // Called in the same turn in which the flush was decided on: no write of this process comes between.
        const digest = random.token();
        const result = await front.cut(lane.index, lane.epoch, digest);
        switch (result.kind) {
          case 'cut':
            // A flight that was there before, because it failed, is not what has been written since.
            if (result.flight.digest === digest) lane.wasCut();
            lane.hasFlight = true;
            return { lane, flight: result.flight };
          case 'empty':
            lane.wasCut();
            lane.hasFlight = false;
            return undefined;
          case 'refused':
          case 'unrecovered':
            this.#leases.disown(lane);
            return undefined;
          case 'stopped':
            this.#leases.stopLane(
              lane,
              new MillraceError('MILLRACE_LANE_STOPPED', `Lane ${lane.index} does not flush: ${result.reason}.`, {
                cache: this.#context.settings.name,
                lane: lane.index,
              }),
            );
            return undefined;
        }
      }),
    );
    const found = cuts.filter((cut) => cut !== undefined);
    const { ack } = this.#context.settings;
    // What the store is told of must not be unknown to the front after what the level survives.
    if (isSyncLevel(ack))
      await Promise.all(
        found.map(({ lane }) =>
          front.sync(ack, lane.index).catch((error: unknown) => refuseUnlessReplicated(ack, error)),
        ),
      );
    return found;
  }

  async #store(cuts: readonly Cut[], startedAt: number): Promise<void> {
    const { store, clock } = this.#context;
    await Promise.all(cuts.map(({ lane }) => this.#acknowledger.learnStoredSeq(lane)));
    const generations = cuts.map(({ lane, flight }) => ({
      lane: lane.index,
      epoch: lane.epoch,
      generation: flight.generation,
      fromSeq: lane.storedSeq + 1,
      cutSeq: flight.cutSeq,
      digest: flight.digest,
      letters: lane.letters.any,
      entries: flight.entries,
    }));
    const batches = new GenerationReader(this.#pages, generations, this.#pace.batchSize);
    const result = await store.lanes.apply({ lanes: generations, batches, judge: this.#letters.judge });
    if (result.kind === 'fenced') {
      await this.#fenced(cuts, result);
      return;
    }
    const durationMs = clock.monotonic() - startedAt;
    this.#pace.flushed(result.rows, durationMs);
    this.#report.committed(cuts, result, batches.missing, durationMs);
    await Promise.all(
      cuts.map((cut) =>
        this.#acknowledger.acknowledge(
          cut,
          result.refused.filter(({ lane }) => lane === cut.lane.index),
          batches.missing.get(cut.lane.index),
        ),
      ),
    );
  }

  async #fenced(cuts: readonly Cut[], result: Extract<ApplyResult, { kind: 'fenced' }>): Promise<void> {
    for (const cut of cuts) {
      const fenced = result.lanes.find(({ lane }) => lane === cut.lane.index);
      if (fenced === undefined) continue;
      // Applied: an earlier attempt was committed although its answer was lost. Under a later epoch it may have been
      // somebody else's, who has counted it.
      if (fenced.verdict === 'applied' && (fenced.fence as Fence).epoch === cut.lane.epoch)
        await this.#acknowledgeUnanswered(cut);
      else if (fenced.verdict === 'applied') await this.#acknowledgeOther(cut);
      else this.#leases.disown(cut.lane);
    }
  }

  /**
   * Acknowledges a generation of this process whose commit was perhaps answered to nobody, so that nobody has counted
   * it.
   */
  async #acknowledgeUnanswered(cut: Cut): Promise<void> {
    const refused = await this.#lettersOf(cut);
    this.#report.found(cut, refused);
    await this.#acknowledger.acknowledge(cut, refused);
  }

  /** Acknowledges a generation whose commit was answered to somebody else. */
  async #acknowledgeOther(cut: Cut): Promise<void> {
    await this.#acknowledger.acknowledge(cut, await this.#lettersOf(cut));
  }

  /** What was refused of a generation: its letters tell. */
  async #lettersOf({ lane, flight }: Cut): Promise<DeadLetter[]> {
    return (await this.#context.store.lanes.deadLetters?.ofGeneration(lane.index, flight.generation)) ?? [];
  }

  #failed(lanes: readonly FlushLane[], error: unknown): void {
    const { breaker, counts, events, clock, random, settings } = this.#context;
    const taken = laneTaken(error);
    if (taken !== undefined) {
      this.#leases.disown(this.#lanes[taken.lane] as FlushLane);
      for (const lane of lanes) lane.hasFlight = true;
      return;
    }
    if (error instanceof StoreHeldBack) {
      // The breaker opened after the cut, and knows when it is worth another attempt.
      for (const lane of lanes) lane.hasFlight = true;
      return;
    }
    const fault = faultOf(error, settings.name);
    // The cache was closed over it; who takes the lane next goes on.
    if (fault.code === 'MILLRACE_CLOSED') return;
    // A refusal gets here only from a store that cannot keep dead letters.
    if (fault.code === 'MILLRACE_STORE_SCHEMA' || fault.code === 'MILLRACE_REJECTED') {
      for (const lane of lanes) this.#leases.stopLane(lane, fault);
      return;
    }
    this.#pace.failed();
    counts.flushFailures++;
    const failures = Math.max(0, ...lanes.map((lane) => lane.failures)) + 1;
    const backoff = backoffMs(failures, settings.retry.minDelayMs, settings.retry.maxDelayMs, random.fraction());
    const retryInMs = Math.max(breaker.stats.retryInMs, backoff);
    for (const lane of lanes) {
      lane.failures = failures;
      lane.lastError = fault;
      lane.hasFlight = true;
      // The breaker holds it back by itself, and changes its mind: while a probe is under way it could only say when
      // that is given up.
      lane.retryAt = clock.monotonic() + backoff;
    }
    events.emit('flush-failed', { lanes: lanes.map(({ index }) => index), error: fault, attempt: failures, retryInMs });
  }
}

/**
 * Without enough replicas the store is where a generation is safest: it goes on. A replica that is promoted without the
 * cut is behind the fence, and drops what it has cached; what it lacks was never acknowledged at the level, or is
 * stored.
 */
function refuseUnlessReplicated(ack: AckLevel, error: unknown): void {
  if (ack !== 'replicated' || !isMillraceError(error) || error.code !== 'MILLRACE_ACK') throw error;
}

/** The store passes on what its source of rows threw, as a cause. */
function laneTaken(error: unknown): LaneTaken | undefined {
  if (error instanceof LaneTaken) return error;
  return error instanceof Error && error.cause !== undefined ? laneTaken(error.cause) : undefined;
}

interface GenerationFlushParts {
  readonly context: EngineContext & StoreWith<'lanes'>;
  readonly pace: Pace;
  readonly lanes: readonly FlushLane[];
  readonly watermarks: readonly Watermark[];
  readonly leases: LaneLeases;
  readonly letters: LetterRetry;
  readonly pages: GenerationPages;
}
