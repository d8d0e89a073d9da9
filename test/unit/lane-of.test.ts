import { expect, test } from 'vitest';
import { laneOf } from '../../src/core/lane-of.ts';

test('the lane of a key never changes', () => {
  const keys = ['a', 'b', 'user:1', 'user:2', '__proto__', 'é', '鍵', '👍', 'x'.repeat(512)];
  expect(keys.map((key) => laneOf(key, 32))).toMatchInlineSnapshot(`
    [
      0,
      19,
      28,
      24,
      23,
      23,
      26,
      9,
      25,
    ]
  `);
  expect(keys.map((key) => laneOf(key, 7))).toMatchInlineSnapshot(`
    [
      4,
      3,
      2,
      1,
      5,
      4,
      5,
      5,
      4,
    ]
  `);
});

test('with one lane there is no choice', () => {
  expect(laneOf('anything', 1)).toBe(0);
});

test.each([2, 7, 16, 32, 100])('keys that differ in their last character spread over %i lanes', (lanes) => {
  const counts = Array.from({ length: lanes }, () => 0);
  for (let i = 0; i < 200 * lanes; i++) counts[laneOf(`session:${i}`, lanes)]!++;
  expect(Math.min(...counts)).toBeGreaterThan(120);
  expect(Math.max(...counts)).toBeLessThan(300);
});
