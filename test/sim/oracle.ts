import type { WriteBatch } from '../../src/core/lane-write.ts';
import { entriesOf, type Fence, type LaneHeader } from '../../src/core/lane.ts';
import { laneOf } from '../../src/core/lane-of.ts';
import { TOMBSTONE } from '../../src/core/slot.ts';
import type { LaneGeneration, Mutation } from '../../src/ports/store.ts';
import type { SimTable } from './sim-table.ts';
import { Versions } from './versions.ts';
import { Violation } from './violation.ts';

export interface Pos {
  readonly lane: number;
  readonly epoch: number;
  readonly seq: number;
}

/** One mutation that the front executed. */
interface Entry {
  readonly lane: number;
  readonly key: string;
  /** JSON text; undefined for a delete. */
  readonly json: string | undefined;
  readonly epoch: number;
  /** Seqs of the batch it was in. */
  readonly fromSeq: number;
  readonly seq: number;
  fate: 'pending' | 'committed' | 'superseded' | 'dead' | 'lost';
  /** Whether the store refused it at some time. */
  wasRefused: boolean;
  /** Whether it was refused for the last time. */
  isBuried: boolean;
}

export const isPoison = (json: string | undefined): boolean => json !== undefined && json.includes('poison');

/**
 * Knows everything that happened at the servers, and checks each step against what the design promises. It follows
 * the front's history: what is lost by a restart or FLUSHALL is taken out of it, and what remains must reach the store
 * in order, as a prefix.
 */
export class Oracle {
  readonly #lanes: number;
  readonly #maxEntries: number;
  readonly #step: () => number;
  /** Mutations that the front has and the store does not, by lane, in the order of their execution. */
  readonly #log: Entry[][];
  /** All mutations ever executed, by lane. */
  readonly #all: Entry[][];
  /** Entries that the front has lost while a transaction with them was under way: it may still be committed. */
  readonly #doubt: Entry[][];
  /** The last epoch that the store issued, by lane. */
  readonly #epochs: number[] = [];
  /** Up to which seq a transaction under way reaches whose lane was rewound, by lane. */
  readonly #inFlightSeq: number[] = [];
  /** Rows as they were after the last commit. */
  #base = new Map<string, string>();
  /** Generations that were committed, with their digests. */
  readonly #commits = new Set<string>();
  readonly #versions = new Versions();
  /** Keys that can be seen with a value that was refused, and with which, until the front has forgotten it. */
  readonly #refused = new Map<string, string>();
  /** Keys of which the front may hold an old value, with the step at which a direct write failed half way. */
  readonly #tainted = new Map<string, number>();
  /** Keys of which the front hides an old value behind the intent of a write that failed, as long as it keeps its state. */
  readonly #hidden = new Set<string>();
  /** Values that were to be written: whose turn they are, and in which order. Each value is written once. */
  readonly #asked = new Map<string, { readonly turn: string; readonly order: number }>();
  /** The last of each turn that was executed. */
  readonly #executed = new Map<string, number>();
  /** How often the front's state was replaced. */
  rewinds = 0;
  /** Lanes that lost acknowledged mutations at some time. */
  readonly lossy = new Set<number>();
  /** The first finding; kept, because whoever it is thrown at may take it for a fault of a server. */
  violation: Violation | undefined;
  commits = 0;
  losses = 0;
  refusals = 0;

  constructor(lanes: number, maxEntries: number, step: () => number) {
    this.#lanes = lanes;
    this.#maxEntries = maxEntries;
    this.#step = step;
    this.#log = Array.from({ length: lanes }, () => []);
    this.#all = Array.from({ length: lanes }, () => []);
    this.#doubt = Array.from({ length: lanes }, () => []);
  }

  // What happened.

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
      const entry: Entry = { lane, key, json, epoch, fromSeq: seq - batch.accepted + 1, seq, fate: 'pending', wasRefused: false, isBuried: false };
      (this.#log[lane] as Entry[]).push(entry);
      (this.#all[lane] as Entry[]).push(entry);
      this.#versions.became(key, json, this.#step());
    });
  }

  /** A process's write is executed once. */
  #checkOrder(slot: string): void {
    const asked = this.#asked.get(slot);
    if (asked === undefined) return;
    if (asked.order === this.#executed.get(asked.turn)) this.#fail(2, `a write of ${asked.turn} was executed twice: ${slot}`);
    this.#executed.set(asked.turn, asked.order);
  }

  /** A generation was committed: the store must hold exactly what the lane's history says up to its cut. */
  committed({ lane, generation, cutSeq, digest }: LaneGeneration, rows: ReadonlyMap<string, string>, dead: ReadonlySet<string>): void {
    this.commits++;
    this.#commits.add(nameOf(lane, generation, cutSeq, digest));
    const doubt = (this.#doubt[lane] as Entry[]).splice(0);
    const log = [...(this.#log[lane] as Entry[]), ...doubt].sort((a, b) => a.seq - b.seq);
    const last = new Map<string, Entry>();
    const newest = new Map<string, Entry>();
    for (const entry of log) {
      newest.set(entry.key, entry);
      if (entry.seq > cutSeq) continue;
      const earlier = last.get(entry.key);
      if (earlier !== undefined) earlier.fate = 'superseded';
      last.set(entry.key, entry);
    }
    for (const [key, entry] of last) {
      // A refused write that waited, or is dead, has a later one now; of two that are refused, one that is dead stays so.
      for (const earlier of this.#all[lane] as Entry[]) if (earlier.key === key && earlier.fate === 'dead' && !(earlier.isBuried && dead.has(key))) earlier.fate = 'superseded';
      if (dead.has(key)) {
        if (!isPoison(entry.json)) this.#fail(9, `a dead letter for key ${key}, whose value is fine`);
        this.refusals++;
        entry.fate = 'dead';
        entry.wasRefused = true;
        // What was before it comes to light, here sooner and there later.
        if (newest.get(key) === entry) {
          this.#versions.also(key, this.#base.get(key), this.#step());
          this.#refused.set(key, entry.json as string);
        }
        continue;
      }
      if (isPoison(entry.json)) this.#fail(9, `key ${key} was stored with a value that the store refuses`);
      entry.fate = 'committed';
      if (doubt.includes(entry)) this.#versions.became(key, entry.json, this.#step());
      if (entry.json === undefined) this.#base.delete(key);
      else this.#base.set(key, entry.json);
    }
    this.#log[lane] = log.filter((entry) => entry.seq > cutSeq && entry.fate !== 'lost');
    for (const key of new Set([...rows.keys(), ...this.#base.keys()])) {
      if (laneOf(key, this.#lanes) !== lane) continue;
      if (rows.get(key) !== this.#base.get(key)) {
        this.#fail(4, `the store is no prefix of lane ${lane} at seq ${cutSeq}: key ${key} is ${rows.get(key)}, and should be ${this.#base.get(key)}`);
      }
    }
  }

  /** A row that was refused is stored after all. Until the front is told, it may serve what was before. */
  retried({ lane, key, json }: Mutation): void {
    const entry = (this.#all[lane] as Entry[]).findLast((each) => each.key === key && each.json === json);
    if (entry?.fate !== 'dead') this.#fail(9, `the refused value ${json} of key ${key} was tried again and stored; it is ${entry?.fate}`);
    entry.fate = 'committed';
    if (json === undefined) this.#base.delete(key);
    else this.#base.set(key, json);
    this.#versions.also(key, json, this.#step());
  }

  /** A row was refused for the last time. */
  buried(lane: number, key: string, json: string | undefined): void {
    const entry = (this.#all[lane] as Entry[]).findLast((each) => each.key === key && each.json === json);
    if (entry !== undefined) entry.isBuried = true;
  }

  /** Write-through and cache-aside: what was before can be seen until the writer has told the front. */
  committedDirectly(mutations: readonly Mutation[]): void {
    this.commits++;
    for (const { key, json } of mutations) {
      this.#versions.also(key, json, this.#step());
      if (json === undefined) this.#base.delete(key);
      else this.#base.set(key, json);
    }
  }

  /** A direct write that began at `fromStep` has succeeded: nobody sees any more what was before it. */
  settledDirectly(key: string, json: string | undefined, fromStep: number): void {
    this.#versions.succeeded(key, json, fromStep, this.#step());
    // One that was under way already has perhaps been overtaken by what failed.
    if ((this.#tainted.get(key) ?? 0) < fromStep) this.#tainted.delete(key);
  }

  /** A direct write failed, or its process died: the front may serve what was before it until it expires or is written again. */
  failedDirectly(key: string): void {
    this.#tainted.set(key, this.#step());
  }

  /**
   * A write-through failed, or its process died. Its intent hides what was before it, unless the front has lost that
   * since the write began, `rewinds` ago.
   */
  failedBehindIntent(key: string, rewinds: number): void {
    if (rewinds === this.rewinds) this.#hidden.add(key);
    else this.failedDirectly(key);
  }

  /** The front's state was replaced by an earlier one, or by nothing. */
  rewound(before: readonly SimTable[], tables: readonly SimTable[]): void {
    this.rewinds++;
    for (const key of this.#hidden) this.failedDirectly(key);
    this.#hidden.clear();
    tables.forEach((table, lane) => {
      const seq = table.header?.seq ?? 0;
      const flight = before[lane]?.header?.flight;
      // Only a transaction of the last epoch can still be committed.
      const inFlightSeq = Math.max(this.#inFlightSeq[lane] ?? 0, flight?.state === 'cut' && before[lane]?.header?.epoch === this.#epochs[lane] ? flight.cutSeq : 0);
      this.#inFlightSeq[lane] = inFlightSeq;
      const log = this.#log[lane] as Entry[];
      for (const entry of log) {
        if (entry.seq <= seq) continue;
        entry.fate = 'lost';
        if (entry.seq <= inFlightSeq) (this.#doubt[lane] as Entry[]).push(entry);
        this.losses++;
        this.lossy.add(lane);
      }
      this.#log[lane] = log.filter((entry) => entry.seq <= seq);
      const values = new Map(this.#base);
      for (const entry of this.#log[lane] as Entry[]) {
        if (entry.json === undefined) values.delete(entry.key);
        else values.set(entry.key, entry.json);
      }
      for (const key of this.#versions.keys()) {
        if (laneOf(key, this.#lanes) !== lane) continue;
        this.#versions.became(key, values.get(key), this.#step());
        const raw = table.slots.get(key)?.raw;
        if (!isPoison(raw) || raw === values.get(key)) continue;
        this.#versions.also(key, raw, this.#step());
        this.#refused.set(key, raw as string);
      }
    });
  }

  /** The store is as it was some time ago: everything was drained, and what was committed since is lost. */
  rolledBack(rows: ReadonlyMap<string, string>, fences: readonly Fence[]): void {
    this.#base = new Map(rows);
    fences.forEach(({ seq }, lane) => {
      for (const entry of this.#all[lane] as Entry[]) if (entry.seq > seq && entry.fate !== 'lost') entry.fate = 'lost';
    });
  }

  /** From now on no transaction of an earlier epoch can be committed. */
  epochRaised(lane: number, epoch: number): void {
    this.#epochs[lane] = epoch;
    this.#inFlightSeq[lane] = 0;
    (this.#doubt[lane] as Entry[]).length = 0;
  }

  // After each step.

  checkStep(lane: number, table: SimTable, before: LaneHeader | undefined, isCurrent: boolean): void {
    const { header } = table;
    this.#forgetRefused(lane, table);
    if (header === undefined) return;
    if (header.pendingEntries !== table.pending.size) this.#fail(11, `lane ${lane} counts ${header.pendingEntries} pending entries and has ${table.pending.size}`);
    for (const key of table.pending) {
      const slot = table.slots.get(key);
      if (slot === undefined) this.#fail(1, `dirty key ${key} has no value`);
      if (slot.expiresAtMs !== undefined) this.#fail(7, `dirty key ${key} has an expiry`);
      if (table.flight.has(key)) this.#fail(4, `key ${key} is pending and unfrozen in flight`);
    }
    if (header.flight?.state === 'cut') {
      for (const key of table.flight) if (table.slots.get(key)?.expiresAtMs !== undefined) this.#fail(7, `key ${key} in flight has an expiry`);
    }
    if (header.epochs.length > 32) this.#fail(7, `lane ${lane} remembers ${header.epochs.length} epochs`);
    if (before === undefined) return;
    if (entriesOf(header) > Math.max(this.#maxEntries, entriesOf(before))) this.#fail(7, `lane ${lane} holds ${entriesOf(header)} entries, more than its capacity`);
    const was = before.flight;
    const acknowledged = was?.state === 'cut' && header.flight?.state !== 'cut' && header.generation === was.generation && header.storedSeq === was.cutSeq;
    if (acknowledged && !this.#commits.has(nameOf(lane, was.generation, was.cutSeq, was.digest))) this.#fail(5, `generation ${was.generation} of lane ${lane} was acknowledged, and the store never had it`);
    if (header.flight === undefined && isCurrent) for (const [key, json] of this.#refused) if (!table.pending.has(key) && table.slots.get(key)?.raw === json) this.#fail(9, `key ${key} can be read with a value that was refused, and its generation is over`);
    if (header.flight === undefined && (table.flight.size > 0 || table.frozen.size > 0)) this.#fail(7, `lane ${lane} keeps marks or values of a generation that is over`);
  }

  #forgetRefused(lane: number, table: SimTable): void {
    for (const [key, json] of this.#refused) {
      if (laneOf(key, this.#lanes) !== lane || table.slots.get(key)?.raw === json) continue;
      this.#refused.delete(key);
      // Unless it was tried again, and is stored.
      if (this.#base.get(key) !== json) this.#versions.ended(key, json, this.#step());
    }
  }

  /** A read that began at `fromStep` gave `json` now: it must be a value that the key had meanwhile. */
  checkRead(process: string, key: string, json: string | undefined, fromStep: number): void {
    if (this.#tainted.has(key)) return;
    const possible = this.#versions.between(key, fromStep, this.#step());
    if (!possible.includes(json)) this.#fail(6, `${process} read ${json} for key ${key} since step ${fromStep}; it was ${possible.join(' or ')}`);
  }

  /** What the port promises a store about the rows of a flush. */
  checkBatches(batches: readonly (readonly Mutation[])[]): void {
    const keys = batches.flat().map(({ key }) => key);
    if (new Set(keys).size < keys.length) this.#fail(9, `a key comes twice in a flush: ${keys.join(', ')}`);
    for (const batch of batches) if (batch.some(({ key }, i) => i > 0 && key < (batch[i - 1] as Mutation).key)) this.#fail(9, `the rows of a batch are not sorted: ${batch.map(({ key }) => key).join(', ')}`);
  }

  checkHas(process: string, key: string, has: boolean, fromStep: number): void {
    if (this.#tainted.has(key)) return;
    const possible = this.#versions.between(key, fromStep, this.#step());
    if (!possible.some((json) => (json !== undefined) === has)) this.#fail(6, `${process} found ${has ? 'a' : 'no'} value for key ${key} since step ${fromStep}; it was ${possible.join(' or ')}`);
  }

  /** `stored()` resolved for a write: then the store has it, or has a later write of its key. */
  checkStored(process: string, position: Pos, key: string): void {
    const entry = this.#find(position, key);
    if (entry === undefined || entry.fate === 'committed' || entry.fate === 'superseded') return;
    this.#fail(1, `${process} was told that its write of ${key} at ${position.epoch}/${position.seq} is stored; it is ${entry.fate}`);
  }

  /** `stored()` rejected as lost: then it is. */
  checkLost(process: string, position: Pos, key: string): void {
    const entry = this.#find(position, key);
    if (entry === undefined || entry.fate === 'lost') return;
    this.#fail(1, `${process} was told that its write of ${key} at ${position.epoch}/${position.seq} is lost; it is ${entry.fate}`);
  }

  /** `stored()` rejected as refused: then it was, or a later one of its key in the same generation. */
  checkRefused(process: string, position: Pos, key: string): void {
    const entry = this.#find(position, key);
    if (entry === undefined || entry.wasRefused) return;
    // A later one of its key in the same batch was.
    if (entry.fate === 'superseded' && (this.#all[position.lane] as Entry[]).some((other) => other.key === key && other.wasRefused)) return;
    this.#fail(9, `${process} was told that its write of ${key} at ${position.epoch}/${position.seq} was refused; it is ${entry.fate}`);
  }

  /** A write was acknowledged: the front has executed it (or a later one of its key in the same batch). */
  checkAcknowledged(process: string, position: Pos, key: string): void {
    if (this.#find(position, key) === undefined) this.#fail(1, `${process} was given ${position.epoch}/${position.seq} for key ${key}, which the front never executed`);
  }

  /** Several writes of a key at the same time: the last of them is the one that counts. */
  checkLast(process: string, position: Pos, key: string, earlier: readonly (string | undefined)[]): void {
    const entry = this.#find(position, key);
    if (entry?.json !== undefined && earlier.includes(entry.json)) this.#fail(6, `${process} wrote key ${key} several times at once, and an earlier value took the place of the last: ${entry.json}`);
  }

  fateOf(position: Pos, key: string): Entry['fate'] | undefined {
    return this.#find(position, key)?.fate;
  }

  /** When everything is drained: nothing is left, and the store is what the history says. */
  checkDrained(tables: readonly SimTable[], expires: boolean, rows: ReadonlyMap<string, string>, letters: number | undefined): void {
    tables.forEach((table, lane) => {
      const left = (this.#log[lane] as Entry[]).length;
      if (left > 0) this.#fail(8, `lane ${lane} is drained, and ${left} mutations are not in the store`);
      if (table.pending.size > 0 || table.header?.flight?.state === 'cut') this.#fail(8, `lane ${lane} is not drained`);
      for (const [key, { raw, expiresAtMs }] of table.slots) {
        // Its generation is stored, and yet to be cleaned.
        if (table.flight.has(key)) continue;
        if (raw === TOMBSTONE) this.#fail(7, `lane ${lane} is drained, and keeps a tombstone of key ${key}`);
        if (expires && expiresAtMs === undefined) this.#fail(7, `lane ${lane} is drained, and key ${key} never expires`);
      }
    });
    for (const key of new Set([...rows.keys(), ...this.#base.keys()])) {
      if (rows.get(key) !== this.#base.get(key)) this.#fail(1, `at the end key ${key} is ${rows.get(key)}, and should be ${this.#base.get(key)}`);
    }
    if (letters !== undefined && letters !== this.refusals) this.#fail(9, `${this.refusals} rows were refused, and there are ${letters} dead letters`);
  }

  storedValue(key: string): string | undefined {
    return this.#base.get(key);
  }

  /** Nothing is written any more: a read gives what the store has, now or when it began. */
  checkSettled(key: string, json: string | undefined, before: string | undefined): void {
    const stored = this.#base.get(key);
    if (json !== stored && json !== before && !this.#tainted.has(key)) this.#fail(6, `at the end key ${key} is read as ${json}, and stored as ${stored}`);
  }

  #find(position: Pos, key: string): Entry | undefined {
    return (this.#all[position.lane] as Entry[]).findLast(
      (entry) => entry.key === key && entry.epoch === position.epoch && entry.fromSeq <= position.seq && position.seq <= entry.seq,
    );
  }

  #fail(invariant: number, message: string): never {
    this.violation ??= new Violation(invariant, message);
    throw this.violation;
  }

  /** What a failure is looked into with. */
  historyOf(key: string): unknown {
    return { versions: this.#versions.last(key, 6), entries: (this.#all[laneOf(key, this.#lanes)] as Entry[]).filter((entry) => entry.key === key).slice(-6) };
  }
}

const nameOf = (lane: number, generation: number, cutSeq: number, digest: string): string => `${lane}/${generation}/${cutSeq}/${digest}`;
