import { before, type History, type Read, type Write } from './history.ts';
import type { Level } from './ledger.ts';
import { falseAlarms, reportedLost } from './losses.ts';

/** What the store was found to hold, and what it held before. */
export interface Evidence {
  /** Every version of every row in the order in which the store made them: the id in the document, null for a deleted row. */
  readonly versions: ReadonlyMap<string, readonly (string | null)[]>;
  /** The rows at the end. */
  readonly stored: ReadonlyMap<string, string>;
}

/** What the kind of cycle promises. */
export interface Terms {
  /** Levels whose writes outlive the cycle's faults; what another level loses has to be reported. */
  readonly survives: ReadonlySet<Level>;
}

export const OFFENCES = ['lost', 'duplicated', 'reordered', 'resurrected', 'misread', 'falseAlarms', 'stuck'] as const;
export type Offence = (typeof OFFENCES)[number];

export interface Violation {
  readonly offence: Offence;
  readonly what: string;
}

export interface Verdict {
  readonly acknowledged: number;
  /** Sequence numbers that `loss` events counted. */
  readonly reportedLosses: number;
  readonly violations: readonly Violation[];
}

/** Keys whose documents the store refuses; each is written once. */
export const isRefusedKey = (key: string): boolean => key.startsWith('refused');

/** Decides what became of every acknowledged write and whether a history explains every version and every read. */
export function judge(history: History, evidence: Evidence, terms: Terms): Verdict {
  return new Judge(history, evidence, terms).verdict();
}

class Judge {
  readonly #history: History;
  readonly #evidence: Evidence;
  readonly #survives: ReadonlySet<Level>;
  readonly #violations: Violation[] = [];
  /** Acknowledged writes that may be gone: their level does not survive the faults, and their loss was reported. */
  readonly #excused: Set<Write>;
  /** Whether a write that was never acknowledged can vanish after it was seen. */
  readonly #forgets: boolean;

  constructor(history: History, evidence: Evidence, { survives }: Terms) {
    this.#history = history;
    this.#evidence = evidence;
    this.#survives = survives;
    this.#forgets = !survives.has('buffered') && !survives.has('fsynced');
    this.#excused = reportedLost(history);
    for (const write of this.#excused) if (survives.has(write.level) || write.stored) this.#excused.delete(write);
  }

  verdict(): Verdict {
    const writes = grouped(this.#history.writes.values(), ({ key }) => key);
    const reads = grouped(this.#history.reads, ({ key }) => key);
    for (const key of new Set([...writes.keys(), ...this.#evidence.versions.keys(), ...this.#evidence.stored.keys()])) {
      const ofKey = new KeyWrites(writes.get(key) ?? []);
      if (isRefusedKey(key)) this.#judgeRefused(key, ofKey);
      else {
        this.#judgeVersions(key, ofKey);
        this.#judgeEnd(key, ofKey);
        this.#judgeReads(key, ofKey, reads.get(key) ?? []);
      }
    }
    this.#judgeReports();
    for (const why of this.#history.stuck) this.#accuse('stuck', why);
    return {
      acknowledged: [...this.#history.writes.values()].filter(({ acked }) => acked !== undefined).length,
      reportedLosses: this.#history.losses.reduce((sum, { count }) => sum + count, 0),
      violations: this.#violations,
    };
  }

  #accuse(offence: Offence, what: string): void {
    this.#violations.push({ offence, what });
  }

  /** Where every level survives there is nothing to report; elsewhere the last writes must be missing. */
  #judgeReports(): void {
    const canLose = [...this.#history.writes.values()].some(({ level }) => !this.#survives.has(level));
    const everStored = new Set([...this.#evidence.versions.values()].flat().filter((id) => id !== null));
    const unfounded = canLose ? falseAlarms(this.#history, everStored) : this.#history.losses;
    for (const { member, lane, count, t } of unfounded) this.#accuse('falseAlarms', `${member} reported ${count} lost in lane ${lane} at ${t}, ${canLose ? 'but its last writes there are stored' : 'where nothing can be lost'}`);
  }

  /** A row that the store refuses ends as one dead letter. */
  #judgeRefused(key: string, writes: KeyWrites): void {
    const letters = this.#history.dead.filter((letter) => letter.key === key).length;
    for (const write of writes.all) {
      if (letters === 0 && write.acked !== undefined && !this.#excused.has(write)) this.#accuse('lost', `${show(write)} was acknowledged, and is no dead letter`);
      if (letters > 1) this.#accuse('duplicated', `${show(write)} has ${letters} dead letters`);
    }
    if (this.#evidence.versions.has(key)) this.#accuse('misread', `${key} was stored, which the store refuses`);
  }

  /** The store only moves forward, and makes each version once. */
  #judgeVersions(key: string, writes: KeyWrites): void {
    const rows = (this.#evidence.versions.get(key) ?? []).map((id) => (id === null ? null : (writes.byId(id) ?? id)));
    const seen = new Set<Write>();
    for (const [i, row] of rows.entries()) {
      if (typeof row === 'string') this.#accuse('misread', `${key}: the store had ${row}, which nobody wrote`);
      else if (row === null) this.#judgeDeletion(key, writes, putsIn(rows.slice(0, i)), putsIn(rows.slice(i + 1)));
      else {
        if (seen.has(row)) this.#accuse('duplicated', `${show(row)} was stored more than once`);
        const newer = [...seen].find((earlier) => before(row, earlier));
        if (newer !== undefined) this.#accuse('reordered', `${show(row)} was stored after ${show(newer)}`);
        seen.add(row);
      }
    }
  }

  /** Some delete has to explain why the row went when it did. */
  #judgeDeletion(key: string, writes: KeyWrites, earlier: readonly Write[], later: readonly Write[]): void {
    const candidates = writes.deletes.filter((one) => !earlier.some((put) => before(one, put)));
    if (candidates.length === 0) this.#accuse('reordered', `${key}: the row was deleted after ${show(earlier.at(-1))}, which no delete explains`);
    else if (!candidates.some((one) => !later.some((put) => before(put, one)))) this.#accuse('resurrected', `${key}: ${later.map(show).join(', ')} was stored after a later delete`);
  }

  /** At the end the store holds the last write of each key, or a later one that was not acknowledged. */
  #judgeEnd(key: string, writes: KeyWrites): void {
    const id = this.#evidence.stored.get(key);
    const last = id === undefined ? undefined : writes.byId(id);
    const versions = this.#evidence.versions.get(key) ?? [];
    if ((versions.at(-1) ?? undefined) !== id) this.#accuse('misread', `${key}: the table has ${id}, its audit ends with ${versions.at(-1)}`);
    for (const write of writes.all) {
      if (write.acked === undefined || this.#excused.has(write)) continue;
      if (last !== undefined ? !before(last, write) : !write.put || writes.deletes.some((one) => !before(one, write))) continue;
      const found = last === undefined ? 'nothing is stored' : `${show(last)} is stored`;
      this.#accuse(write.put ? 'lost' : 'resurrected', `${show(write)} was acknowledged${write.stored ? ' and stored' : ''}, and ${found}; no loss of it was reported or allowed`);
    }
  }

  #judgeReads(key: string, writes: KeyWrites, reads: readonly Read[]): void {
    for (const read of reads) {
      const fault = this.#faultOf(read, writes);
      if (fault === undefined) continue;
      const { offence, than } = fault;
      this.#accuse(offence, `${read.member} read ${key} as ${read.id ?? 'nothing'} at ${read.from} to ${read.t}${than === undefined ? ', which nobody wrote by then' : `, after ${show(than)}`}`);
    }
    this.#judgeMonotonic(key, writes, reads);
  }

  /** A read may see what was under way, and nothing older than what was acknowledged before it began. */
  #faultOf(read: Read, writes: KeyWrites): { readonly offence: Offence; readonly than?: Write } | undefined {
    const known = writes.all.filter((write) => write.acked !== undefined && write.acked < read.from && !this.#excused.has(write));
    if (read.id === null) {
      const puts = known.filter(({ put }) => put);
      const deletes = writes.deletes.filter(({ asked }) => asked < read.t);
      const newest = puts.at(-1);
      if (newest === undefined || deletes.some((one) => !puts.some((put) => before(one, put)))) return undefined;
      return { offence: 'misread', than: newest };
    }
    const seen = writes.byId(read.id);
    if (seen === undefined || seen.asked > read.t) return { offence: 'misread' };
    const newer = known.find((write) => before(seen, write));
    return newer && { offence: newer.put ? 'misread' : 'resurrected', than: newer };
  }

  /** What a process has seen it does not unsee. */
  #judgeMonotonic(key: string, writes: KeyWrites, reads: readonly Read[]): void {
    for (const ofMember of grouped(reads, ({ member }) => member).values()) {
      const seen: { readonly write: Write; readonly t: number }[] = [];
      for (const read of ofMember) {
        const write = read.id === null ? undefined : writes.byId(read.id);
        if (write === undefined) continue;
        const newer = seen.find((one) => one.t < read.from && before(write, one.write));
        if (newer !== undefined) this.#accuse('misread', `${read.member} read ${key} as ${write.id} at ${read.from} to ${read.t}, after it had read ${newer.write.id}`);
        if (!this.#excused.has(write) && (write.acked !== undefined || !this.#forgets)) seen.push({ write, t: read.t });
      }
    }
  }
}

/** The writes of one key, in the order in which they were asked for. */
class KeyWrites {
  readonly all: readonly Write[];
  readonly deletes: readonly Write[];
  readonly #byId: ReadonlyMap<string, Write>;

  constructor(writes: readonly Write[]) {
    this.all = [...writes].sort((a, b) => a.asked - b.asked);
    this.deletes = this.all.filter(({ put }) => !put);
    this.#byId = new Map(this.all.map((write) => [write.id, write]));
  }

  byId(id: string): Write | undefined {
    return this.#byId.get(id);
  }
}

function grouped<T>(items: Iterable<T>, by: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(by(item));
    if (group === undefined) groups.set(by(item), [item]);
    else group.push(item);
  }
  return groups;
}

const putsIn = (rows: readonly (Write | string | null)[]): Write[] => rows.filter((row): row is Write => typeof row === 'object' && row !== null);

const show = (write: Write | undefined): string => (write === undefined ? 'nothing' : `${write.id} (${write.put ? 'set' : 'delete'} of ${write.key}, ${write.level})`);
