import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrayText, literal } from '../../src/stores/postgres/identifiers.ts';
import { unstorable, unstorableText } from '../../src/stores/postgres/json-text.ts';
import { parseTableName } from '../../src/stores/sql/names.ts';

describe('JSON text that jsonb refuses', () => {
  test.each([
    [String.raw`"\u0000"`, 'NUL'],
    [String.raw`{"a":["x\u0000"]}`, 'NUL'],
    [String.raw`{"\u0000":1}`, 'NUL'],
    [String.raw`"\\\u0000"`, 'NUL'],
    [String.raw`"\ud83d"`, 'surrogate'],
    [String.raw`"\uDE00"`, 'surrogate'],
    [String.raw`"\ude00\ud83d"`, 'surrogate'],
    [String.raw`"\ud83d\ud83d\ude00"`, 'surrogate'],
    [String.raw`"\ud83dx\ude00"`, 'surrogate'],
    [String.raw`"\ud83d\n\ude00"`, 'surrogate'],
    [String.raw`"\ud83d\\ude00"`, 'surrogate'],
    ['"\ud83d"', 'surrogate'],
  ])('%s', (json, what) => {
    expect(unstorable(json)).toContain(what);
  });

  test.each([
    String.raw`"\\u0000"`,
    String.raw`"\\\\u0000"`,
    String.raw`"\\ud83d"`,
    String.raw`"\ud83d\ude00"`,
    String.raw`"\uD83D\uDE00\u0001"`,
    '"👍"',
    '"u0000"',
    String.raw`"\"\/\b\f\n\r\t"`,
    'null',
  ])('and not %s', (json) => {
    expect(unstorable(json)).toBeUndefined();
  });

  test('agrees with what the parsed text holds', () => {
    const unit = fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0xd7ff, max: 0xe000 }) },
      fc.constantFrom(0, 0x5c, 0x75, 0x30, 0x22, 0x41),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), (units) => {
        const text = String.fromCharCode(...units);
        const bad = unstorableText(text) !== undefined;
        expect(unstorable(JSON.stringify({ text })) !== undefined).toBe(bad);
        const escaped = `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`;
        expect(unstorable(escaped) !== undefined).toBe(bad);
      }),
    );
  });
});

test('table names are read as SQL reads them', () => {
  expect(parseTableName('users')).toEqual({ schema: undefined, name: 'users' });
  expect(parseTableName('Public.Users')).toEqual({ schema: 'public', name: 'users' });
  expect(parseTableName('"Odd Name"')).toEqual({ schema: undefined, name: 'Odd Name' });
  expect(parseTableName('app."a.b""c"')).toEqual({ schema: 'app', name: 'a.b"c' });
});

test.each(['', 'a b', 'a.b.c', '"open', 'a;drop table b', '1a', '.', 'a.', '""', "a'b"])(
  '%s is no table name',
  (name) => {
    expect(parseTableName(name)).toBeUndefined();
  },
);

test('literals and arrays hold any text', () => {
  expect(literal("it's")).toBe("'it''s'");
  expect(literal("\\'")).toBe("E'\\\\'''");
  expect(arrayText(['a', 'b"c', 'd\\e', 'NULL', ''])).toBe('{"a","b\\"c","d\\\\e","NULL",""}');
});
