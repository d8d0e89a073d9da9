import { isRefusedKey } from '../ledger.ts';
import { before, type Read, show, type Write } from './history.ts';
import { Accuser, type Case, grouped, type Offence, type Violation } from './verdict.ts';

/** Whether a history of documents explains every version and every read. */
export const judgeDocs = (matter: Case): Violation[] => new DocsJudge(matter).violations();

class DocsJudge extends Accuser {
  violations(): Violation[] {
    const { history, evidence } = this.matter;
    const writes = grouped(
      [...history.writes.values()].filter(({ mutation }) => mutation === 'put' || mutation === 'delete'),
      ({ key }) => key,
    );
    const reads = grouped(history.reads, ({ key }) => key);
    for (const key of new Set([...writes.keys(), ...evidence.versions.keys(), ...evidence.stored.keys()])) {
      const ofKey = new KeyWrites(writes.get(key) ?? []);
      if (isRefusedKey(key)) this.#judgeRefused(key, ofKey);
      else {
        this.#judgeVersions(key, ofKey);
        this.#judgeEnd(key, ofKey);
        this.#judgeReads(key, ofKey, reads.get(key) ?? []);
      }
    }
    return this.accusations;
  }

  #judgeRefused(key: string, writes: KeyWrites): void {
    for (const write of writes.all) this.judgeRefused('docs', write);
    if (this.matter.evidence.versions.has(key)) this.accuse('misread', `${key} was stored, which the store refuses`);
  }

  /** The store only moves forward, and makes each version once. */
  #judgeVersions(key: string, writes: KeyWrites): void {
    const rows = (this.matter.evidence.versions.get(key) ?? []).map((id) =>
      id === null ? null : (writes.byId(id) ?? id),
    );
    const seen = new Set<Write>();
    for (const [i, row] of rows.entries()) {
      if (typeof row === 'string') this.accuse('misread', `${key}: the store had ${row}, which nobody wrote`);
      else if (row === null) this.#judgeDeletion(key, writes, putsIn(rows.slice(0, i)), putsIn(rows.slice(i + 1)));
      else {
        if (seen.has(row)) this.accuse('duplicated', `${show(row)} was stored more than once`);
        const newer = [...seen].find((earlier) => before(row, earlier));
        if (newer !== undefined) this.accuse('reordered', `${show(row)} was stored after ${show(newer)}`);
        seen.add(row);
      }
    }
  }

  /** Some delete has to explain why the row went when it did. */
  #judgeDeletion(key: string, writes: KeyWrites, earlier: readonly Write[], later: readonly Write[]): void {
    const candidates = writes.deletes.filter((one) => !earlier.some((put) => before(one, put)));
    if (candidates.length === 0)
      this.accuse('reordered', `${key}: the row was deleted after ${show(earlier.at(-1))}, which no delete explains`);
    else if (!candidates.some((one) => !later.some((put) => before(put, one))))
      this.accuse('resurrected', `${key}: ${later.map(show).join(', ')} was stored after a later delete`);
  }

  /** At the end the store holds the last write of each key, or a later one that was not acknowledged. */
  #judgeEnd(key: string, writes: KeyWrites): void {
    const id = this.matter.evidence.stored.get(key);
    const last = id === undefined ? undefined : writes.byId(id);
    const versions = this.matter.evidence.versions.get(key) ?? [];
    if ((versions.at(-1) ?? undefined) !== id)
      this.accuse('misread', `${key}: the table has ${id}, its audit ends with ${versions.at(-1)}`);
    for (const write of writes.all) {
      if (write.acked === undefined || this.matter.excused.has(write)) continue;
      if (
        last !== undefined
          ? !before(last, write)
          : write.mutation === 'delete' || writes.deletes.some((one) => !before(one, write))
      )
        continue;
      const found = last === undefined ? 'nothing is stored' : `${show(last)} is stored`;
      this.accuse(
        write.mutation === 'put' ? 'lost' : 'resurrected',
        `${show(write)} was acknowledged${write.stored ? ' and stored' : ''}, and ${found}; ` +
          'no loss of it was reported or allowed',
      );
    }
  }

  #judgeReads(key: string, writes: KeyWrites, reads: readonly Read[]): void {
    for (const read of reads) {
      const fault = this.#faultOf(read, writes);
      if (fault === undefined) continue;
      const { offence, than } = fault;
      this.accuse(
        offence,
        `${read.member} read ${key} as ${read.id ?? 'nothing'} at ${read.from} to ${read.t}, ` +
          (than === undefined ? 'which nobody wrote by then' : `after ${show(than)}`),
      );
    }
    this.#judgeMonotonic(key, writes, reads);
  }

  /** A read may see what was under way, and nothing older than what was acknowledged before it began. */
  #faultOf(read: Read, writes: KeyWrites): { readonly offence: Offence; readonly than?: Write } | undefined {
    const known = writes.all.filter(
      (write) => write.acked !== undefined && write.acked < read.from && !this.matter.excused.has(write),
    );
    if (read.id === null) {
      const puts = known.filter(({ mutation }) => mutation === 'put');
      const deletes = writes.deletes.filter(({ asked }) => asked < read.t);
      const newest = puts.at(-1);
      if (newest === undefined || deletes.some((one) => !puts.some((put) => before(one, put)))) return undefined;
      return { offence: 'misread', than: newest };
    }
    const seen = writes.byId(read.id);
    if (seen === undefined || seen.asked > read.t) return { offence: 'misread' };
    const newer = known.find((write) => before(seen, write));
    return newer && { offence: newer.mutation === 'put' ? 'misread' : 'resurrected', than: newer };
  }

  /** What a process has seen it does not unsee. */
  #judgeMonotonic(key: string, writes: KeyWrites, reads: readonly Read[]): void {
    for (const ofMember of grouped(reads, ({ member }) => member).values()) {
      const seen: { readonly write: Write; readonly t: number }[] = [];
      for (const read of ofMember) {
        const write = read.id === null ? undefined : writes.byId(read.id);
        if (write === undefined) continue;
        const newer = seen.find((one) => one.t < read.from && before(write, one.write));
        if (newer !== undefined)
          this.accuse(
            'misread',
            `${read.member} read ${key} as ${write.id} at ${read.from} to ${read.t}, ` +
              `after it had read ${newer.write.id}`,
          );
        if (!this.matter.excused.has(write) && (write.acked !== undefined || !this.matter.forgets))
          seen.push({ write, t: read.t });
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
    this.deletes = this.all.filter(({ mutation }) => mutation === 'delete');
    this.#byId = new Map(this.all.map((write) => [write.id, write]));
  }

  byId(id: string): Write | undefined {
    return this.#byId.get(id);
  }
}

const putsIn = (rows: readonly (Write | string | null)[]): Write[] =>
  rows.filter((row): row is Write => typeof row === 'object' && row !== null);
