import { describe, expect, test } from 'vitest';
import {
  countersOf,
  DOCUMENTS,
  kindField,
  kindOf,
  kindsWith,
  kindTraits,
  LOG,
  leaderboardOf,
  misshapen,
  shapeOf,
  traitsOf,
} from '../../src/core/shape.ts';

describe('the texts of shapes', () => {
  test.each([
    [DOCUMENTS, { name: 'documents', noun: 'documents', holds: undefined, scale: 0 }],
    [LOG, { name: 'log', noun: 'a log', holds: 'log', scale: 0 }],
    [countersOf(0), { name: 'counters', noun: 'counters', holds: 'counters', scale: 0 }],
    [countersOf(2), { name: 'counters', noun: 'counters with 2 decimals', holds: 'counters', scale: 2 }],
    [leaderboardOf(false), { name: 'leaderboard', noun: 'a leaderboard', isLowestFirst: false, isRanked: true }],
    [leaderboardOf(true), { noun: 'a leaderboard with the lowest first', isLowestFirst: true, holds: 'scores' }],
  ] as const)('%j says what it is', (shape, traits) => {
    expect(traitsOf(shape)).toMatchObject(traits);
  });

  test('stay byte for byte what headers and tables have', () => {
    expect([DOCUMENTS, LOG, countersOf(0), countersOf(2), leaderboardOf(false), leaderboardOf(true)]).toEqual([
      '',
      'log',
      'counters',
      'counters.2',
      'scores',
      'scores.asc',
    ]);
    expect(traitsOf().name).toBe('documents');
    expect([shapeOf(undefined), shapeOf('log')]).toEqual(['', 'log']);
  });

  test('a lane of another shape is told apart', () => {
    expect(misshapen('log', 'log')).toBe('');
    expect(misshapen('scores', 'counters.2')).toBe('it holds a leaderboard, not counters with 2 decimals');
  });
});

test('a mutation names its kind, or shows it by having a value', () => {
  const named = [
    { json: '1' },
    { json: undefined },
    { kind: 'delta', json: '1' },
    { kind: 'append', json: '1' },
  ] as const;
  expect(named.map(kindOf)).toEqual(['put', 'delete', 'delta', 'append']);
  expect(kindsWith(({ isReplaced }) => isReplaced)).toEqual(['put', 'delete']);
  expect((['put', 'delete', 'delta', 'append'] as const).map(kindField)).toEqual([
    {},
    {},
    { kind: 'delta' },
    { kind: 'append' },
  ]);
  expect(kindTraits('append')).toMatchObject({ isOrdered: true, isReplaced: false });
});
