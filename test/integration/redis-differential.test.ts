import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LaneHeader } from '../../src/core/lane.ts';
import { memoryFront } from '../../src/fronts/memory/index.ts';
import type { LaneFront } from '../../src/ports/front.ts';
import { redisUrl } from '../servers/index.ts';
import { attach, attachment, batch, clients, fence } from './redis-fixture.ts';

const keys = ['a', 'b', 'c', '7', 'é', '{x}', 'long'.repeat(20)];
const key = fc.constantFrom(...keys);
const some = fc.uniqueArray(key, { maxLength: 4 });
const slot = fc.constantFrom('1', '"two"', '{"three":3}', '~', `"${'é'.repeat(40)}"`);
const token = fc.constantFrom('t1', 't2', 't3');
/** Far from the length of a test, so that both clocks agree about what is expired. */
const ttl = fc.constantFrom(undefined, 0, 3_600_000);
const small = fc.integer({ min: 0, max: 4 });
const near = fc.integer({ min: -1, max: 1 });

type Step = (front: LaneFront, header: LaneHeader | undefined) => Promise<unknown>;
const step = <T>(
  name: string,
  argument: fc.Arbitrary<T>,
  run: (front: LaneFront, argument: T, header: LaneHeader | undefined) => Promise<unknown>,
) =>
  argument.map((value) =>
    Object.assign(((front, header) => run(front, value, header)) as Step, {
      toString: () => `${name}(${fc.stringify(value)})`,
    }),
  );

const write = step(
  'write',
  fc.record({
    keys: some,
    slots: fc.array(slot, { minLength: 4, maxLength: 4 }),
    more: small,
    own: fc.array(fc.option(fc.constant(7_200_000), { nil: undefined }), { maxLength: 4 }),
    maxEntries: fc.constantFrom(3, 6, 1_000),
    maxBytes: fc.constantFrom(20, 60, Infinity),
  }),
  (front, { keys, slots, more, own, maxEntries, maxBytes }) => {
    const rows = Object.fromEntries(keys.map((key, i) => [key, slots[i] as string]));
    const named = batch(rows);
    const ttls = new Map(
      own.flatMap((ttlMs, i) => (ttlMs === undefined || i >= keys.length ? [] : [[i, ttlMs] as const])),
    );
    return front.write(0, {
      ...named,
      accepted: named.accepted + more,
      ttls: ttls.size > 0 ? ttls : undefined,
      maxEntries,
      maxBytes,
    });
  },
);

async function generation(front: LaneFront, epoch: number, generation: number): Promise<unknown> {
  const rows = new Map<string, string | undefined>();
  let cursor = '';
  do {
    const page = await front.readGeneration(0, epoch, generation, cursor, 2);
    if (page.kind === 'refused') return page;
    for (const { key, raw } of page.rows) rows.set(key, raw);
    cursor = page.next;
  } while (cursor !== '');
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
}

const steps: fc.Arbitrary<Step>[] = [
  write,
  write,
  step('cut', fc.record({ near, digest: fc.constantFrom('d1', 'd2') }), (front, { near, digest }, header) =>
    front.cut(0, (header?.epoch ?? 0) + (near === 1 ? 1 : 0), digest),
  ),
  step('readGeneration', near, (front, off, header) =>
    generation(front, header?.epoch ?? 0, (header?.generation ?? 0) + (off === 1 ? 1 : 0)),
  ),
  step(
    'acknowledge',
    fc.record({ off: near, dead: some, ttl, limit: fc.constantFrom(0, 3, 3) }),
    async (front, { off, dead, ttl, limit }, header) => {
      const ack = {
        epoch: header?.epoch ?? 0,
        generation: (header?.generation ?? 0) + (off === 1 ? 1 : 0),
        deadKeys: dead,
        ttlMs: ttl,
        limit,
      };
      let result = await front.acknowledge(0, ack);
      // Which keys a chunk takes may differ, so all are taken.
      while (result.kind === 'more') result = await front.acknowledge(0, { ...ack, limit: 3 });
      return result;
    },
  ),
  step(
    'claim',
    fc.record({ owner: fc.constantFrom('me', 'you'), lease: fc.constantFrom(0, 3_600_000) }),
    (front, { owner, lease }) => front.claim(0, owner, lease),
  ),
  step('release', fc.constantFrom('me', 'you'), (front, owner) => front.release(0, owner)),
  step('requestFlush', fc.constant(undefined), (front) => front.requestFlush(0)),
  step(
    'recover',
    fc.record({
      epoch: near,
      generation: near,
      seq: fc.constantFrom('stored', 'flight', 'ahead', 'other'),
      digest: fc.constantFrom('d1', 'd2'),
      owner: fc.constantFrom('', 'me'),
      tentative: fc.boolean(),
      forget: fc.boolean(),
      epochs: fc.constantFrom([], [{ epoch: 2, seq: 1 }]),
    }),
    (front, { epoch, generation, seq, digest, owner, tentative, forget, epochs }, header) => {
      const at = {
        stored: header?.storedSeq ?? 0,
        flight: header?.flight?.cutSeq ?? 0,
        ahead: (header?.seq ?? 0) + 3,
        other: (header?.seq ?? 0) - 1,
      }[seq];
      return front.recover(0, {
        fence: fence({
          epoch: (header?.epoch ?? 1) + epoch,
          generation: Math.max(
            0,
            (header?.flight?.state === 'cut' ? header.flight.generation - 1 : (header?.generation ?? 0)) + generation,
          ),
          seq: Math.max(0, at),
          digest,
          epochs,
        }),
        tentative,
        forget,
        owner,
        leaseMs: 3_600_000,
      });
    },
  ),
  step('recover as it is', fc.constant(undefined), (front, _, header) =>
    front.recover(0, {
      fence: fence({
        epoch: (header?.epoch ?? 0) + 1,
        generation: header?.flight?.state === 'cut' ? header.flight.generation - 1 : (header?.generation ?? 0),
        seq: header?.storedSeq ?? 0,
      }),
      owner: 'me',
      leaseMs: 3_600_000,
    }),
  ),
  step('confirm', near, (front, off, header) => front.confirm(0, (header?.epoch ?? 0) + (off === 1 ? 1 : 0))),
  step('adopt', fc.constant(undefined), (front) => front.adopt(0)),
  step('beginFill', fc.record({ keys: some, token }), (front, { keys, token }) =>
    front.beginFill(0, keys, token, 3_600_000),
  ),
  step('beginRefresh', fc.record({ keys: some, token }), (front, { keys, token }) =>
    front.beginRefresh(0, keys, token),
  ),
  step(
    'endFill',
    fc.record({
      keys: some,
      token,
      loaded: fc.array(fc.option(fc.constantFrom('5', '"6"'), { nil: undefined }), { minLength: 4, maxLength: 4 }),
      ttl,
    }),
    (front, { keys, token, loaded, ttl }) => front.endFill(0, keys, token, loaded, ttl),
  ),
  step('beginIntent', fc.record({ keys: some, token }), (front, { keys, token }) =>
    front.beginIntent(0, keys, token, 3_600_000),
  ),
  step(
    'finishIntent',
    fc.record({
      keys: some,
      token,
      committed: fc.array(fc.option(fc.constantFrom('8', '"9"'), { nil: undefined }), { minLength: 4, maxLength: 4 }),
      ttl,
    }),
    (front, { keys, token, committed, ttl }) =>
      front.finishIntent(
        0,
        keys,
        token,
        committed,
        keys.map(() => ttl),
      ),
  ),
  step('invalidate', some, (front, keys) => front.invalidate(0, keys)),
  step('read', key, (front, key) => front.read(0, key)),
  step('readMany', some, (front, keys) =>
    front.readMany(
      keys.map(() => 0),
      keys,
    ),
  ),
];

/** Names that each front makes for itself, and times by two clocks. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (name === 'runId' || name === 'incarnation') return [name, typeof inner];
      if (/^(pendingSinceMs|sinceMs|leaseUntilMs)$/.test(name)) return [name, inner === 0 ? 0 : 'set'];
      if (name === 'ttlMs' && typeof inner === 'number') return [name, Math.round(inner / 600_000)];
      return [name, comparable(inner)];
    }),
  );
}

async function stateOf(front: LaneFront): Promise<unknown> {
  return Promise.all([front.header(0), ...keys.map((key) => front.inspect(0, key))]);
}

test('takes every sequence of steps as the pure functions do', async () => {
  const client = clients['node-redis'](redisUrl());
  await using kept = await attach(client);
  expect(kept.lanes).toBeDefined();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...steps), { minLength: 5, maxLength: 40 }), async (sequence) => {
      await using redis = await attach(client);
      const memory = await memoryFront().attach(attachment());
      // Most sequences are about a lane that works.
      for (const front of [memory, redis.lanes])
        await front.recover(0, { fence: fence(), owner: 'me', leaseMs: 3_600_000 });
      for (const [at, run] of sequence.entries()) {
        const { header } = await memory.header(0);
        const expected = { result: await run(memory, header), state: await stateOf(memory) };
        const found = { result: await run(redis.lanes, header), state: await stateOf(redis.lanes) };
        // The step is part of both, so that a difference says where it is.
        expect({ at, run: String(run), ...(comparable(found) as object) }).toEqual({
          at,
          run: String(run),
          ...(comparable(expected) as object),
        });
      }
      await memory.close();
    }),
    { numRuns: Number(process.env['MILLRACE_DIFFERENTIAL_RUNS'] ?? 60) },
  );
}, 120_000);
