import { backoffMs } from '../../core/backoff.ts';
import type { Fence, LaneHeader } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import type { EngineContext, StoreWith } from '../base/context.ts';
import type { Watermark } from '../lanes/watermark.ts';

/** Waits between attempts: the first is about as long as a recovery takes. */
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 500;
/** Recoveries of one lane by several processes overtake each other now and then; more often than this is a fault. */
const ATTEMPTS_MAX = 20;

/** A lane after a recovery. `isOurs`: the epoch is one that this process has raised, and so is the lease. */
export interface Recovered {
  readonly header: LaneHeader;
  readonly isOurs: boolean;
}

/**
 * Brings lanes in line with the store: raises the epoch there, so that whoever had the lane cannot commit any more,
 * then lets the front compare itself with the fence. One recovery of a lane at a time in a process.
 */
export class Recovery {
  readonly #context: EngineContext & StoreWith<'lanes'>;
  readonly #watermarks: readonly Watermark[];
  readonly #running = new Map<number, Promise<Recovered>>();

  constructor(context: EngineContext & StoreWith<'lanes'>, watermarks: readonly Watermark[]) {
    this.#context = context;
    this.#watermarks = watermarks;
  }

  /**
   * Recovers the lane, and takes its lease if this process flushes. Rejects with
   * MILLRACE_LANE_STOPPED, MILLRACE_LANES, or what front and store reject with.
   */
  recover(lane: number): Promise<Recovered> {
    let running = this.#running.get(lane);
    if (running === undefined) {
      running = this.#recover(lane).finally(() => this.#running.delete(lane));
      this.#running.set(lane, running);
    }
    return running;
  }

  /** Makes the lane take writes, without a recovery when another process has seen to it. */
  async ensure(lane: number): Promise<void> {
    const { header, current } = await this.#context.front.header(lane);
    if (current && header !== undefined) this.#watermark(lane).observe(header);
    else await this.recover(lane);
  }

  async #recover(lane: number): Promise<Recovered> {
    const { settings, front, events, owner } = this.#context;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      // Processes that recover a lane at the same time refute each other: apart, one of them gets through.
      if (attempt > 0)
        await this.#pause(backoffMs(attempt, PAUSE_MS_MIN, PAUSE_MS_MAX, this.#context.random.fraction()));
      const { header: before, current: recovered } = await front.header(lane);
      if (before === undefined) this.#watermark(lane).foundEmpty();
      if (attempt > 0 && recovered && before !== undefined) {
        // Somebody else was quicker; raising the epoch once more would only take the lane from him. A lease that we
        // took meanwhile does not make his epoch ours.
        this.#watermark(lane).observe(before);
        return { header: before, isOurs: false };
      }
      const fence = await this.#fence(lane, before);
      const result = await front.recover(lane, {
        fence,
        owner: settings.flush === undefined ? '' : owner,
        leaseMs: settings.flush?.leaseMs ?? 0,
        tentative: true,
      });
      if (result.kind === 'lanes') {
        throw new MillraceError(
          'MILLRACE_LANES',
          `Cache "${settings.name}" has ${result.lanes} lanes in the front, not ${settings.lanes}. Set lanes: ` +
            `${result.lanes}, or drain the cache and use a new name.`,
          { cache: settings.name },
        );
      }
      // Somebody raised the epoch after us and was quicker.
      if (result.kind === 'refused') continue;
      const header = await this.#confirm(lane, fence.epoch);
      if (header === undefined) continue;
      this.#watermark(lane).observe(header);
      if (result.kind === 'stopped') {
        const error = new MillraceError(
          'MILLRACE_LANE_STOPPED',
          `Lane ${lane} is stopped: ${result.reason}. Nothing was changed; an operator has to decide.`,
          { cache: settings.name, lane },
        );
        events.emit('stopped', { lane, error });
        throw error;
      }
      events.emit('recovered', { lane, epoch: header.epoch, outcome: result.kind, dropped: result.dropped });
      return { header, isOurs: header.owner === owner };
    }
    throw new MillraceError(
      'MILLRACE_FRONT_UNAVAILABLE',
      `Lane ${lane} changed hands ${ATTEMPTS_MAX} times while it was recovered; it will be tried again.`,
      { cache: settings.name, lane },
    );
  }

  /**
   * The store was restored, an operator says. The front forgets what is clean, which may be newer than the store's;
   * what is pending is kept. Where the store lost generations that the front knows as stored, the fence is moved to the
   * front; what was lost is counted, and reported as `loss`.
   */
  async acceptStoreRollback(lane: number): Promise<void> {
    const { front, store, settings } = this.#context;
    const { fences } = store.lanes;
    if (fences === undefined)
      throw new MillraceError(
        'MILLRACE_UNSUPPORTED',
        'A store without transactions has no fence that could be moved.',
        { cache: settings.name },
      );
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { header: before } = await front.header(lane);
      if (before === undefined) break;
      const fence = await fences.raiseEpoch(lane, before.epoch);
      // Before the fence is moved: from then on anybody may open the lane, and what comes into it then is the store's.
      await front.recover(lane, { fence, owner: '', leaseMs: 0, tentative: true, forget: true });
      const { header } = await front.header(lane);
      // Somebody else has raised the epoch, and may go on with it.
      if (header?.epoch !== fence.epoch) continue;
      const { flight } = header;
      const generation = flight?.state === 'cut' ? flight.generation - 1 : header.generation;
      if (fence.generation >= generation) break;
      if (await fences.moveFence(lane, fence.epoch, { generation, seq: header.storedSeq })) {
        this.#watermark(lane).gaveUp(header.storedSeq - fence.seq);
        break;
      }
    }
    // One that is under way may have seen the fence where it was.
    await this.#running.get(lane)?.catch(() => undefined);
    await this.recover(lane);
    // At the end, because nobody may have the lane stopped for as long as this takes.
    await front.swept(lane);
  }

  /**
   * Opens the lane, if the epoch is still the last: the fence that it was recovered with may have been old by then (a
   * process can be suspended between any two steps), and a front without a memory of its own cannot tell. The store
   * records where the epoch begins, because a front that is emptied once more forgets it. Undefined: begin again.
   */
  async #confirm(lane: number, epoch: number): Promise<LaneHeader | undefined> {
    const { front, store } = this.#context;
    const { header, current } = await front.header(lane);
    if (header === undefined || header.epoch !== epoch) return undefined;
    if (current) return header;
    const { fences } = store.lanes;
    if (fences !== undefined && !(await fences.beginEpoch(lane, epoch, header.epochs))) return undefined;
    const confirmed = await front.confirm(lane, epoch);
    return confirmed.kind === 'confirmed' ? confirmed.header : undefined;
  }

  /** The store issues epochs. One without transactions cannot: there the front's own count has to do. */
  async #fence(lane: number, header: LaneHeader | undefined): Promise<Fence> {
    const { fences } = this.#context.store.lanes;
    // A store that was restored, or lost the lane's row, begins at an epoch that the front has left behind.
    if (fences !== undefined) return fences.raiseEpoch(lane, header?.epoch);
    if (header === undefined) return { epoch: 1, generation: 0, seq: 0, digest: '' };
    const generation = header.flight?.state === 'cut' ? header.flight.generation - 1 : header.generation;
    return { epoch: header.epoch + 1, generation, seq: header.storedSeq, digest: '', epochs: header.epochs };
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#context.clock.after(ms, resolve, true));
  }

  #watermark(lane: number): Watermark {
    return this.#watermarks[lane] as Watermark;
  }
}
