import { historyOf } from '../torture/judge/history.ts';
import { type Evidence, judge, type Offence } from '../torture/judge/index.ts';
import type { Asked, CacheName, Level, Line } from '../torture/ledger.ts';

interface How {
  readonly level?: Level;
  readonly acked?: boolean;
}

/** A ledger in the making: each step takes a millisecond. */
export class Doctored {
  readonly lines: Line[] = [];
  readonly #member: string;
  #t: number;
  #seq = 0;
  #writes = 0;

  constructor(member = 'w0', t = 0) {
    this.#member = member;
    this.#t = t;
  }

  /** Asks for a write and has it acknowledged; returns its id. */
  write(key: string, { put = true, ...how }: { readonly put?: boolean } & How = {}): string {
    return this.#ask({ key, mutation: put ? 'put' : 'delete' }, how);
  }

  add(key: string, digit: number, how: How = {}): string {
    return this.#ask({ key, mutation: 'delta', digit }, how);
  }

  score(key: string, digit: number, how: How = {}): string {
    return this.#ask({ key, mutation: 'score', digit }, how);
  }

  board(rows: readonly (readonly [string, string])[]): void {
    this.lines.push({ what: 'board', t: this.#t++, rows });
  }

  append(key: string, how: How = {}): string {
    return this.#ask({ key, mutation: 'append' }, how);
  }

  #ask(asked: Pick<Asked, 'key' | 'mutation' | 'digit'>, { level = 'buffered', acked = true }: How): string {
    const id = `${this.#member}:${++this.#writes}`;
    this.lines.push({ what: 'ask', t: this.#t++, id, level, ...asked });
    if (acked) this.lines.push({ what: 'ack', t: this.#t++, id, lane: 0, epoch: 1, seq: ++this.#seq });
    return id;
  }

  delete(key: string): string {
    return this.write(key, { put: false });
  }

  read(key: string, id: string | null): void {
    this.lines.push({ what: 'got', from: this.#t++, t: this.#t++, key, id });
  }

  total(key: string, total: bigint): void {
    this.lines.push({ what: 'total', cache: 'counts', from: this.#t++, t: this.#t++, key, total: String(total) });
  }

  loses(count: number, cache: CacheName = 'docs'): void {
    this.lines.push({ what: 'loss', t: this.#t++, cache, lane: 0, count, cause: 'front-lost-tail' });
  }

  /** Time passes: what was under way is over. */
  dies(): void {
    this.lines.push({ what: 'killed', t: this.#t });
    this.#t += 1_000;
  }

  says(line: Extract<Line, { what: 'stuck' }>['why']): void {
    this.lines.push({ what: 'stuck', t: this.#t, why: line });
  }

  dead(key: string, id: string, cache: CacheName = 'docs'): void {
    this.lines.push({ what: 'dead', t: this.#t++, cache, key, id });
  }
}

/** Versions of rows in the order of the audit; the last of each key is what is stored. */
export function audit(versions: Record<string, (string | null)[]>): Evidence {
  const stored = Object.entries(versions).flatMap(([key, ids]) =>
    typeof ids.at(-1) === 'string' ? [[key, ids.at(-1) as string] as const] : [],
  );
  return { ...NOTHING, versions: new Map(Object.entries(versions)), stored: new Map(stored) };
}

export const NOTHING: Evidence = {
  versions: new Map(),
  stored: new Map(),
  counts: new Map(),
  scores: new Map(),
  events: [],
};
export const sums = (counts: Record<string, bigint>): Evidence => ({
  ...NOTHING,
  counts: new Map(Object.entries(counts)),
});
/** Rows of the log, with order keys that rise. */
export const rows = (...ids: string[]): Evidence => ({ ...NOTHING, events: ids.map((id, order) => ({ id, order })) });

export function offences(
  ledger: Doctored,
  evidence: Evidence,
  survives: Level[] = ['buffered', 'fsynced', 'stored'],
): Offence[] {
  const { violations } = judge(historyOf(new Map([['w0', ledger.lines]]), false), evidence, {
    survives: new Set(survives),
  });
  return violations.map(({ offence }) => offence);
}
