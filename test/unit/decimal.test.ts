import { describe, expect, test } from 'vitest';
import { fromScaled, SCALE_MAX, toScaled } from '../../src/core/decimal.ts';
import { traitsOf } from '../../src/core/shape.ts';

describe('decimals are whole numbers of a scale', () => {
  test.each([
    ['0', 0, 0n],
    ['12', 0, 12n],
    ['-12.00', 0, -12n],
    ['1.5', 2, 150n],
    ['-0.05', 2, -5n],
    ['1.500', 2, 150n],
    ['0.000000000000000001', SCALE_MAX, 1n],
  ])('%s with %i decimals is %s', (text, scale, scaled) => expect(toScaled(text, scale)).toBe(scaled));

  test.each([
    ['1.234', 2],
    ['1.5', 0],
    ['', 2],
    ['1.', 2],
    ['.5', 2],
    ['1e3', 2],
    ['+1', 2],
    ['NaN', 2],
    ['1'.repeat(41), 2],
  ])('"%s" with %i decimals is none', (text, scale) => expect(toScaled(text, scale)).toBeUndefined());
});

test.each([
  [12n, 0, '12'],
  [-12n, 0, '-12'],
  [150n, 2, '1.50'],
  [-5n, 2, '-0.05'],
  [0n, 2, '0.00'],
])('%s with %i decimals is written %s', (scaled, scale, text) => {
  expect(fromScaled(scaled, scale)).toBe(text);
  expect(toScaled(text, scale)).toBe(scaled);
});

test.each([
  ['', 0],
  ['log', 0],
  ['counters', 0],
  ['counters.2', 2],
] as const)('shape "%s" has %i decimals', (shape, scale) => expect(traitsOf(shape).scale).toBe(scale));
