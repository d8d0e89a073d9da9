import { expect, test } from 'vitest';
import { historyOf } from '../torture/history.ts';
import { judge, type Evidence, type Offence } from '../torture/judge.ts';
import type { Level, Line } from '../torture/ledger.ts';

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
  write(key: string, { put = true, level = 'buffered' as Level, acked = true } = {}): string {
    const id = `${this.#member}:${++this.#writes}`;
    this.lines.push({ what: 'ask', t: this.#t++, id, key, put, level });
    if (acked) this.lines.push({ what: 'ack', t: this.#t++, id, lane: 0, epoch: 1, seq: ++this.#seq });
    return id;
  }

  delete(key: string): string {
    return this.write(key, { put: false });
  }

  read(key: string, id: string | null): void {
    this.lines.push({ what: 'got', from: this.#t++, t: this.#t++, key, id });
  }

  loses(count: number): void {
    this.lines.push({ what: 'loss', t: this.#t++, lane: 0, count, cause: 'front-lost-tail' });
  }

  /** Time passes: what was under way is over. */
  dies(): void {
    this.lines.push({ what: 'killed', t: this.#t });
    this.#t += 1_000;
  }

  says(line: Extract<Line, { what: 'stuck' }>['why']): void {
    this.lines.push({ what: 'stuck', t: this.#t, why: line });
  }

  dead(key: string, id: string): void {
    this.lines.push({ what: 'dead', t: this.#t++, key, id });
  }
}

/** Versions of rows in the order of the audit; the last of each key is what is stored. */
function audit(versions: Record<string, (string | null)[]>): Evidence {
  const stored = Object.entries(versions).flatMap(([key, ids]) => (typeof ids.at(-1) === 'string' ? [[key, ids.at(-1) as string] as const] : []));
  return { versions: new Map(Object.entries(versions)), stored: new Map(stored) };
}

function offences(ledger: Doctored, evidence: Evidence, survives: Level[] = ['buffered', 'fsynced', 'stored']): Offence[] {
  const { violations } = judge(historyOf(new Map([['w0', ledger.lines]]), false), evidence, { survives: new Set(survives) });
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
  expect(offences(ledger, audit({ k: [first] })), 'no level of this cycle can lose anything').toEqual(['lost', 'falseAlarms']);
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

test('a read of what is older than acknowledged, of nothing, of what nobody wrote, and of what was seen newer is a misread', () => {
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
  const history = historyOf(new Map([['w0', dying.lines], ['w1', reader.lines]]), false);
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
