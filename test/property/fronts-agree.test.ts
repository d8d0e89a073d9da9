import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../src/clock-and-random.ts';
import type { LaneHeader } from '../../src/core/lane.ts';
import { type Front, type LaneFront, UNRECOVERED } from '../../src/ports/front.ts';
import { batchOf } from '../../src/testing/front-subject.ts';
import { type FrontPlace, frontPlaces } from '../support/fronts.ts';
import { simulatedPlace } from '../support/simulated-front.ts';

const RUNS = Number(process.env['MILLRACE_DIFFERENTIAL_RUNS'] ?? 200);
/** Far longer than a run: whether something has expired is a question of clocks, and the fronts have several. */
const LONG_MS = 3_600_000;
const KEYS = ['a', 'b', 'c', '__proto__', '{x}:y', 'é'];
const KINDS = ['memory', 'simulated', 'lmdb', 'redis'] as const;

type Step = (front: LaneFront, header: LaneHeader | undefined) => Promise<unknown>;

const key = fc.constantFrom(...KEYS);
const some = fc.uniqueArray(key, { maxLength: 4 });
const json = fc.constantFrom('1', '"two"', '{"three":[3]}', '""');
const slot = fc.oneof({ weight: 3, arbitrary: json }, { weight: 1, arbitrary: fc.constant('~') });
const token = fc.constantFrom('t', 'u', 'v');
const ttl = fc.constantFrom(undefined, LONG_MS, 2 * LONG_MS);
/** Mostly right, sometimes just off. */
const off = fc.constantFrom(0, 0, 0, 0, 1, -1);
const rows = fc.uniqueArray(fc.tuple(key, slot, ttl), { maxLength: 4, selector: ([name]) => name });

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

function write(
  front: LaneFront,
  batch: readonly (readonly [string, string, number | undefined])[],
  over: object = {},
): Promise<unknown> {
  const ttls = new Map(batch.flatMap(([, , ttlMs], i) => (ttlMs === undefined ? [] : [[i, ttlMs] as const])));
  return front.write(
    0,
    batchOf(
      batch.map(([key, raw]) => [key, raw]),
      { ttls: ttls.size === 0 ? undefined : ttls, ...over },
    ),
  );
}

/** The whole generation; in what order and in what pages it comes is the front's own business. */
async function generation(front: LaneFront, epoch: number, number: number): Promise<unknown> {
  const found = new Map<string, string | undefined>();
  for (let cursor = ''; ; ) {
    const page = await front.readGeneration(0, epoch, number, cursor, 2);
    if (page.kind === 'refused') return page;
    for (const { key, raw } of page.rows) found.set(key, raw);
    cursor = page.next;
    if (cursor === '') return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

const steps: fc.Arbitrary<Step>[] = [
  named('write', rows, (front, batch) => write(front, batch)),
  named(
    'write near a limit',
    fc.record({ batch: rows, accepted: fc.nat(9), maxEntries: fc.nat(6), maxBytes: fc.nat(30) }),
    (front, { batch, ...over }) => write(front, batch, over),
  ),
  named('cut', fc.record({ off, digest: fc.constantFrom('d', 'e') }), (front, { off, digest }, header) =>
    front.cut(0, (header?.epoch ?? 0) + off, digest),
  ),
  named(
    'acknowledge',
    fc.record({
      off,
      epochOff: off,
      dead: some,
      ttl,
      limit: fc.integer({ min: 1, max: 3 }),
      between: fc.array(rows, { maxLength: 2 }),
    }),
    async (front, { off, epochOff, dead, ttl, limit, between }, header) => {
      const ack = {
        epoch: (header?.epoch ?? 0) + epochOff,
        generation: (header?.flight?.generation ?? header?.generation ?? 0) + off,
        ttlMs: ttl,
        limit,
      };
      let result = await front.acknowledge(0, { ...ack, deadKeys: dead });
      // Which keys a part takes is the front's own business too, so they are compared when all are taken: then it does
      // not matter whether a key was written before or after its turn.
      // Nor how many parts there are, so the writes that found no place between them come after the last.
      for (let at = 0; at < between.length || result.kind === 'more'; at++) {
        const batch = between[at];
        if (batch !== undefined) await write(front, batch);
        if (result.kind === 'more') result = await front.acknowledge(0, { ...ack, deadKeys: [] });
      }
      return result.kind === 'refused' ? result : result.kind;
    },
  ),
  named(
    'recover',
    fc.record({
      tentative: fc.boolean(),
      forget: fc.boolean(),
      epochs: fc.constantFrom(undefined, [{ epoch: 2, seq: 1 }]),
      epoch: fc.constantFrom(1, 1, 1, 0, -1),
      generation: off,
      at: fc.constantFrom('stored', 'stored', 'flight', 'ahead', 'before'),
      digest: fc.constantFrom('d', 'e'),
      owner: fc.constantFrom('', 'me', 'you'),
    }),
    (front, { tentative, forget, epochs, epoch, generation, at, digest, owner }, header) => {
      const stored = header?.flight?.state === 'cut' ? header.flight.generation - 1 : (header?.generation ?? 0);
      const seqs = {
        stored: header?.storedSeq ?? 0,
        flight: header?.flight?.cutSeq ?? 0,
        ahead: (header?.seq ?? 0) + 3,
        before: (header?.storedSeq ?? 0) - 1,
      };
      const fence = {
        epoch: (header?.epoch ?? 1) + epoch,
        generation: Math.max(0, stored + (at === 'flight' ? 1 : generation)),
        seq: Math.max(0, seqs[at]),
        digest,
        ...(epochs === undefined ? {} : { epochs }),
      };
      return front.recover(0, { fence, tentative, forget, owner, leaseMs: LONG_MS });
    },
  ),
  named('confirm', off, (front, epochOff, header) => front.confirm(0, (header?.epoch ?? 0) + epochOff)),
  named('adopt', fc.constant(undefined), (front) => front.adopt(0)),
  named('claim', fc.constantFrom('me', 'you'), (front, owner) => front.claim(0, owner, LONG_MS)),
  named('release', fc.constantFrom('me', 'you'), (front, owner) => front.release(0, owner)),
  named('requestFlush', fc.constant(undefined), (front) => front.requestFlush(0)),
  named('beginFill', fc.record({ keys: some, token }), (front, { keys, token }) =>
    front.beginFill(0, keys, token, LONG_MS),
  ),
  named('beginRefresh', fc.record({ keys: some, token }), (front, { keys, token }) =>
    front.beginRefresh(0, keys, token),
  ),
  named(
    'endFill',
    fc.record({
      keys: some,
      token,
      loaded: fc.array(fc.option(json, { nil: undefined }), { minLength: 4, maxLength: 4 }),
      ttl,
    }),
    (front, { keys, token, loaded, ttl }) => front.endFill(0, keys, token, loaded.slice(0, keys.length), ttl),
  ),
  named('beginIntent', fc.record({ keys: some, token }), (front, { keys, token }) =>
    front.beginIntent(0, keys, token, LONG_MS),
  ),
  named(
    'finishIntent',
    fc.record({
      keys: some,
      token,
      committed: fc.array(fc.option(json, { nil: undefined }), { minLength: 4, maxLength: 4 }),
      ttl,
    }),
    (front, { keys, token, committed, ttl }) =>
      front.finishIntent(
        0,
        keys,
        token,
        committed.slice(0, keys.length),
        keys.map(() => ttl),
      ),
  ),
  named('invalidate', some, (front, keys) => front.invalidate(0, keys)),
];

/** Without what must differ: names that are drawn, and times. */
function comparable(header: LaneHeader | undefined): unknown {
  if (header === undefined) return undefined;
  const { runId, incarnation, leaseUntilMs, pendingSinceMs, flight, ...rest } = header;
  return {
    ...rest,
    named: runId !== '' && incarnation !== '',
    leased: leaseUntilMs > 0,
    pending: pendingSinceMs > 0,
    flight: flight && { ...flight, sinceMs: flight.sinceMs > 0 },
  };
}

function comparableResult(result: unknown): unknown {
  if (typeof result !== 'object' || result === null) return result;
  const { header, flight, ...rest } = result as { header?: LaneHeader; flight?: LaneHeader['flight'] };
  return { ...rest, header: comparable(header), flight: flight && { ...flight, sinceMs: flight.sinceMs > 0 } };
}

const long = (ttlMs: number | undefined): string => (ttlMs === undefined ? 'never' : `${Math.ceil(ttlMs / LONG_MS)} h`);

async function observe(front: LaneFront, header: LaneHeader | undefined, current: boolean): Promise<unknown> {
  const [raws, inspected, withTtl, rows] = await Promise.all([
    front.readMany(
      KEYS.map(() => 0),
      KEYS,
    ),
    Promise.all(KEYS.map((key) => front.inspect(0, key))),
    Promise.all(KEYS.map((key) => front.readWithTtl(0, key))),
    generation(front, header?.epoch ?? 0, header?.flight?.generation ?? 0),
  ]);
  return {
    header: comparable(header),
    current,
    raws,
    keys: inspected.map(({ raw, ttlMs, pending, inFlight }, i) => ({
      key: KEYS[i],
      raw,
      ttl: long(ttlMs),
      pending,
      inFlight,
    })),
    withTtl: withTtl.map((read) => (read === UNRECOVERED ? read : { raw: read.raw, ttl: long(read.ttlMs) })),
    rows,
  };
}

const places: FrontPlace[] = [];
const fronts: Front[] = [];
const keepers: LaneFront[] = [];
let caches = 0;

const attachAll = (cache: string): Promise<LaneFront[]> =>
  Promise.all(
    fronts.map((front) =>
      front.attach({
        cache,
        lanes: 1,
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
  keepers.push(...(await attachAll('keeper')));
});

afterAll(async () => {
  await Promise.all(keepers.map((lanes) => lanes.close()));
  for (const place of places) await place[Symbol.asyncDispose]();
});

test('memory, simulator, LMDB and Redis agree about every step', async () => {
  const begin = named('recover', fc.constant(undefined), (front) =>
    front.recover(0, { fence: { epoch: 1, generation: 0, seq: 0, digest: '' }, owner: 'me', leaseMs: LONG_MS }),
  );
  const sequence = fc.tuple(
    fc.option(begin, { freq: 10 }),
    fc.array(fc.oneof(...steps.map((arbitrary, i) => ({ arbitrary, weight: i < 4 ? 4 : 1 }))), {
      minLength: 1,
      maxLength: 25,
      size: 'max',
    }),
  );
  await fc.assert(
    fc.asyncProperty(sequence, async ([first, rest]) => {
      const attached = await attachAll(`c${caches++}`);
      try {
        for (const step of first === null ? rest : [first, ...rest]) {
          const seen = await Promise.all(
            attached.map(async (front) => {
              const result = comparableResult(await step(front, (await front.header(0)).header));
              const { header, current } = await front.header(0);
              return { result, ...((await observe(front, header, current)) as object) };
            }),
          );
          for (const [i, other] of seen.entries()) expect(other, `${KINDS[i]} after ${String(step)}`).toEqual(seen[0]);
        }
      } finally {
        await Promise.all(attached.map((lanes) => lanes.close()));
      }
    }),
    { numRuns: RUNS },
  );
}, 180_000);
