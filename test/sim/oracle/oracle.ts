import type { Fence, LaneHeader } from '../../../src/core/lane.ts';
import { laneOf } from '../../../src/core/lane-of.ts';
import type { WriteBatch } from '../../../src/core/lane-write.ts';
import { isValue, TOMBSTONE } from '../../../src/core/slot.ts';
import type { DeadLetter, LaneGeneration, Mutation } from '../../../src/ports/store.ts';
import type { SimTable } from '../sim-table.ts';
import { Findings } from '../violation.ts';
import { History } from './history.ts';
import { acknowledgedIn, checkChange, checkDrainedLane, checkLane } from './lane-state.ts';
import { Reads } from './reads.ts';
import { Receipts } from './receipts.ts';

/** Whether the store refuses the value. */
export const isPoison = (json: string | undefined): boolean => json !== undefined && json.includes('poison');

/**
 * Knows everything that happened at the servers, and checks each step against what the design promises: {@link History}
 * what was executed and became of it, {@link Reads} what may be read, {@link Receipts} what callers are told. What the
 * front keeps must reach the store in order, as a prefix.
 */
export class Oracle {
  readonly findings: Findings = new Findings();
  readonly history: History;
  readonly reads: Reads;
  readonly receipts: Receipts;
  readonly #lanes: number;
  readonly #entriesMax: number;
  /** Rows as they must be after the last commit. */
  #rows = new Map<string, string>();
  /** Generations that were committed, with their digests. */
  readonly #commits = new Set<string>();
  /** Values that were to be written: whose turn they are, and in which order. Each value is written once. */
  readonly #asked = new Map<string, { readonly turn: string; readonly order: number }>();
  /** The last of each turn that was executed. */
  readonly #executed = new Map<string, number>();
  commits = 0;
  refusals = 0;

  constructor(lanes: number, entriesMax: number, step: () => number) {
    this.#lanes = lanes;
    this.#entriesMax = entriesMax;
    this.history = new History(lanes);
    this.reads = new Reads(step, (key) => this.#rows.get(key), this.findings);
    this.receipts = new Receipts(this.history, this.findings);
  }

  // What happened in the front.

  /** A process is about to write the key. */
  asked(process: string, key: string, json: string | undefined): void {
    if (json !== undefined) this.#asked.set(json, { turn: `${process} ${key}`, order: this.#asked.size });
  }

  /** `isLate` when it was executed after its connection broke: then its process may have gone on without it. */
  executed(lane: number, batch: WriteBatch, epoch: number, seq: number, isLate: boolean): void {
    if (!isLate) for (const slot of batch.slots) this.#checkOrder(slot);
    batch.keys.forEach((key, i) => {
      const slot = batch.slots[i] as string;
      const json = slot === TOMBSTONE ? undefined : slot;
      this.history.executed({
        lane,
        key,
        json,
        epoch,
        fromSeq: seq - batch.accepted + 1,
        seq,
        fate: 'pending',
        wasRefused: false,
        isBuried: false,
      });
      this.reads.became(key, json);
    });
  }

  /** A process's writes of a key are executed once, in the order in which they were asked for. */
  #checkOrder(slot: string): void {
    const asked = this.#asked.get(slot);
    if (asked === undefined) return;
    if (asked.order <= (this.#executed.get(asked.turn) ?? -1))
      this.findings.fail(2, `a write of ${asked.turn} was executed twice, or after a later one: ${slot}`);
    this.#executed.set(asked.turn, asked.order);
  }

  /** The front's state was replaced by an earlier one, or by nothing. */
  rewound(before: readonly SimTable[], tables: readonly SimTable[]): void {
    this.reads.rewound();
    tables.forEach((table, lane) => {
      this.history.rewound(lane, before[lane], table.header?.seq ?? 0);
      const values = new Map<string, string | undefined>(this.#rows);
      for (const { key, json } of this.history.pending(lane)) values.set(key, json);
      for (const key of this.reads.keys) {
        if (laneOf(key, this.#lanes) !== lane) continue;
        const raw = table.slots.get(key)?.raw;
        this.reads.reset(key, values.get(key), isPoison(raw) && isValue(raw) ? raw : undefined);
      }
    });
  }

  checkStep(lane: number, table: SimTable, before: LaneHeader | undefined, isCurrent: boolean): void {
    const { header } = table;
    for (const key of this.reads.refusals.keys())
      if (laneOf(key, this.#lanes) === lane) this.reads.seen(key, table.slots.get(key)?.raw);
    checkLane(lane, table, this.findings);
    if (header === undefined || before === undefined) return;
    const flight = acknowledgedIn(before, header);
    if (flight !== undefined && !this.#commits.has(nameOf(lane, flight.generation, flight.cutSeq, flight.digest))) {
      this.findings.fail(
        5,
        `generation ${flight.generation} of lane ${lane} was acknowledged, and the store never had it`,
      );
    }
    checkChange(lane, table, before, this.#entriesMax, this.findings);
    if (header.flight !== undefined || !isCurrent) return;
    for (const [key, json] of this.reads.refusals) {
      if (!table.pending.has(key) && table.slots.get(key)?.raw === json)
        this.findings.fail(9, `key ${key} can be read as ${json}, which was refused, and its generation is over`);
    }
  }

  // What happened in the store.

  /** A generation was committed: the store must hold exactly what the lane's history says up to its cut. */
  committed(
    { lane, generation, cutSeq, digest }: LaneGeneration,
    rows: ReadonlyMap<string, string>,
    dead: ReadonlySet<string>,
  ): void {
    this.commits++;
    this.#commits.add(nameOf(lane, generation, cutSeq, digest));
    const { last, newest, doubtful } = this.history.take(lane, cutSeq);
    for (const [key, entry] of last) {
      this.history.supersedeRefused(lane, key, dead.has(key));
      if (dead.has(key)) {
        if (!isPoison(entry.json)) this.findings.fail(9, `a dead letter for key ${key}, whose value is fine`);
        this.refusals++;
        entry.fate = 'dead';
        entry.wasRefused = true;
        if (newest.get(key) === entry) this.reads.refused(key, entry.json as string);
        continue;
      }
      if (isPoison(entry.json)) this.findings.fail(9, `key ${key} was stored with a value that the store refuses`);
      entry.fate = 'committed';
      if (doubtful.includes(entry)) this.reads.became(key, entry.json);
      this.reads.stored(key);
      this.#store(key, entry.json);
    }
    for (const key of new Set([...rows.keys(), ...this.#rows.keys()])) {
      if (laneOf(key, this.#lanes) !== lane || rows.get(key) === this.#rows.get(key)) continue;
      this.findings.fail(
        4,
        `the store is no prefix of lane ${lane} at seq ${cutSeq}: ` +
          `key ${key} is ${rows.get(key)}, and should be ${this.#rows.get(key)}`,
      );
    }
  }

  /** What the port promises a store about the rows of a flush. */
  checkBatches(batches: readonly (readonly Mutation[])[]): void {
    const keys = batches.flat().map(({ key }) => key);
    if (new Set(keys).size < keys.length) this.findings.fail(9, `a key comes twice in a flush: ${keys.join(', ')}`);
    for (const batch of batches)
      if (batch.some(({ key }, i) => i > 0 && key < (batch[i - 1] as Mutation).key))
        this.findings.fail(9, `the rows of a batch are not sorted: ${batch.map(({ key }) => key).join(', ')}`);
  }

  /** A row that was refused is stored after all. */
  retried({ lane, key, json }: Mutation): void {
    const entry = this.history.findRow(lane, key, json);
    if (entry?.fate !== 'dead')
      this.findings.fail(9, `the refused value ${json} of key ${key} was tried again and stored; it is ${entry?.fate}`);
    entry.fate = 'committed';
    const later = this.history.laterOf(entry);
    if (later !== undefined)
      this.findings.fail(2, `the refused value ${json} of key ${key} was stored over the later ${later.json}`);
    const before = this.#rows.get(key);
    this.#store(key, json);
    this.reads.retried(key, json, before);
  }

  /** A row was refused for the last time. */
  buried(lane: number, key: string, json: string | undefined): void {
    const entry = this.history.findRow(lane, key, json);
    if (entry !== undefined) entry.isBuried = true;
  }

  /** An operator has a refused row tried again. */
  revived(lane: number, key: string, json: string | undefined): void {
    const entry = this.history.findRow(lane, key, json);
    if (entry !== undefined) entry.isBuried = false;
  }

  /** A redrive was told what became of the letter. */
  checkRedriven(
    process: string,
    { lane, key, fromSeq, cutSeq }: Pick<DeadLetter, 'lane' | 'key' | 'fromSeq' | 'cutSeq'>,
    outcome: 'redriven' | 'superseded',
  ): void {
    const refused = this.history
      .ofKey(lane, key)
      .filter(({ seq, wasRefused }) => wasRefused && fromSeq <= seq && seq <= cutSeq);
    const isTrue =
      outcome === 'redriven'
        ? refused.some(({ fate }) => fate === 'committed' || fate === 'superseded')
        : refused.some((entry) => this.history.laterOf(entry) !== undefined);
    if (!isTrue)
      this.findings.fail(
        9,
        `${process} was told that the letter of ${key} is ${outcome}; ` +
          `it is ${refused.map(({ fate }) => fate).join(', ')}`,
      );
  }

  /** Write-through and cache-aside. */
  committedDirectly(mutations: readonly Mutation[]): void {
    this.commits++;
    for (const { key, json } of mutations) {
      this.reads.committedDirectly(key, json);
      this.#store(key, json);
    }
  }

  epochRaised(lane: number, epoch: number): void {
    this.history.epochRaised(lane, epoch);
  }

  /** The store is as it was some time ago: everything was drained, and what was committed since is lost. */
  rolledBack(rows: ReadonlyMap<string, string>, fences: readonly Fence[]): void {
    this.#rows = new Map(rows);
    fences.forEach(({ seq }, lane) => this.history.rolledBack(lane, seq));
  }

  // What must hold at the end.

  /** When everything is drained: nothing is left, and the store is what the history says. */
  checkDrained(
    tables: readonly SimTable[],
    expires: boolean,
    rows: ReadonlyMap<string, string>,
    letters: number | undefined,
  ): void {
    tables.forEach((table, lane) => {
      const left = this.history.pending(lane).length;
      if (left > 0) this.findings.fail(8, `lane ${lane} is drained, and ${left} mutations are not in the store`);
      checkDrainedLane(lane, table, expires, this.findings);
    });
    for (const key of new Set([...rows.keys(), ...this.#rows.keys()])) {
      if (rows.get(key) !== this.#rows.get(key))
        this.findings.fail(1, `at the end key ${key} is ${rows.get(key)}, and should be ${this.#rows.get(key)}`);
    }
    if (letters !== undefined && letters !== this.refusals)
      this.findings.fail(9, `${this.refusals} rows were refused, and there are ${letters} dead letters`);
  }

  #store(key: string, json: string | undefined): void {
    if (json === undefined) this.#rows.delete(key);
    else this.#rows.set(key, json);
  }
}

const nameOf = (lane: number, generation: number, cutSeq: number, digest: string): string =>
  `${lane}/${generation}/${cutSeq}/${digest}`;
