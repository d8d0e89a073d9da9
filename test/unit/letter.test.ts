import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeRefusal, type LetterPolicy, type Verdict } from '../../src/core/letter.ts';

const policy: LetterPolicy = { attempts: 3, minDelayMs: 100, maxDelayMs: 1_000, flushDelayMs: 5_000 };

/** The verdicts of a row that is refused each time. */
function life(lacksParent: boolean, over: Partial<LetterPolicy> = {}): Verdict[] {
  const verdicts: Verdict[] = [];
  for (let attempts: number | undefined; verdicts.at(-1)?.state !== 'dead'; attempts = verdicts.at(-1)?.attempts) {
    verdicts.push(judgeRefusal({ code: 'any', attempts, lacksParent }, { ...policy, ...over }, 1));
  }
  return verdicts;
}

describe('a row that is refused each time', () => {
  test('waits longer after each attempt, and is dead after the last', () => {
    expect(life(false)).toEqual([
      { state: 'waiting', attempts: 1, retryInMs: 100 },
      { state: 'waiting', attempts: 2, retryInMs: 200 },
      { state: 'dead', attempts: 3 },
    ]);
  });

  test('is dead at once where it has one attempt', () => {
    expect(life(false, { attempts: 1 })).toEqual([{ state: 'dead', attempts: 1 }]);
  });

  test('gives the row that a foreign key refers to the time of a flush first', () => {
    expect(life(true)).toEqual([
      { state: 'waiting', attempts: 0, retryInMs: 5_100 },
      { state: 'waiting', attempts: 1, retryInMs: 100 },
      { state: 'waiting', attempts: 2, retryInMs: 200 },
      { state: 'dead', attempts: 3 },
    ]);
    expect(life(true, { attempts: 1 }).map(({ state }) => state)).toEqual(['waiting', 'dead']);
  });
});

test('however it is set, a row is dead after its attempts, and no wait is longer than its bound', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.boolean(),
      (attempts, minDelayMs, maxDelayMs, lacksParent) => {
        const verdicts = life(lacksParent, { attempts, minDelayMs, maxDelayMs });
        expect(verdicts.at(-1)).toEqual({ state: 'dead', attempts });
        expect(verdicts).toHaveLength(attempts + (lacksParent ? 1 : 0));
        for (const [at, verdict] of verdicts.entries()) {
          if (verdict.state === 'dead') continue;
          const boundMs = maxDelayMs + (lacksParent && at === 0 ? policy.flushDelayMs : 0);
          expect(verdict.retryInMs).toBeGreaterThan(0);
          expect(verdict.retryInMs).toBeLessThanOrEqual(boundMs);
        }
      },
    ),
  );
});
