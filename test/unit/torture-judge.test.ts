import { expect, test } from 'vitest';
import { historyOf } from '../torture/judge/history.ts';
import { judge } from '../torture/judge/index.ts';
import type { Level } from '../torture/ledger.ts';
import { audit, Doctored, offences, sums } from './doctored-ledger.ts';

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

test('what was seen and never acknowledged may be gone again where a level of the cycle can be lost', () => {
  const ledger = new Doctored();
  ledger.add('k', 0, { level: 'fsynced' });
  ledger.add('k', 1, { acked: false });
  ledger.total('k', 5n);
  ledger.total('k', 1n);
  expect(offences(ledger, sums({ k: 1n }), ['fsynced', 'stored'])).toEqual([]);
  expect(offences(ledger, sums({ k: 1n }))).toEqual(['misread']);
});
