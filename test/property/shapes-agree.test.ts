import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../src/clock-and-random.ts';
import type { Shape } from '../../src/core/shape.ts';
import type { Front, LaneFront } from '../../src/ports/front.ts';
import { type FrontPlace, frontPlaces } from '../support/fronts.ts';
import { simulatedPlace } from '../support/simulated-front.ts';
import { comparableResult, observe } from './observed-lane.ts';
import { append, counterSteps, LONG_MS, lifeCycle, load, ranks, type Step, score, settle } from './shape-steps.ts';

const RUNS = Number(process.env['MILLRACE_DIFFERENTIAL_RUNS'] ?? 80);

const KINDS = ['memory', 'lmdb', 'redis', 'simulated'] as const;

const places: FrontPlace[] = [];
const fronts: Front[] = [];
const keepers: LaneFront[] = [];
let caches = 0;

const attachAll = (cache: string, shape: Shape): Promise<LaneFront[]> =>
  Promise.all(
    fronts.map((front) =>
      front.attach({
        cache,
        lanes: 1,
        shape,
        acks: ['buffered'],
        clock: systemClock,
        random: systemRandom,
        writeBehind: true,
        onReconnect: () => undefined,
        onWarning: () => undefined,
      }),
    ),
  );

beforeAll(async () => {
  for (const kind of KINDS) {
    const place = kind === 'simulated' ? simulatedPlace() : await frontPlaces[kind]();
    places.push(place);
    fronts.push(place.front());
  }
  // Keeps connections and files open from one run to the next.
  keepers.push(...(await attachAll('keeper', '')));
});

afterAll(async () => {
  await Promise.all(keepers.map((lanes) => lanes.close()));
  for (const place of places) await place[Symbol.asyncDispose]();
});

/** The first sequence that a front takes in its own way, as an error; undefined when there is none. */
async function disagreement(shape: Shape, own: readonly fc.Arbitrary<Step>[]): Promise<string | undefined> {
  const weighted = [
    ...own.map((arbitrary) => ({ arbitrary, weight: 5 })),
    ...lifeCycle.map((arbitrary, i) => ({ arbitrary, weight: i < 2 ? 3 : 1 })),
  ];
  const found = await fc.check(
    fc.asyncProperty(
      fc.array(fc.oneof(...weighted), { minLength: 3, maxLength: 25, size: 'max' }),
      async (sequence) => {
        const attached = await attachAll(`shapes-${caches++}`, shape);
        try {
          for (const front of attached)
            await front.recover(0, {
              fence: { epoch: 1, generation: 0, seq: 0, digest: '' },
              owner: 'me',
              leaseMs: LONG_MS,
            });
          for (const step of sequence) {
            const seen = await Promise.all(
              attached.map(async (front) => ({
                result: comparableResult(await step(front, (await front.header(0)).header)),
                state: await observe(front),
              })),
            );
            for (const [i, other] of seen.entries())
              expect(other, `${KINDS[i]} after ${String(step)}`).toEqual(seen[0]);
          }
        } finally {
          await Promise.all(attached.map((lanes) => lanes.close()));
        }
      },
    ),
    { numRuns: RUNS },
  );
  return found.failed ? fc.defaultReportMessage(found) : undefined;
}

test.each([true, false])(
  'memory, simulator, LMDB and Redis agree about every step on counters (expiring: %s)',
  async (mayExpire) => {
    expect(await disagreement('counters', counterSteps(mayExpire))).toBeUndefined();
  },
  120_000,
);

test('memory, simulator, LMDB and Redis agree about every step on a log', async () => {
  expect(await disagreement('log', [append])).toBeUndefined();
}, 120_000);

test('memory, simulator, LMDB and Redis agree about every step on a leaderboard', async () => {
  expect(await disagreement('scores', [score, score, load, settle, ranks])).toBeUndefined();
}, 120_000);
