import { expect, test } from 'vitest';
import type { Evidence } from '../torture/judge/index.ts';
import { Doctored, NOTHING, offences, rows, sums } from './doctored-ledger.ts';

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
