import { isSyncLevel } from '../core/acks.ts';
import { backoffMs } from '../core/backoff.ts';
import type { Flight } from '../core/lane.ts';
import { MillraceError } from '../errors.ts';
import type { ApplyResult, DeadMutation } from '../ports/store.ts';
import type { EngineContext } from './context.ts';
import type { FlushLane } from './flush-lane.ts';
import { GenerationReader, LaneTaken } from './generation-reader.ts';
import { faultOf, type LaneLeases } from './lane-leases.ts';
import { ACKNOWLEDGE_KEYS_MAX, type FlushSettings } from './settings.ts';
import { StoreHeldBack } from './store-breaker.ts';
import { rejection, type Watermark } from './watermark.ts';

/** A lane with the generation that it brings into a flush. */
interface Cut {
  readonly lane: FlushLane;
  readonly flight: Flight;
}

/**
 * One flush after the other of the lanes that it is given: cuts their generations, applies them in one transaction,
 * acknowledges them. After a fault the lanes keep their flight and say when it may be tried again.
 */
export class GenerationFlush {
  readonly #context: EngineContext;
  readonly #flush: FlushSettings;
  readonly #lanes: readonly FlushLane[];
  readonly #watermarks: readonly Watermark[];
  readonly #leases: LaneLeases;

  constructor(context: EngineContext, flush: FlushSettings, lanes: readonly FlushLane[], watermarks: readonly Watermark[], leases: LaneLeases) {
    this.#context = context;
    this.#flush = flush;
    this.#lanes = lanes;
    this.#watermarks = watermarks;
    this.#leases = leases;
  }

  /** Flushes lanes that are idle. Cuts are sent before it returns; never rejects. */
  async flush(lanes: readonly FlushLane[]): Promise<void> {
    const { clock } = this.#context;
    for (const lane of lanes) lane.become('flushing');
    const startedAt = clock.monotonic();
    try {
      const cuts = await this.#cut(lanes);
      const unstored = cuts.filter(({ flight }) => flight.state === 'cut');
      const stored = cuts.filter(({ flight }) => flight.state === 'stored');
      await Promise.all(stored.map((cut) => this.#acknowledgeOther(cut)));
      if (unstored.length > 0) await this.#store(unstored, startedAt);
    } catch (error) {
      this.#failed(lanes, error);
    } finally {
      for (const lane of lanes) if (lane.state === 'flushing') lane.become('idle');
    }
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
            this.#leases.stopLane(lane, new MillraceError('MILLRACE_LANE_STOPPED', `Lane ${lane.index} does not flush: ${result.reason}.`, { cache: this.#context.settings.name, lane: lane.index }));
            return undefined;
        }
      }),
    );
    const found = cuts.filter((cut) => cut !== undefined);
    const { ack } = this.#context.settings;
    if (isSyncLevel(ack)) {
      // What the store is told of must not be unknown to the front after what the level survives.
      await Promise.all(found.map(({ lane }) => front.sync(ack, lane.index)));
    }
    return found;
  }

  async #store(cuts: readonly Cut[], startedAt: number): Promise<void> {
    const { store, clock } = this.#context;
    const generations = cuts.map(({ lane, flight }) => ({
      lane: lane.index,
      epoch: lane.epoch,
      generation: flight.generation,
      fromSeq: lane.storedSeq + 1,
      cutSeq: flight.cutSeq,
      digest: flight.digest,
    }));
    const batches = new GenerationReader(this.#context, generations, this.#flush.batchSize);
    const result = await store.apply({ lanes: generations, batches });
    if (result.kind === 'fenced') {
      await this.#fenced(cuts, result);
      return;
    }
    this.#stored(cuts, result, batches.missing, clock.monotonic() - startedAt);
    await Promise.all(cuts.map((cut) => this.#acknowledge(cut, result.dead.filter(({ lane }) => lane === cut.lane.index))));
  }

  /** Tells listeners and counters of a commit. */
  #stored(cuts: readonly Cut[], result: Extract<ApplyResult, { kind: 'applied' }>, missing: ReadonlyMap<number, number>, durationMs: number): void {
    const { counts, events, clock } = this.#context;
    counts.flushes++;
    counts.statements += result.statements;
    counts.stored += result.rows;
    counts.dead += result.dead.length;
    let sinceMs = Number.POSITIVE_INFINITY;
    for (const { lane, flight } of cuts) {
      const lost = missing.get(lane.index) ?? 0;
      // Each seq between two cuts is a mutation; what is not an entry of the generation was replaced by a later one.
      counts.coalesced += Math.max(0, flight.cutSeq - 1 - lane.storedSeq - flight.entries);
      if (lost > 0) {
        counts.lost += lost;
        events.emit('loss', { lane: lane.index, count: lost, cause: 'value-removed' });
      }
      sinceMs = Math.min(sinceMs, flight.sinceMs);
    }
    for (const { lane, key, code, message } of result.dead) events.emit('dead-letter', { lane, key, code, message });
    events.emit('flush', {
      lanes: cuts.map(({ lane }) => lane.index),
      rows: result.rows,
      statements: result.statements,
      dead: result.dead.length,
      durationMs,
      lagMs: Math.max(0, clock.now() - sinceMs),
    });
  }

  async #fenced(cuts: readonly Cut[], result: Extract<ApplyResult, { kind: 'fenced' }>): Promise<void> {
    for (const { lane: index, verdict } of result.lanes) {
      const cut = cuts.find(({ lane }) => lane.index === index);
      if (cut === undefined) continue;
      // Applied: an earlier attempt was committed although its answer was lost.
      if (verdict === 'applied') await this.#acknowledgeOther(cut);
      else this.#leases.disown(cut.lane);
    }
  }

  /** Acknowledges a generation whose commit was answered to somebody else, or to nobody: the letters tell what was refused. */
  async #acknowledgeOther(cut: Cut): Promise<void> {
    await this.#acknowledge(cut, (await this.#context.store.deadLetters?.ofGeneration(cut.lane.index, cut.flight.generation)) ?? []);
  }

  /** Cleans a stored generation in bounded steps; its waiters learn of it after the first. */
  async #acknowledge({ lane, flight }: Cut, dead: readonly DeadMutation[]): Promise<void> {
    const { front, settings } = this.#context;
    const watermark = this.#watermark(lane);
    watermark.judge(lane.storedSeq + 1, flight.cutSeq, new Map(dead.map((row) => [row.key, this.#rejected(row)])));
    let deadKeys = dead.map(({ key }) => key);
    for (;;) {
      const result = await front.acknowledge(lane.index, {
        epoch: lane.epoch,
        generation: flight.generation,
        deadKeys,
        ttlMs: settings.ttlMs,
        limit: ACKNOWLEDGE_KEYS_MAX,
      });
      if (result.kind === 'refused') {
        this.#leases.disown(lane);
        return;
      }
      deadKeys = [];
      lane.storedSeq = result.header.storedSeq;
      lane.failures = 0;
      lane.lastError = undefined;
      watermark.observe(result.header);
      if (result.kind === 'done') {
        lane.hasFlight = false;
        return;
      }
    }
  }

  #rejected(row: DeadMutation): MillraceError {
    return rejection(this.#context.settings.name, row);
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
    counts.flushFailures++;
    const affected = lanes.filter((lane) => lane.state === 'flushing');
    const failures = Math.max(0, ...affected.map((lane) => lane.failures)) + 1;
    const retryInMs = Math.max(breaker.stats.retryInMs, backoffMs(failures, settings.retry.minDelayMs, settings.retry.maxDelayMs, random.fraction()));
    for (const lane of affected) {
      lane.failures = failures;
      lane.lastError = fault;
      lane.hasFlight = true;
      lane.retryAt = clock.monotonic() + retryInMs;
    }
    events.emit('flush-failed', { lanes: affected.map(({ index }) => index), error: fault, attempt: failures, retryInMs });
  }

  #watermark(lane: FlushLane): Watermark {
    return this.#watermarks[lane.index] as Watermark;
  }
}

/** The store passes on what its source of rows threw, as a cause. */
function laneTaken(error: unknown): LaneTaken | undefined {
  if (error instanceof LaneTaken) return error;
  return error instanceof Error && error.cause !== undefined ? laneTaken(error.cause) : undefined;
}
