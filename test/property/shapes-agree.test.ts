import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LaneHeader } from '../../src/core/lane.ts';
import { SUM_MAX } from '../../src/core/lane-deltas.ts';
import type { ScoreOp } from '../../src/core/lane-scores.ts';
import { type Shape, traitsOf } from '../../src/core/shape.ts';
import type { Front, LaneFront } from '../../src/ports/front.ts';
import { systemClock, systemRandom } from '../../src/system.ts';
import { type FrontPlace, frontPlaces } from '../support/fronts.ts';
import { simulatedPlace } from '../support/simulated-front.ts';

const RUNS = Number(process.env['MILLRACE_DIFFERENTIAL_RUNS'] ?? 80);
/** Far longer than a run: whether something has expired is a question of clocks, and the fronts have several. */
const LONG_MS = 3_600_000;
const KEYS = ['a', 'b', '__proto__', '{x}:y', 'é'];
const KINDS = ['memory', 'lmdb', 'redis', 'simulated'] as const;

type Step = (front: LaneFront, header: LaneHeader | undefined) => Promise<unknown>;

function named<T>(
  name: string,
  argument: fc.Arbitrary<T>,
  run: (front: LaneFront, argument: T, header: LaneHeader | undefined) => Promise<unknown>,
): fc.Arbitrary<Step> {
  return argument.map((value) =>
    Object.assign<Step, object>((front, header) => run(front, value, header), {
      toString: () => `${name}(${fc.stringify(value)})`,
    }),
  );
}

const key = fc.constantFrom(...KEYS);
const some = fc.uniqueArray(key, { maxLength: 4 });
/** Small ones, and those about where sums of doubles, doubles and 64 bits end. */
const sum = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt(-9n, 9n) },
  fc.constantFrom(
    2n ** 52n - 1n,
    2n ** 52n,
    -(2n ** 52n),
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    -(2n ** 53n) - 1n,
    2n ** 62n + 1n,
    -(2n ** 62n) + 3n,
    SUM_MAX,
    -SUM_MAX,
    SUM_MAX - 1_025n,
    1_025n,
  ),
);
const four = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(arbitrary, { minLength: 4, maxLength: 4 });
/** Mostly right, sometimes just off. */
const off = fc.constantFrom(0, 0, 0, 0, 1, -1);
const limit = fc.constantFrom(SUM_MAX, SUM_MAX, 2n ** 53n - 1n, 20n);
const room = fc.constantFrom(
  { maxEntries: 1_000, maxBytes: 10_000 },
  { maxEntries: 1_000, maxBytes: 10_000 },
  { maxEntries: 4, maxBytes: 10_000 },
  { maxEntries: 1_000, maxBytes: 30 },
);

/** What every lane goes through, whatever is in it. */
const lifeCycle: fc.Arbitrary<Step>[] = [
  named('cut', fc.record({ off, digest: fc.constantFrom('d', 'e') }), (front, { off, digest }, header) =>
    front.cut(0, (header?.epoch ?? 0) + off, digest),
  ),
  named('acknowledge', fc.record({ off, dead: some }), async (front, { off, dead }, header) => {
    const result = await front.acknowledge(0, {
      epoch: header?.epoch ?? 0,
      generation: (header?.flight?.generation ?? header?.generation ?? 0) + off,
      deadKeys: dead,
      ttlMs: LONG_MS,
      limit: 3,
    });
    return result.kind === 'refused' ? result : result.kind;
  }),
  named(
    'recover',
    fc.record({
      generation: off,
      at: fc.constantFrom('stored', 'stored', 'flight', 'ahead'),
      digest: fc.constantFrom('d', 'e'),
      forget: fc.boolean(),
    }),
    async (front, { generation, at, digest, forget }, header) => {
      const stored = header?.flight?.state === 'cut' ? header.flight.generation - 1 : (header?.generation ?? 0);
      const seqs = {
        stored: header?.storedSeq ?? 0,
        flight: header?.flight?.cutSeq ?? 0,
        ahead: (header?.seq ?? 0) + 3,
      };
      const result = await front.recover(0, {
        fence: {
          epoch: (header?.epoch ?? 1) + 1,
          generation: Math.max(0, stored + (at === 'flight' ? 1 : generation)),
          seq: seqs[at],
          digest,
        },
        owner: 'me',
        leaseMs: LONG_MS,
        forget,
      });
      return 'header' in result ? { kind: result.kind, dropped: result.dropped } : result;
    },
  ),
  named('invalidate', some, (front, keys) => front.invalidate(0, keys)),
  named(
    'pages',
    fc.record({ epoch: off, generation: off, from: fc.nat(3) }),
    async (front, { epoch, generation, from }, header) => {
      const of = {
        epoch: (header?.epoch ?? 0) + epoch,
        generation: (header?.flight?.generation ?? header?.generation ?? 0) + generation,
      };
      return [
        await deltasOf(front, of),
        await front.readLog(0, of.epoch, of.generation, from, 2),
        await changesOf(front, of),
      ];
    },
  ),
];

/** Of a cache whose totals expire, or of one whose totals never do: a front may take a shorter way there. */
function counterSteps(mayExpire: boolean): fc.Arbitrary<Step>[] {
  const increment = named(
    'increment',
    fc.record({
      keys: some,
      sums: four(sum),
      wanted: four(fc.boolean()),
      more: fc.nat(3),
      limit,
      room,
      shape: fc.constantFrom<Shape>('counters', 'counters', 'counters', 'counters.2'),
    }),
    (front, { keys, sums, wanted, more, limit, room, shape }) =>
      front.increment(0, {
        accepted: keys.length + more,
        keys,
        sums: sums.slice(0, keys.length),
        wanted: wanted.slice(0, keys.length),
        shape,
        limit,
        mayExpire,
        bytes: 7 * keys.length,
        ...room,
      }),
  );
  const add = named('add', fc.record({ keys: some, sums: four(sum) }), (front, { keys, sums }) =>
    front.increment(0, {
      accepted: keys.length,
      keys,
      sums: sums.slice(0, keys.length),
      wanted: keys.map(() => false),
      shape: 'counters',
      limit: SUM_MAX,
      mayExpire,
      bytes: 7 * keys.length,
      maxEntries: 1_000,
      maxBytes: 10_000,
    }),
  );
  const fill = named(
    'fillTotals',
    fc.record({
      keys: some,
      stored: four(sum),
      off,
      missed: off,
      epoch: off,
      limit,
      ttl: fc.constantFrom(undefined, ...(mayExpire ? [LONG_MS] : [])),
    }),
    (front, { keys, stored, off, missed, epoch, limit, ttl }, header) =>
      front.fillTotals(0, {
        keys,
        stored: stored.slice(0, keys.length),
        generation: (header?.generation ?? 0) + off,
        epoch: (header?.epoch ?? 0) + epoch,
        invalidations: (header?.invalidations ?? 0) + missed,
        shape: 'counters',
        limit,
        ttlMs: ttl,
      }),
  );
  return [increment, add, fill];
}
const append = named(
  'append',
  fc.record({
    entries: fc.array(fc.constantFrom('1', '"two"', '{"é":[3]}', ''), { maxLength: 5 }),
    room,
    shape: fc.constantFrom<Shape>('log', 'log', 'log', ''),
  }),
  (front, { entries, room, shape }) => front.append(0, { entries, bytes: entries.join('').length, shape, ...room }),
);

const WEIGHTS = [0, 1, 2, -3, 0.1, 0.2, 1e-9, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER];
const weight = fc.constantFrom(...WEIGHTS);
const score = named(
  'writeScores',
  fc.record({
    ops: fc.array(fc.tuple(fc.constantFrom<ScoreOp>('set', 'best', 'add', 'remove'), key, weight), { maxLength: 6 }),
    room,
    shape: fc.constantFrom<Shape>('scores', 'scores', 'scores', 'scores.asc'),
  }),
  async (front, { ops, room, shape }) =>
    withoutTokens(
      await front.writeScores(0, {
        ops: ops.map(([op]) => op),
        members: ops.map(([, member]) => member),
        weights: ops.map(([, , by]) => by),
        shape,
        bytes: 7 * new Set(ops.map(([, member]) => member)).size,
        ...room,
      }),
    ),
);
/** Half of them complete the board. */
const load = named(
  'load',
  fc.record({
    keys: some,
    weights: four(weight),
    off,
    epoch: off,
    from: fc.constantFrom('', '', 'b'),
    next: fc.constantFrom(undefined, undefined, 'b'),
  }),
  async (front, { keys, weights, off, epoch, from, next }, header) => {
    const rows = keys.map((member, i) => [member, weights[i] as number] as const);
    return withoutTokens(
      await front.fillScores(0, {
        generation: (header?.generation ?? 0) + off,
        epoch: (header?.epoch ?? 0) + epoch,
        shape: 'scores',
        page: { from, next, rows },
      }),
    );
  },
);
const settle = named(
  'settle',
  fc.record({ weights: four(fc.option(weight, { nil: undefined })), late: fc.boolean() }),
  async (front, { weights, late }, header) => {
    const at = { generation: header?.generation ?? 0, epoch: header?.epoch ?? 0, shape: 'scores' } as const;
    const found = await front.fillScores(0, at);
    if (found.kind !== 'filled') return withoutTokens(found);
    const doubts = found.doubts
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([member, token], i) => ({ member, token: late && i === 0 ? 'another' : token, weight: weights[i] }));
    return withoutTokens(await front.fillScores(0, { ...at, doubts }));
  },
);
const ranks = named(
  'around',
  fc.record({ member: key, count: fc.nat(2), from: fc.nat(3) }),
  async (front, { member, count, from }) => [
    withoutTokens(await front.readScores(0, 'scores', { kind: 'around', member, count })),
    withoutTokens(await front.readScores(0, 'scores', { kind: 'range', from, count })),
  ],
);

/** Doubts come in any order, with tokens that each front makes for itself. */
function withoutTokens<T extends object>(result: T): unknown {
  return 'doubts' in result
    ? {
        ...(comparableResult(result) as object),
        doubts: (result.doubts as [string, string][]).map(([member]) => member).toSorted(),
      }
    : comparableResult(result);
}

/** Without what must differ: names that are drawn, and times. */
function comparable(header: LaneHeader | undefined): unknown {
  if (header === undefined) return undefined;
  const { flight, pendingSinceMs } = header;
  return {
    ...header,
    runId: '',
    incarnation: '',
    leaseUntilMs: 0,
    pendingSinceMs: pendingSinceMs > 0,
    flight: flight && { ...flight, sinceMs: flight.sinceMs > 0 },
  };
}

function comparableResult(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || !('header' in result || 'flight' in result)) return result;
  const { header, flight, ...rest } = result as { header?: LaneHeader; flight?: LaneHeader['flight'] };
  return { ...rest, header: comparable(header), flight: flight && { ...flight, sinceMs: flight.sinceMs > 0 } };
}

async function deltasOf(
  front: LaneFront,
  { epoch, generation }: { epoch: number; generation: number },
): Promise<unknown> {
  const found = new Map<string, bigint>();
  for (let cursor = ''; ; ) {
    const page = await front.readDeltas(0, epoch, generation, cursor, 2);
    if (page.kind === 'refused') return page;
    for (const [key, delta] of page.rows) found.set(key, delta);
    cursor = page.next;
    if (cursor === '') return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

async function changesOf(
  front: LaneFront,
  { epoch, generation }: { epoch: number; generation: number },
): Promise<unknown> {
  const found = new Map<string, number | null>();
  for (let cursor = ''; ; ) {
    const page = await front.readFlightScores(0, epoch, generation, cursor, 2);
    if (page.kind === 'refused') return page;
    for (const [member, change] of page.rows) found.set(member, change);
    cursor = page.next;
    if (cursor === '') return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

async function observe(front: LaneFront): Promise<unknown> {
  const { header, current } = await front.header(0);
  const of = { epoch: header?.epoch ?? 0, generation: header?.flight?.generation ?? 0 };
  const shared = { header: comparable(header), current };
  if (traitsOf(header?.shape).isRanked) {
    return {
      ...shared,
      board: withoutTokens(await front.readScores(0, 'scores', { kind: 'range', from: 0, count: 100 })),
      scores: withoutTokens(await front.readScores(0, 'scores', { kind: 'scores', members: KEYS })),
      members: await Promise.all(
        KEYS.map(async (key) => {
          const { raw, pending, inFlight } = await front.inspect(0, key);
          return { weight: raw === undefined ? undefined : Number(raw), pending, inFlight };
        }),
      ),
      changes: await changesOf(front, of),
    };
  }
  return {
    ...shared,
    totals: await front.readMany(
      KEYS.map(() => 0),
      KEYS,
    ),
    keys: await Promise.all(
      KEYS.map(async (key) => {
        const { ttlMs = 0, pending, inFlight } = await front.inspect(0, key);
        return { expires: ttlMs > 0, pending, inFlight };
      }),
    ),
    deltas: await deltasOf(front, of),
    log: [
      await front.readLog(0, of.epoch, of.generation, 0, 3),
      await front.readLog(0, of.epoch, of.generation, 3, 1_000),
    ],
  };
}

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
