import type { Database } from 'lmdb';
import { compareBytes } from '../embedded/byte-order.ts';
import { after, keyOf } from './keys.ts';

/** One member in so many is a mark on the first level, one mark in so many on the next. */
const FAN_OUT = 256;
const LEVELS = [1, 2] as const;
/** The set of the members, and one of marks for each level. */
export const RANKED_SETS = 1 + LEVELS.length;

/**
 * Members by weight, then by the bytes of their UTF-8, among other sets of a table. On each level some members are
 * marks, by a hash of them, with the number of members from the mark to the next; the first has no member. So a rank is
 * found over some hundred marks and members whatever the size, and a change is one number on each level. All of it lies
 * in the environment, for all processes at any time. The idea is that of FoundationDB's RankedSet.
 */
export class RankedSet {
  readonly #table: Database<string, string>;
  readonly #members: string;
  readonly #levels: readonly string[];

  /** `sets` are {@link RANKED_SETS} names of sets that nothing else is in. */
  constructor(table: Database<string, string>, [members = '', ...levels]: readonly string[]) {
    this.#table = table;
    this.#members = members;
    this.#levels = levels;
  }

  insert(member: string, weight: number): void {
    const row = rowOf(member, weight);
    void this.#table.put(this.#members + row, '1');
    for (const level of LEVELS) {
      const { mark, count } = this.#markBefore(level, row, false);
      if (!this.#isMark(level, member)) {
        this.#count(level, mark, count + 1);
        continue;
      }
      const before = this.#between(level - 1, mark, row);
      this.#count(level, mark, before);
      this.#count(level, row, count - before + 1);
    }
  }

  /** Inserts members that are not there: what comes between two marks is counted in one go. */
  insertAll(members: readonly (readonly [member: string, weight: number])[]): void {
    const isMark = ([member]: readonly [string, number]): boolean => this.#isMark(1, member);
    const sorted = members.toSorted(([a, weight], [b, other]) => weight - other || compareBytes(a, b));
    const rows = sorted.filter((row) => !isMark(row)).map(([member, weight]) => rowOf(member, weight));
    for (const row of rows) void this.#table.put(this.#members + row, '1');
    for (const level of LEVELS) this.#countAll(level, rows);
    for (const [member, weight] of sorted.filter(isMark)) this.insert(member, weight);
  }

  /** Adds rows, in their order and none of them a mark, to the counts of the marks before them. */
  #countAll(level: number, rows: readonly string[]): void {
    const [first] = rows;
    const last = rows.at(-1);
    if (first === undefined || last === undefined) return;
    const set = this.#levels[level - 1] as string;
    const counts: (readonly [mark: string, count: number])[] = [];
    let { mark, count } = this.#markBefore(level, first, false);
    let at = 0;
    for (const next of this.#table.getRange({ start: set + first, end: set + last })) {
      const from = at;
      while (compareBytes(rows[at] as string, keyOf(next.key)) < 0) at++;
      if (at > from) counts.push([mark, count + at - from]);
      mark = keyOf(next.key);
      count = Number(next.value);
    }
    counts.push([mark, count + rows.length - at]);
    for (const [counted, members] of counts) this.#count(level, counted, members);
  }

  /** Removes a member that is there with this weight. */
  remove(member: string, weight: number): void {
    const row = rowOf(member, weight);
    this.#table.removeSync(this.#members + row);
    for (const level of LEVELS) {
      const { mark, count } = this.#markBefore(level, row, false);
      const name = this.#levels[level - 1] + row;
      const own = this.#isMark(level, member) ? Number(this.#table.get(name)) : 0;
      if (own > 0) this.#table.removeSync(name);
      this.#count(level, mark, count + own - 1);
    }
  }

  /** How many are before a member that is there with this weight. */
  rankOf(member: string, weight: number): number {
    const row = rowOf(member, weight);
    let rank = 0;
    let mark = '';
    for (const level of LEVELS.toReversed()) {
      const next = this.#markBefore(level, row, true).mark;
      rank += this.#between(level, mark, next);
      mark = next;
    }
    return rank + this.#between(0, mark, row);
  }

  range(from: number, count: number): (readonly [member: string, weight: number])[] {
    let skip = from;
    let mark = '';
    for (const level of LEVELS.toReversed()) {
      let passed = 0;
      for (const { key, value } of this.#rows(level, mark)) {
        if (skip < passed) break;
        skip -= passed;
        mark = keyOf(key);
        passed = Number(value);
      }
    }
    const start = this.#members + mark;
    return [...this.#table.getKeys({ start, end: after(this.#members), limit: skip + count })]
      .slice(skip)
      .map((key) => memberOf(keyOf(key)));
  }

  /** The last mark before the row, or at it; the first of a level is there without a row of its own. */
  #markBefore(level: number, row: string, isInclusive: boolean): { readonly mark: string; readonly count: number } {
    const set = this.#levels[level - 1] as string;
    const [found] = [
      ...this.#table.getRange({
        start: set + row,
        end: set,
        inclusiveEnd: true,
        exclusiveStart: !isInclusive,
        reverse: true,
        limit: 1,
      }),
    ];
    return found === undefined ? { mark: '', count: 0 } : { mark: keyOf(found.key), count: Number(found.value) };
  }

  /** Members from one mark of a level to another; on level 0 all are marks. */
  #between(level: number, from: string, to: string): number {
    if (from === to) return 0;
    if (level === 0) return [...this.#table.getKeys({ start: this.#members + from, end: this.#members + to })].length;
    const set = this.#levels[level - 1] as string;
    let sum = 0;
    for (const { value } of this.#table.getRange({ start: set + from, end: set + to })) sum += Number(value);
    return sum;
  }

  #rows(level: number, from: string): Iterable<{ readonly key: string; readonly value: string }> {
    const set = this.#levels[level - 1] as string;
    return this.#table.getRange({ start: set + from, end: after(set) });
  }

  #count(level: number, mark: string, count: number): void {
    void this.#table.put(this.#levels[level - 1] + mark, String(count));
  }

  /** By a hash that depends on the set, so that nobody can choose members of which none is a mark. Source: FNV-1a. */
  #isMark(level: number, member: string): boolean {
    let hash = 0x811c9dc5;
    for (const text of [this.#members, member]) {
      for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    }
    return (hash >>> 0) % FAN_OUT ** level === 0;
  }
}

const WEIGHT_DIGITS = 16;
const double = new DataView(new ArrayBuffer(8));

/** The bits of the weight, turned such that texts of them are in the order of the weights, and the member. */
function rowOf(member: string, weight: number): string {
  double.setFloat64(0, weight);
  const high = double.getUint32(0);
  const isNegative = high >= 0x8000_0000;
  const low = double.getUint32(4);
  return hex(isNegative ? ~high : high ^ 0x8000_0000) + hex(isNegative ? ~low : low) + member;
}

function memberOf(row: string): readonly [member: string, weight: number] {
  const high = Number.parseInt(row.slice(0, 8), 16);
  const low = Number.parseInt(row.slice(8, WEIGHT_DIGITS), 16);
  const isNegative = high < 0x8000_0000;
  double.setUint32(0, isNegative ? ~high : high ^ 0x8000_0000);
  double.setUint32(4, isNegative ? ~low : low);
  return [row.slice(WEIGHT_DIGITS), double.getFloat64(0)];
}

const hex = (bits: number): string => (bits >>> 0).toString(16).padStart(8, '0');
