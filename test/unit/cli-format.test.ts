import { describe, expect, test } from 'vitest';
import { addressOf, reasonOf } from '../../src/cli/demo/servers.ts';
import { failureText, redact } from '../../src/cli/failure.ts';
import { formatCount, formatFactor, formatMs, formatRate, plural, tableRows } from '../../src/cli/format.ts';

test.each([
  [0, '0.000 ms'],
  [0.0312, '0.031 ms'],
  [0.9994, '0.999 ms'],
  [1, '1.00 ms'],
  [9.994, '9.99 ms'],
  [9.996, '10.0 ms'],
  [41.23, '41.2 ms'],
  [99.96, '100 ms'],
  [999.4, '999 ms'],
  [999.6, '1.00 s'],
  [12_345, '12.3 s'],
  [99_960, '100 s'],
  [1_234_567, '1,235 s'],
  [undefined, '–'],
  [Number.NaN, '–'],
  [Number.POSITIVE_INFINITY, '–'],
])('%s ms is shown as %s', (ms, text) => {
  expect(formatMs(ms)).toBe(text);
});

test.each([
  [250, '250x'],
  [12_500, '12,500x'],
  [3.456, '3.46x'],
  [0.5, '0.50x'],
  [undefined, '–'],
  [Number.POSITIVE_INFINITY, '–'],
])('a speed-up of %s is shown as %s, never as Infinity', (factor, text) => {
  expect(formatFactor(factor)).toBe(text);
});

test('counts, rates and words', () => {
  expect(formatCount(1_000_000)).toBe('1,000,000');
  expect([formatRate(0.512), formatRate(9.4), formatRate(123_456.7), formatRate(undefined)]).toEqual([
    '0.51',
    '9.40',
    '123,457',
    '–',
  ]);
  expect([plural(1, 'row'), plural(20, 'row'), plural(2, 'flush', 'flushes')]).toEqual([
    '1 row',
    '20 rows',
    '2 flushes',
  ]);
});

test('a table is as wide as its cells', () => {
  const columns = [
    { title: 'policy', align: 'left' },
    { title: 'p50', align: 'right' },
  ] as const;
  expect(
    tableRows(columns, [
      ['write-through', '–'],
      ['b', '1.25 ms'],
    ]),
  ).toEqual(['policy             p50', 'write-through        –', 'b              1.25 ms']);
});

describe('what is said of a server', () => {
  test('names host and port, never who logs in', () => {
    expect(addressOf('redis://user:secret@cache.example:7000/0')).toBe('cache.example:7000');
    expect(addressOf('redis://localhost')).toBe('localhost:6379');
    expect(addressOf('postgres://user:secret@db/x')).toBe('db:5432');
  });

  test.each([
    [{ code: 'ECONNREFUSED' }, /nothing listens there/],
    [new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]), /nothing listens there/],
    [{ code: 'ENOTFOUND' }, /no such host/],
    [new Error('Connection timeout'), /no answer within 1 s/],
    [{ code: '28P01', message: 'password authentication failed for user "secret"' }, /^refuses the login$/],
    [new Error('WRONGPASS invalid username-password pair'), /^refuses the login$/],
    [{ code: '3D000', message: 'database "secret" does not exist' }, /^has no such database$/],
    [{ code: 'XX000', message: 'secret' }, /^cannot be used \(XX000\)$/],
    [undefined, /^cannot be used$/],
  ])('says why, in words of its own: %o', (error, reason) => {
    expect(reasonOf(error)).toMatch(reason);
    expect(reasonOf(error)).not.toContain('secret');
  });

  test.each([
    'redis://user:secret@host:1/0',
    'postgres://:se@secret@host/db?x=1',
    'postgres://host/db?password=secret&x=1',
    'postgres://u:sec/ret@host',
  ])('a credential in a message is taken out: %s', (url) => {
    const shown = redact(`could not open ${url} today`);
    expect(shown).not.toMatch(/secret|sec\/ret/);
    expect(shown).toMatch(/^could not open .*host.* today$/);
    expect(failureText(new Error('outer', { cause: new Error(url) }), true)).not.toMatch(/secret|sec\/ret/);
  });
});
