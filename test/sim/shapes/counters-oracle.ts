import type { LaneHeader } from '../../../src/core/lane.ts';
import type { IncrementBatch } from '../../../src/core/lane-deltas.ts';
import type { DeadLetter, Mutation } from '../../../src/ports/store.ts';
import { Versions } from '../oracle/versions.ts';
import type { SimTable } from '../sim-table.ts';
import type { Entry } from './entries.ts';
import { ShapeOracle } from './shape-oracle.ts';
import { Tally } from './tally.ts';

/** Whether the store refuses a row that goes up by this. */
export const isRefusedSum = (json: string): boolean => BigInt(json) % 17n === 0n;

/**
 * So many increments at the same time come to too many totals to tell any by: one that waits long for room has dozens
 * beside it.
 */
const OTHERS_MAX = 8;

/**
 * By what the front's total may differ: by a sum that was refused, with its sign turned by one that was stored on a
 * later try, or by what a store that was restored has lost.
 */
interface Ghost {
  readonly key: string;
  readonly lane: number;
  readonly sum: bigint;
  /**
   * Of the generation that was refused, with which it is over; others are over when the front has forgotten the total.
   */
  readonly cutSeq: number | undefined;
  readonly fromStep: number;
  untilStep: number;
}

/** An increment step that the front executed, of one key. */
interface Executed {
  readonly process: string;
  readonly key: string;
  readonly step: number;
  /** The key's total after it. */
  readonly total: bigint;
}

/**
 * Knows the total of every counter at every step: what the store has, and what the front has that the store does not.
 * The front and every reader must find just that, but for sums that were refused or stored on a later try a moment ago.
 */
export class CountersOracle extends ShapeOracle {
  readonly #step: () => number;
  readonly #totals = new Map<string, bigint>();
  readonly #versions = new Versions();
  readonly #ghosts: Ghost[] = [];
  readonly #executed: Executed[] = [];
  readonly tally = new Tally(this.findings);

  constructor(lanes: number, entriesMax: number, step: () => number) {
    super(lanes, entriesMax);
    this.#step = step;
  }

  #total(key: string): bigint {
    return this.#totals.get(key) ?? 0n;
  }

  #became(key: string, total: bigint): void {
    this.#totals.set(key, total);
    this.#versions.became(key, String(total), this.#step());
  }

  override incremented(
    lane: number,
    { keys, sums, accepted }: IncrementBatch,
    epoch: number,
    seq: number,
    process: string,
  ): void {
    keys.forEach((key, i) => {
      const sum = sums[i] as bigint;
      this.history.executed({
        lane,
        key,
        json: String(sum),
        epoch,
        fromSeq: seq - accepted + 1,
        seq,
        fate: 'pending',
        wasDead: false,
      });
      this.tally.executed(process, key, sum);
      this.#became(key, this.#total(key) + sum);
      this.#executed.push({ process, key, step: this.#step(), total: this.#total(key) });
    });
  }

  override rewound(before: readonly SimTable[], tables: readonly SimTable[]): void {
    super.rewound(before, tables);
    for (const key of this.#totals.keys()) {
      const lane = this.laneOfKey(key);
      const pending = this.history.pending(lane).filter((entry) => entry.key === key);
      this.#became(
        key,
        pending.reduce((sum, { json }) => sum + BigInt(json), this.#stored(key)),
      );
      // The front may be as it was before it heard what became of a sum.
      const storedSeq = tables[lane]?.header?.storedSeq ?? 0;
      for (const ghost of this.#ghosts)
        if (ghost.key === key && (ghost.cutSeq ?? storedSeq) >= storedSeq) ghost.untilStep = Number.POSITIVE_INFINITY;
    }
  }

  override invalidated(keys: readonly string[]): void {
    for (const ghost of this.#ghosts)
      if (ghost.cutSeq === undefined && keys.includes(ghost.key))
        ghost.untilStep = Math.min(ghost.untilStep, this.#step());
  }

  override copy(): () => void {
    const restore = super.copy();
    return () => {
      restore();
      for (const [key, total] of this.#totals) {
        const sum = total - this.#stored(key);
        if (sum !== 0n)
          this.#ghosts.push({
            key,
            lane: this.laneOfKey(key),
            sum,
            cutSeq: undefined,
            fromStep: this.#step(),
            untilStep: Number.POSITIVE_INFINITY,
          });
        this.#became(key, this.#stored(key));
      }
    };
  }

  protected override forgotten(lane: number): void {
    for (const ghost of this.#ghosts)
      if (ghost.lane === lane && ghost.cutSeq === undefined) ghost.untilStep = Math.min(ghost.untilStep, this.#step());
  }

  #stored(key: string): bigint {
    return BigInt(this.rows.get(key) ?? 0);
  }

  protected store(lane: number, taken: readonly Entry[], cutSeq: number): void {
    const sums = new Map<string, Entry[]>();
    for (const entry of taken) sums.set(entry.key, [...(sums.get(entry.key) ?? []), entry]);
    for (const [key, entries] of sums) {
      const sum = entries.reduce((all, { json }) => all + BigInt(json), 0n);
      // What the front had lost comes back with a late commit.
      const back = entries.filter(({ fate }) => fate === 'lost').reduce((all, { json }) => all + BigInt(json), 0n);
      const isRefused = isRefusedSum(String(sum));
      for (const entry of entries) entry.fate = isRefused ? 'refused' : 'stored';
      if (isRefused) {
        this.refusals++;
        this.#ghosts.push({ key, lane, sum, cutSeq, fromStep: this.#step(), untilStep: Number.POSITIVE_INFINITY });
        this.#became(key, this.#total(key) + back - sum);
      } else {
        this.rows.set(key, String(this.#stored(key) + sum));
        if (back !== 0n) this.#became(key, this.#total(key) + back);
      }
    }
  }

  protected storeLate({ lane, key, json }: DeadLetter, entries: readonly Entry[]): void {
    const sum = entries.reduce((all, entry) => all + BigInt(entry.json), 0n);
    if (String(sum) !== json) this.findings.fail(3, `the letter of ${key} has ${json}, and not ${sum}`);
    this.rows.set(key, String(this.#stored(key) + sum));
    this.#became(key, this.#total(key) + sum);
    this.#ghosts.push({
      key,
      lane,
      sum: -sum,
      cutSeq: undefined,
      fromStep: this.#step(),
      untilStep: Number.POSITIVE_INFINITY,
    });
  }

  checkBatches(batches: readonly (readonly Mutation[])[]): void {
    const keys = batches.flat().map(({ key }) => key);
    if (new Set(keys).size < keys.length) this.findings.fail(3, `a counter comes twice in a flush: ${keys.join(', ')}`);
  }

  protected laneOfRow(key: string): number {
    return this.laneOfKey(key);
  }

  protected entriesIn(table: SimTable): number {
    return table.shapes.counters.pending.size;
  }

  protected checkLane(lane: number, table: SimTable, { storedSeq, flight }: LaneHeader, isCurrent: boolean): void {
    if (!isCurrent) return;
    for (const ghost of this.#ghosts) {
      if (
        ghost.lane === lane &&
        ghost.untilStep === Number.POSITIVE_INFINITY &&
        ghost.cutSeq !== undefined &&
        storedSeq >= ghost.cutSeq &&
        flight?.cutSeq !== ghost.cutSeq
      )
        ghost.untilStep = this.#step();
    }
    for (const key of table.slots.keys()) {
      const raw = table.readSlot(key);
      if (raw === undefined) continue;
      const possible = this.#possible(key, [this.#total(key)], this.#step());
      if (!possible.has(BigInt(raw)))
        this.findings.fail(3, `the front has ${raw} as the total of ${key}, which is ${[...possible].join(' or ')}`);
    }
  }

  /** Totals of a key, each with and without what was refused since a step and may still be counted. */
  #possible(key: string, totals: readonly bigint[], fromStep: number): Set<bigint> {
    const ghosts = this.#ghosts.filter((ghost) => ghost.key === key && ghost.untilStep >= fromStep);
    let possible = new Set(totals);
    for (const { sum } of ghosts) possible = new Set([...possible].flatMap((total) => [total, total + sum]));
    return possible;
  }

  /** A read that began at `fromStep` gave this total. */
  checkTotal(process: string, key: string, total: bigint, fromStep: number): void {
    const had = this.#versions.between(key, fromStep, this.#step()).map((text) => BigInt(text ?? 0));
    const possible = this.#possible(key, had, fromStep);
    if (!possible.has(total))
      this.findings.fail(
        6,
        `${process} read ${total} for ${key} since step ${fromStep}; it was ${[...possible].join(' or ')}`,
      );
  }

  /**
   * An increment that began at `fromStep` was told this total, which is the one after it and before `others` of its
   * process that went along with it.
   */
  checkIncremented(process: string, key: string, total: bigint, fromStep: number, others: readonly bigint[]): void {
    if (others.length > OTHERS_MAX) return;
    const after = this.#executed
      .filter((one) => one.process === process && one.key === key && one.step >= fromStep)
      .map((one) => one.total);
    let possible = this.#possible(key, after, fromStep);
    for (const by of others) possible = new Set([...possible].flatMap((sum) => [sum, sum - by]));
    if (!possible.has(total))
      this.findings.fail(
        6,
        `${process} was told ${total} after its increment of ${key} since step ${fromStep}; ` +
          `it was ${[...possible].join(' or ')}`,
      );
  }

  /** Nothing changes any more. */
  checkSettled(key: string, total: bigint): void {
    if (total !== this.#stored(key))
      this.findings.fail(6, `at the end ${key} is read as ${total}, and stored as ${this.#stored(key)}`);
  }
}
