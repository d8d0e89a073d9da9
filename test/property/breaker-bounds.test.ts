import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attemptsMax, Breaker, type BreakerCall, type CallOutcome, RAMP_STEPS } from '../../src/core/breaker.ts';

/** Any sequence of calls, outcomes in any order, and times: what the breaker promises holds after each. */

type Step =
  | { readonly do: 'call'; readonly times: number }
  | { readonly do: 'settle'; readonly which: number; readonly outcome: CallOutcome }
  | { readonly do: 'pass'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('call' as const),
      times: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 30 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(),
      outcome: fc.constantFrom<CallOutcome>('failed', 'failed', 'failed', 'answered', 'unknown', 'unknown'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.oneof(fc.nat(200), fc.nat(5_000), fc.nat(100_000)),
    }),
  },
);

const RUNS = 3_000;
const reached = new Set<string>();

test('one probe at a time, attempts within the budget, the ramp within its width', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 400, size: 'max' }),
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 999 }),
      (steps, minDelayMs, factor, chance) => {
        const breaker = new Breaker();
        const maxDelayMs = minDelayMs * factor;
        const open: { call: BreakerCall; probe: boolean; ramp: boolean }[] = [];
        let nowMs = 0;
        /** Since when the store has failed, as far as the breaker was told, and what was begun since. */
        let outage: { sinceMs: number; attempts: number } | undefined;
        let n = 0;
        const moment = () => ({ nowMs, fraction: ((chance + n++ * 618) % 1_000) / 1_000, minDelayMs, maxDelayMs });
        for (const each of steps) {
          if (each.do === 'pass') nowMs += each.ms;
          for (let time = 0; each.do === 'call' && time < each.times; time++) {
            const admitted = breaker.admit(moment());
            // Refused or not, it must be possible to go on some time.
            if (admitted.kind !== 'go') {
              assert(
                breaker.nextAtMs(nowMs) > nowMs && breaker.nextAtMs(nowMs) < Number.POSITIVE_INFINITY,
                'nobody knows when to ask again',
              );
              break;
            }
            const { state } = breaker;
            assert(state !== 'open', 'a call was let in while it is open');
            // One that was given up has no say any more.
            if (state === 'half-open')
              assert(!open.some(({ probe, call }) => probe && call.term === admitted.call.term), 'a second probe');
            open.push({ call: admitted.call, probe: state === 'half-open', ramp: state === 'ramp' });
            const inRamp = open.filter(({ ramp, call }) => ramp && call.term === admitted.call.term).length;
            if (state === 'ramp')
              assert(inRamp <= breaker.width(nowMs) && inRamp < 2 ** RAMP_STEPS, `${inRamp} at once in the ramp`);
            if (outage !== undefined) outage.attempts++;
          }
          if (each.do === 'settle' && open.length > 0) {
            const [{ call }] = open.splice(each.which % open.length, 1) as [(typeof open)[number]];
            const before = breaker.failures;
            breaker.settle(call, each.outcome, moment());
            if (breaker.failures === 0) outage = undefined;
            else if (before === 0) outage = { sinceMs: nowMs, attempts: 0 };
          }
          reached.add(breaker.state);
          if (outage !== undefined)
            assert(
              outage.attempts <= attemptsMax(nowMs - outage.sinceMs, maxDelayMs),
              `${outage.attempts} attempts in ${nowMs - outage.sinceMs} ms`,
            );
        }
      },
    ),
    { numRuns: RUNS },
  );
  // The sequences reach what they are there for.
  expect([...reached].sort()).toEqual(['closed', 'half-open', 'open', 'ramp']);
});
