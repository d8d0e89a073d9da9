import type { WriteBatch } from '../../src/core/lane-write.ts';
import { laneOf } from '../../src/core/lane-of.ts';
import { TOMBSTONE } from '../../src/core/slot.ts';
import type { SimTable } from './sim-table.ts';

/** Something happened that must not. The message says what; the seed replays it. */
export class Violation extends Error {
  override readonly name = 'Violation';
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
}

/** A value that a key had, from `fromMs` on. */
interface Tenure {
  readonly fromMs: number;
  readonly json: string | undefined;
}

export const isPoison = (json: string | undefined): boolean => json !== undefined && json.includes('poison');

/**
 * Knows everything that happened at the servers, and checks each step against what the design promises. It follows
 * the front's history: what is lost by a restart or FLUSHALL is taken out of it, and what remains must reach the store
 * in order, as a prefix.
 */
export class Oracle {
  readonly #lanes: number;
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
  readonly #base = new Map<string, string>();
  readonly #tenures = new Map<string, Tenure[]>();
  /** Lanes that lost acknowledged mutations at some time. */
  readonly lossy = new Set<number>();
  /** The first finding; kept, because whoever it is thrown at may take it for a fault of a server. */
  violation: Violation | undefined;
  commits = 0;
  losses = 0;

  constructor(lanes: number) {
    this.#lanes = lanes;
    this.#log = Array.from({ length: lanes }, () => []);
    this.#all = Array.from({ length: lanes }, () => []);
    this.#doubt = Array.from({ length: lanes }, () => []);
  }

  executed(lane: number, batch: WriteBatch, epoch: number, seq: number, nowMs: number): void {
    batch.keys.forEach((key, i) => {
      const slot = batch.slots[i] as string;
      const json = slot === TOMBSTONE ? undefined : slot;
      const entry: Entry = { lane, key, json, epoch, fromSeq: seq - batch.accepted + 1, seq, fate: 'pending' };
      (this.#log[lane] as Entry[]).push(entry);
      (this.#all[lane] as Entry[]).push(entry);
      this.#became(key, json, nowMs);
    });
  }

  /** A generation was committed: the store must hold exactly what the lane's history says up to `cutSeq`. */
  committed(lane: number, cutSeq: number, rows: ReadonlyMap<string, string>, dead: ReadonlySet<string>, nowMs: number): void {
    this.commits++;
    const doubt = (this.#doubt[lane] as Entry[]).splice(0);
    const log = [...(this.#log[lane] as Entry[]), ...doubt].sort((a, b) => a.seq - b.seq);
    const last = new Map<string, Entry>();
    for (const entry of log) {
      if (entry.seq > cutSeq) continue;
      const earlier = last.get(entry.key);
      if (earlier !== undefined) earlier.fate = 'superseded';
      last.set(entry.key, entry);
    }
    for (const [key, entry] of last) {
      // A refused write that waited, or is dead, has a later one now.
      for (const earlier of this.#all[lane] as Entry[]) if (earlier.key === key && earlier.fate === 'dead') earlier.fate = 'superseded';
      if (dead.has(key)) {
        if (!isPoison(entry.json)) this.#fail(`a dead letter for key ${key}, whose value is fine`);
        entry.fate = 'dead';
        continue;
      }
      entry.fate = 'committed';
      if (doubt.includes(entry)) this.#became(key, entry.json, nowMs);
      if (entry.json === undefined) this.#base.delete(key);
      else this.#base.set(key, entry.json);
    }
    this.#log[lane] = log.filter((entry) => entry.seq > cutSeq && entry.fate !== 'lost');
    for (const key of new Set([...rows.keys(), ...this.#base.keys()])) {
      if (laneOf(key, this.#lanes) !== lane) continue;
      if (rows.get(key) !== this.#base.get(key)) {
        this.#fail(`the store is no prefix of lane ${lane} at seq ${cutSeq}: key ${key} is ${rows.get(key)}, and should be ${this.#base.get(key)}`);
      }
    }
  }

  /** The front's state was replaced by an earlier one, or by nothing. */
  rewound(before: readonly SimTable[], tables: readonly SimTable[], nowMs: number): void {
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
      for (const key of this.#tenures.keys()) if (laneOf(key, this.#lanes) === lane) this.#became(key, values.get(key), nowMs);
    });
  }

  /** From now on no transaction of an earlier epoch can be committed. */
  epochRaised(lane: number, epoch: number): void {
    this.#epochs[lane] = epoch;
    this.#inFlightSeq[lane] = 0;
    (this.#doubt[lane] as Entry[]).length = 0;
  }

  /** After each step on a lane. */
  checkTable(lane: number, table: SimTable): void {
    const { header } = table;
    if (header === undefined) return;
    if (header.pendingEntries !== table.pending.size) this.#fail(`lane ${lane} counts ${header.pendingEntries} pending entries and has ${table.pending.size}`);
    for (const key of table.pending) {
      const slot = table.slots.get(key);
      if (slot === undefined) this.#fail(`dirty key ${key} has no value`);
      if (slot.expiresAtMs !== undefined) this.#fail(`dirty key ${key} has an expiry`);
      if (table.flight.has(key)) this.#fail(`key ${key} is pending and unfrozen in flight`);
    }
    if (header.flight?.state === 'cut') {
      for (const key of table.flight) if (table.slots.get(key)?.expiresAtMs !== undefined) this.#fail(`key ${key} in flight has an expiry`);
    }
    if (header.epochs.length > 32) this.#fail(`lane ${lane} remembers ${header.epochs.length} epochs`);
  }

  /** A read that began at `fromMs` gave `json` now: it must be a value that the key had meanwhile. */
  checkRead(process: string, key: string, json: string | undefined, fromMs: number, nowMs: number): void {
    const tenures = this.#tenures.get(key) ?? [{ fromMs: 0, json: undefined }];
    const possible: (string | undefined)[] = [];
    tenures.forEach((tenure, i) => {
      const untilMs = tenures[i + 1]?.fromMs ?? Number.POSITIVE_INFINITY;
      if (tenure.fromMs <= nowMs && untilMs >= fromMs) possible.push(tenure.json);
    });
    // A refused value is readable until its refusal, and what was before it afterwards.
    if (possible.includes(json) || possible.some(isPoison) || tenures.some((tenure) => isPoison(tenure.json))) return;
    this.#fail(`${process} read ${json} for key ${key} between ${fromMs} and ${nowMs}; it was ${possible.join(' or ')}`);
  }

  /** `stored()` resolved for a write: then the store has it, or has a later write of its key. */
  checkStored(process: string, position: Pos, key: string): void {
    const entry = this.#find(position, key);
    if (entry === undefined || entry.fate === 'committed' || entry.fate === 'superseded') return;
    this.#fail(`${process} was told that its write of ${key} at ${position.epoch}/${position.seq} is stored; it is ${entry.fate}`);
  }

  /** `stored()` rejected as lost: then it is. */
  checkLost(process: string, position: Pos, key: string): void {
    const entry = this.#find(position, key);
    if (entry === undefined || entry.fate === 'lost') return;
    this.#fail(`${process} was told that its write of ${key} at ${position.epoch}/${position.seq} is lost; it is ${entry.fate}`);
  }

  /** A write was acknowledged: the front has executed it (or a later one of its key in the same batch). */
  checkAcknowledged(process: string, position: Pos, key: string): void {
    if (this.#find(position, key) === undefined) this.#fail(`${process} was given ${position.epoch}/${position.seq} for key ${key}, which the front never executed`);
  }

  fateOf(position: Pos, key: string): Entry['fate'] | undefined {
    return this.#find(position, key)?.fate;
  }

  /** When everything is drained: nothing is left, and the store is what the history says. */
  checkDrained(tables: readonly SimTable[], rows: ReadonlyMap<string, string>): void {
    tables.forEach((table, lane) => {
      const left = (this.#log[lane] as Entry[]).length;
      if (left > 0) this.#fail(`lane ${lane} is drained, and ${left} mutations are not in the store`);
      if (table.pending.size > 0 || table.header?.flight?.state === 'cut') this.#fail(`lane ${lane} is not drained`);
    });
    for (const key of new Set([...rows.keys(), ...this.#base.keys()])) {
      if (rows.get(key) !== this.#base.get(key)) this.#fail(`at the end key ${key} is ${rows.get(key)}, and should be ${this.#base.get(key)}`);
    }
  }

  #find(position: Pos, key: string): Entry | undefined {
    return (this.#all[position.lane] as Entry[]).findLast(
      (entry) => entry.key === key && entry.epoch === position.epoch && entry.fromSeq <= position.seq && position.seq <= entry.seq,
    );
  }

  #fail(message: string): never {
    this.violation ??= new Violation(message);
    throw this.violation;
  }

  tenuresOf(key: string): unknown {
    return { tenures: this.#tenures.get(key)?.slice(-6), entries: (this.#all[laneOf(key, this.#lanes)] as Entry[]).filter((entry) => entry.key === key).slice(-6) };
  }

  #became(key: string, json: string | undefined, nowMs: number): void {
    const tenures = this.#tenures.get(key);
    if (tenures === undefined) this.#tenures.set(key, [{ fromMs: 0, json: undefined }, { fromMs: nowMs, json }]);
    else tenures.push({ fromMs: nowMs, json });
  }
}

export interface Pos {
  readonly lane: number;
  readonly epoch: number;
  readonly seq: number;
}
