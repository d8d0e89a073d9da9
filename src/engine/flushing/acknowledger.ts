import type { DeadLetter, RefusedMutation } from '../../ports/store.ts';
import type { FrontSide, Surroundings } from '../base/context.ts';
import { ACKNOWLEDGE_KEYS_MAX } from '../base/settings.ts';
import type { Watermark } from '../lanes/watermark.ts';
import type { Cut, FlushLane } from './flush-lane.ts';
import type { LaneLeases } from './lane-leases.ts';

/** Tells the front which generations the store has, and the waiters of this process with it. */
export class Acknowledger {
  readonly #context: Surroundings & FrontSide;
  readonly #watermarks: readonly Watermark[];
  readonly #leases: LaneLeases;

  constructor(context: Surroundings & FrontSide, watermarks: readonly Watermark[], leases: LaneLeases) {
    this.#context = context;
    this.#watermarks = watermarks;
    this.#leases = leases;
  }

  /**
   * A generation begins after what is stored, and an answer that was lost may have told how much that is. It is asked
   * for again until an acknowledgement is answered: the one that was not can still arrive after the header was read.
   */
  async learnStoredSeq(lane: FlushLane): Promise<void> {
    if (lane.isStoredSeqKnown) return;
    const { header, current } = await this.#context.front.header(lane.index);
    if (header === undefined || !current) return;
    lane.storedSeq = header.storedSeq;
  }

  /** Cleans a stored generation in bounded steps; its waiters learn of it after the first. */
  async acknowledge(
    { lane, flight }: Cut,
    refused: readonly (RefusedMutation | DeadLetter)[],
    missing: readonly string[] = [],
  ): Promise<void> {
    const { front, settings } = this.#context;
    const watermark = this.#watermarks[lane.index] as Watermark;
    watermark.judge(lane.storedSeq + 1, flight.cutSeq, refused, missing);
    const dead = refused.map(({ key }) => key);
    for (let from = 0; ; from += ACKNOWLEDGE_KEYS_MAX) {
      lane.isStoredSeqKnown = false;
      const deadKeys = dead.slice(from, from + ACKNOWLEDGE_KEYS_MAX);
      const result = await front.acknowledge(lane.index, {
        epoch: lane.epoch,
        generation: flight.generation,
        deadKeys,
        ttlMs: settings.ttlMs,
        // What was refused is gone before the generation counts as stored.
        limit: from + ACKNOWLEDGE_KEYS_MAX < dead.length ? 0 : ACKNOWLEDGE_KEYS_MAX,
      });
      if (result.kind === 'refused') {
        this.#leases.disown(lane);
        return;
      }
      lane.storedSeq = result.header.storedSeq;
      lane.isStoredSeqKnown = true;
      lane.failures = 0;
      lane.lastError = undefined;
      watermark.observe(result.header);
      if (result.kind === 'done') {
        lane.hasFlight = false;
        return;
      }
    }
  }
}
