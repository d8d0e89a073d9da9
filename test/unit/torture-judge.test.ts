import { expect, test } from 'vitest';
import { historyOf } from '../torture/judge/history.ts';
import { type Evidence, judge, type Offence } from '../torture/judge/index.ts';
import type { Asked, CacheName, Level, Line } from '../torture/ledger.ts';

interface How {
  readonly level?: Level;
  readonly acked?: boolean;
}

/** A ledger in the making: each step takes a millisecond. */
class Doctored {
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
function audit(versions: Record<string, (string | null)[]>): Evidence {
  const stored = Object.entries(versions).flatMap(([key, ids]) =>
    typeof ids.at(-1) === 'string' ? [[key, ids.at(-1) as string] as const] : [],
  );
  return { ...NOTHING, versions: new Map(Object.entries(versions)), stored: new Map(stored) };
}

const NOTHING: Evidence = { versions: new Map(), stored: new Map(), counts: new Map(), scores: new Map(), events: [] };
const sums = (counts: Record<string, bigint>): Evidence => ({ ...NOTHING, counts: new Map(Object.entries(counts)) });
/** Rows of the log, with order keys that rise. */
const rows = (...ids: string[]): Evidence => ({ ...NOTHING, events: ids.map((id, order) => ({ id, order })) });

function offences(
  ledger: Doctored,
  evidence: Evidence,
  survives: Level[] = ['buffered', 'fsynced', 'stored'],
): Offence[] {
  const { violations } = judge(historyOf(new Map([['w0', ledger.lines]]), false), evidence, {
    survives: new Set(survives),
  });
  return violations.map(({ offence }) => offence);
}

test('what was acknowledged and stored in order is in order', () => {
  const ledger = new Doctored();
  const first = ledger.write('k');
  const second = ledger.write('k');
  ledger.read('k', second);
  ledger.delete('k');
  ledger.read('k', null);
  const last = ledger.write('k');
  expect(offences(ledger, audit({ k: [first, second, null, last] }))).toEqual([]);
  expect(offences(ledger, audit({ k: [last] })), 'coalesced').toEqual([]);
});

test('a write whose outcome is not known may be there or not', () => {
  const ledger = new Doctored();
  const first = ledger.write('k');
  const open = ledger.write('k', { acked: false });
  ledger.dies();
  expect(offences(ledger, audit({ k: [first, open] }))).toEqual([]);
  expect(offences(ledger, audit({ k: [first] }))).toEqual([]);
});

test('an acknowledged write that is not stored is lost', () => {
  const ledger = new Doctored();
  const first = ledger.write('k');
  ledger.write('k');
  expect(offences(ledger, audit({ k: [first] }))).toEqual(['lost']);
  expect(offences(ledger, audit({}))).toEqual(['lost', 'lost']);
  expect(offences(ledger, audit({}), ['stored']), 'no level that allows it has reported it').toEqual(['lost', 'lost']);
});

test('a reported loss is a loss only for a level that should have survived', () => {
  const ledger = new Doctored();
  const first = ledger.write('k');
  ledger.write('k', { level: 'fsynced' });
  ledger.loses(1);
  expect(offences(ledger, audit({ k: [first] }), ['stored'])).toEqual([]);
  expect(offences(ledger, audit({ k: [first] }), ['fsynced', 'stored'])).toEqual(['lost']);
  expect(offences(ledger, audit({ k: [first] })), 'no level of this cycle can lose anything').toEqual([
    'lost',
    'falseAlarms',
  ]);
  expect(offences(ledger, audit({}), ['stored']), 'more is gone than was reported').toEqual(['lost']);
});

test('a write that was told to be stored is there, whatever its level and whatever is reported', () => {
  const ledger = new Doctored();
  const id = ledger.write('k');
  ledger.lines.push({ what: 'stored', t: 10, id });
  ledger.loses(1);
  expect(offences(ledger, audit({}), ['stored'])).toEqual(['lost']);
});

test('a reported loss of what is stored is a false alarm', () => {
  const ledger = new Doctored();
  const id = ledger.write('k');
  ledger.loses(1);
  expect(offences(ledger, audit({ k: [id] }), ['stored'])).toEqual(['falseAlarms']);
});

test('a version that is stored twice is duplicated', () => {
  const ledger = new Doctored();
  const id = ledger.write('k');
  expect(offences(ledger, audit({ k: [id, id] }))).toEqual(['duplicated']);
});

test('an older version after a newer one is reordered, also where a newer one follows', () => {
  const ledger = new Doctored();
  const first = ledger.write('k');
  const second = ledger.write('k');
  const third = ledger.write('k');
  expect(offences(ledger, audit({ k: [second, first, third] }))).toEqual(['reordered']);
});

test('a row that goes without a delete is reordered', () => {
  const ledger = new Doctored();
  ledger.delete('k');
  const put = ledger.write('k');
  const last = ledger.write('k');
  expect(offences(ledger, audit({ k: [put, null, last] }))).toEqual(['reordered']);
});

test('a value that is stored after its delete is resurrected', () => {
  const ledger = new Doctored();
  const put = ledger.write('k');
  ledger.delete('k');
  expect(offences(ledger, audit({ k: [put] })), 'never deleted').toEqual(['resurrected']);
  const other = new Doctored();
  const first = other.write('k');
  const second = other.write('k');
  other.delete('k');
  const last = other.write('k');
  expect(offences(other, audit({ k: [first, null, second, last] }))).toEqual(['resurrected']);
});

test('a deleted value that is read is resurrected', () => {
  const ledger = new Doctored();
  const put = ledger.write('k');
  ledger.delete('k');
  ledger.read('k', put);
  expect(offences(ledger, audit({ k: [put, null] }))).toEqual(['resurrected']);
});

test('a read of what is too old, of nothing, of what nobody wrote, and of what was seen newer is a misread', () => {
  const ledger = new Doctored();
  const first = ledger.write('k');
  const second = ledger.write('k');
  const evidence = audit({ k: [first, second] });
  for (const id of [first, null, 'stranger']) {
    ledger.read('k', id);
    expect(offences(ledger, evidence)).toEqual(['misread']);
    ledger.lines.pop();
  }
  const dying = new Doctored();
  const old = dying.write('k');
  const open = dying.write('k', { acked: false });
  const reader = new Doctored('w1', 2_000);
  dying.dies();
  reader.read('k', open);
  reader.read('k', old);
  const history = historyOf(
    new Map([
      ['w0', dying.lines],
      ['w1', reader.lines],
    ]),
    false,
  );
  const { violations } = judge(history, audit({ k: [old, open] }), { survives: new Set<Level>(['buffered']) });
  expect(violations.map(({ offence }) => offence)).toEqual(['misread']);
});

test('a row that the store refuses is one dead letter', () => {
  const ledger = new Doctored();
  const id = ledger.write('refused-1');
  expect(offences(ledger, audit({}))).toEqual(['lost']);
  ledger.dead('refused-1', id);
  expect(offences(ledger, audit({}))).toEqual([]);
  ledger.dead('refused-1', id);
  expect(offences(ledger, audit({}))).toEqual(['duplicated']);
});

test('a lane that stopped, or a drain that did not end, is an offence', () => {
  const ledger = new Doctored();
  ledger.says('did not drain');
  expect(offences(ledger, audit({}))).toEqual(['stuck']);
});

test('every digit of a sum tells of one increment', () => {
  const ledger = new Doctored();
  ledger.add('k', 0);
  ledger.add('k', 2);
  ledger.add('k', 30);
  const open = ledger.add('k', 5, { acked: false });
  ledger.dies();
  const all = 1n + 4n ** 2n + 4n ** 30n;
  expect(offences(ledger, sums({ k: all }))).toEqual([]);
  expect(offences(ledger, sums({ k: all + 4n ** 5n })), `${open} may be there`).toEqual([]);
  expect(offences(ledger, sums({ k: all + 2n * 4n ** 5n })), `${open} may be there once`).toEqual(['duplicated']);
  expect(offences(ledger, sums({ k: all - 1n }))).toEqual(['lost']);
  expect(offences(ledger, sums({ k: all + 1n }))).toEqual(['duplicated']);
  expect(offences(ledger, sums({ k: all + 4n ** 30n }))).toEqual(['duplicated']);
  expect(offences(ledger, sums({ k: all + 4n ** 7n }))).toEqual(['misread']);
  expect(offences(ledger, sums({}))).toEqual(['lost', 'lost', 'lost']);
  expect(offences(ledger, sums({ k: all, stranger: 1n }))).toEqual(['misread']);
});

test('every digit of a score tells of one addition, and the leaderboard is that of the rows', () => {
  const ledger = new Doctored();
  ledger.score('b', 0);
  ledger.score('a', 0);
  ledger.score('c', 25);
  const scores = (rows: Record<string, bigint>): Evidence => ({ ...NOTHING, scores: new Map(Object.entries(rows)) });
  const all = { a: 1n, b: 1n, c: 4n ** 25n };
  expect(offences(ledger, scores(all))).toEqual([]);
  expect(offences(ledger, scores({ ...all, a: 0n }))).toEqual(['lost']);
  expect(offences(ledger, scores({ ...all, b: 2n }))).toEqual(['duplicated']);
  expect(offences(ledger, sums(all)).sort(), 'as counters').toEqual([
    'lost',
    'lost',
    'lost',
    'misread',
    'misread',
    'misread',
  ]);
  const top = [
    ['c', String(4n ** 25n)],
    ['a', '1'],
    ['b', '1'],
  ] as const;
  ledger.board(top);
  expect(offences(ledger, scores(all))).toEqual([]);
  ledger.board([top[0], top[2], top[1]]);
  expect(offences(ledger, scores(all)), 'ties in their order').toEqual(['misread']);
});

test('a total has what was acknowledged before, once, and keeps what was seen', () => {
  const ledger = new Doctored();
  ledger.add('k', 0);
  const evidence = sums({ k: 5n });
  for (const [total, found] of [
    [1n, []],
    [0n, ['misread']],
    [2n, ['misread']],
    [5n, ['misread']],
  ] as const) {
    ledger.total('k', total);
    expect(offences(ledger, sums({ k: 1n })), `read as ${total}`).toEqual(found);
    ledger.lines.pop();
  }
  ledger.add('k', 1, { acked: false });
  ledger.total('k', 1n);
  ledger.total('k', 5n);
  expect(offences(ledger, evidence)).toEqual([]);
  ledger.total('k', 1n);
  expect(offences(ledger, evidence)).toEqual(['misread']);
});

test('increments may be gone as far as it was reported, of their cache and their level', () => {
  const ledger = new Doctored();
  ledger.add('k', 0, { level: 'stored' });
  ledger.add('k', 1);
  ledger.add('k', 2);
  ledger.loses(1, 'events');
  expect(offences(ledger, sums({ k: 1n }), ['stored']), 'of another cache').toEqual(['lost', 'lost']);
  ledger.loses(1, 'counts');
  expect(offences(ledger, sums({ k: 1n }), ['stored'])).toEqual(['lost']);
  ledger.loses(2, 'counts');
  expect(offences(ledger, sums({ k: 1n }), ['stored'])).toEqual([]);
  expect(offences(ledger, sums({ k: 0n }), ['stored']), 'what was stored is gone too').toEqual(['lost']);
  expect(offences(ledger, sums({ k: 21n }), ['stored']), 'nothing is gone').toEqual(['falseAlarms', 'falseAlarms']);
});

test('an increment that the store refuses is one dead letter', () => {
  const ledger = new Doctored();
  ledger.add('refused-1', 0);
  expect(offences(ledger, sums({}))).toEqual(['lost']);
  ledger.dead('refused-1', '', 'docs');
  expect(offences(ledger, sums({})), 'of another cache').toEqual(['lost']);
  ledger.dead('refused-1', '', 'counts');
  expect(offences(ledger, sums({}))).toEqual([]);
  expect(offences(ledger, sums({ 'refused-1': 1n }))).toEqual(['misread']);
});

test('an event is in the table once, if it was acknowledged or not', () => {
  const ledger = new Doctored();
  const first = ledger.append('a');
  const second = ledger.append('b');
  const open = ledger.append('a', { acked: false });
  ledger.dies();
  expect(offences(ledger, rows(first, second, open))).toEqual([]);
  expect(offences(ledger, rows(first, second))).toEqual([]);
  expect(offences(ledger, rows(first, open))).toEqual(['lost']);
  expect(offences(ledger, rows(first, second, second))).toEqual(['duplicated']);
  expect(offences(ledger, rows(first, second, open, open))).toEqual(['duplicated']);
  expect(offences(ledger, rows(first, second, 'stranger'))).toEqual(['misread']);
  ledger.loses(1, 'events');
  expect(offences(ledger, rows(first), ['stored'])).toEqual([]);
  expect(offences(ledger, rows(), ['stored'])).toEqual(['lost']);
  expect(offences(ledger, rows(first, second), ['stored'])).toEqual(['falseAlarms']);
});

test('events are in the order of their lane, of their key, and of their process', () => {
  const ledger = new Doctored();
  const first = ledger.append('a');
  const second = ledger.append('b');
  expect(offences(ledger, rows(second, first)), 'of one lane').toEqual(['reordered']);
  const orders = {
    ...NOTHING,
    events: [
      { id: first, order: 2 },
      { id: second, order: 1 },
    ],
  };
  expect(offences(ledger, orders)).toEqual(['reordered']);
  const other = new Doctored();
  const open = other.append('a', { acked: false });
  other.dies();
  const late = other.append('a');
  expect(offences(other, rows(late, open)), 'it was over when the later one was asked for').toEqual(['reordered']);
});

test('an event that the store refuses is one dead letter', () => {
  const ledger = new Doctored();
  const id = ledger.append('refused-1');
  expect(offences(ledger, rows())).toEqual(['lost']);
  ledger.dead('', id, 'events');
  expect(offences(ledger, rows())).toEqual([]);
  expect(offences(ledger, rows(id))).toEqual(['misread']);
});

test('what was seen and never acknowledged may be gone again where a level of the cycle can be lost', () => {
  const ledger = new Doctored();
  ledger.add('k', 0, { level: 'fsynced' });
  ledger.add('k', 1, { acked: false });
  ledger.total('k', 5n);
  ledger.total('k', 1n);
  expect(offences(ledger, sums({ k: 1n }), ['fsynced', 'stored'])).toEqual([]);
  expect(offences(ledger, sums({ k: 1n }))).toEqual(['misread']);
});
