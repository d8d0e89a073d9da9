import { expect, test } from 'vitest';
import { parseDuration } from '../../src/core/duration.ts';

test.each([
  [0, 0],
  [1.5, 1.5],
  ['250ms', 250],
  ['5s', 5_000],
  ['1.5m', 90_000],
  ['1h', 3_600_000],
  ['2d', 172_800_000],
  [-1, undefined],
  [Number.NaN, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  ['', undefined],
  ['5', undefined],
  ['5 s', undefined],
  ['-5s', undefined],
  ['5w', undefined],
  [undefined, undefined],
  [null, undefined],
  [{}, undefined],
])('%s is %s ms', (duration, ms) => expect(parseDuration(duration)).toBe(ms));
