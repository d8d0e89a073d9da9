import fc from 'fast-check';
import type { LaneHeader } from '../../src/core/lane.ts';
import { SUM_MAX } from '../../src/core/lane-deltas.ts';
import type { ScoreOp } from '../../src/core/lane-scores.ts';
import type { Shape } from '../../src/core/shape.ts';
import type { LaneFront } from '../../src/ports/front.ts';
import { changesOf, deltasOf, KEYS, withoutTokens } from './observed-lane.ts';

/** Far longer than a run: whether something has expired is a question of clocks, and the fronts have several. */
export const LONG_MS = 3_600_000;

export type Step = (front: LaneFront, header: LaneHeader | undefined) => Promise<unknown>;

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
export const lifeCycle: fc.Arbitrary<Step>[] = [
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
export function counterSteps(mayExpire: boolean): fc.Arbitrary<Step>[] {
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
export const append = named(
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
export const score = named(
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
export const load = named(
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
export const settle = named(
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
export const ranks = named(
  'around',
  fc.record({ member: key, count: fc.nat(2), from: fc.nat(3) }),
  async (front, { member, count, from }) => [
    withoutTokens(await front.readScores(0, 'scores', { kind: 'around', member, count })),
    withoutTokens(await front.readScores(0, 'scores', { kind: 'range', from, count })),
  ],
);
