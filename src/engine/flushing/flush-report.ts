import type { Flight } from '../../core/lane.ts';
import type { ApplyResult, DeadLetter, RefusedMutation } from '../../ports/store.ts';
import type { Surroundings } from '../base/context.ts';
import type { Cut, FlushLane } from './flush-lane.ts';

/**
 * Tells counters and listeners what became of generations, once of each: its acknowledgement may fail, and it is
 * flushed again.
 */
export class FlushReport {
  readonly #context: Surroundings;
  readonly #lanes: readonly FlushLane[];
  /** By lane, the digest of the last generation that was counted. */
  readonly #counted: string[] = [];

  constructor(context: Surroundings, lanes: readonly FlushLane[]) {
    this.#context = context;
    this.#lanes = lanes;
  }

  /** A flush was committed. `missing` are keys whose value somebody has removed from the front, by lane. */
  committed(
    cuts: readonly Cut[],
    result: Extract<ApplyResult, { kind: 'applied' }>,
    missing: ReadonlyMap<number, readonly string[]>,
    durationMs: number,
  ): void {
    const { counts, events, clock } = this.#context;
    counts.flushes++;
    counts.statements += result.statements;
    counts.stored += result.rows;
    counts.coalesced += result.superseded;
    let sinceMs = Number.POSITIVE_INFINITY;
    for (const { lane, flight } of cuts) {
      this.#counted[lane.index] = flight.digest;
      const lost = missing.get(lane.index)?.length ?? 0;
      counts.coalesced += coalescedIn(lane, flight);
      if (lost > 0) {
        counts.lost += lost;
        events.emit('loss', { lane: lane.index, count: lost, cause: 'value-removed' });
      }
      sinceMs = Math.min(sinceMs, flight.sinceMs);
    }
    this.#refused(result.refused);
    const dead = result.refused.filter(({ state }) => state === 'dead').length;
    events.emit('flush', {
      lanes: cuts.map(({ lane }) => lane.index),
      rows: result.rows,
      statements: result.statements,
      dead,
      waiting: result.refused.length - dead,
      durationMs,
      lagMs: Math.max(0, clock.now() - sinceMs),
    });
  }

  /** A generation turned out to be in the store; `refused` is what was refused of it. */
  found({ lane, flight }: Cut, refused: readonly DeadLetter[]): void {
    if (this.#counted[lane.index] === flight.digest) return;
    this.#counted[lane.index] = flight.digest;
    const { counts } = this.#context;
    counts.stored += Math.max(0, flight.entries - refused.length);
    counts.coalesced += coalescedIn(lane, flight);
    this.#refused(refused);
  }

  /** Tells of rows that have letters now. */
  #refused(refused: readonly (RefusedMutation | DeadLetter)[]): void {
    const { counts, events, clock } = this.#context;
    counts.rejected += refused.length;
    for (const { lane, key, code, message, state } of refused) {
      (this.#lanes[lane] as FlushLane).lettersChanged(clock.monotonic());
      if (state !== 'dead') continue;
      counts.dead++;
      events.emit('dead-letter', { lane, key, code, message });
    }
  }
}

/** Each seq between two cuts is a mutation; what is not an entry of the generation was replaced by a later one. */
const coalescedIn = (lane: FlushLane, flight: Flight): number =>
  Math.max(0, flight.cutSeq - 1 - lane.storedSeq - flight.entries);
