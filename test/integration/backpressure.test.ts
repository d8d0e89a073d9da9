import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { laneOf } from '../../src/core/lane-of.ts';
import { type BackpressureOptions, type Cache, isMillraceError, MillraceError } from '../../src/index.ts';
import { AuditedTable, watched } from '../support/audited-table.ts';
import { eventually, Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { type FrontKind, frontKinds, NEVER, Stage } from '../support/stage.ts';

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(() => table.reset());
afterAll(() => table[Symbol.asyncDispose]());

/** A cache whose two entries are taken, in front of a store that takes nothing before the gate opens. */
async function full<V>(
  stage: Stage,
  backpressure: BackpressureOptions,
  gate: Gate,
  values: readonly [V, V],
): Promise<Cache<V>> {
  const cache = await stage.open<V>({
    store: watched(table.store(), { beforeApply: () => gate.pass() }),
    flush: NEVER,
    backpressure: { maxEntries: 2, ...backpressure },
  });
  await cache.set('p', values[0]);
  await cache.set('q', values[1]);
  return cache;
}

describe.each(frontKinds)('a full buffer on the %s front', (kind: FrontKind) => {
  test('lets a bounded number wait, and tells one more at once', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await full<number>(stage, { maxWaiters: 3 }, gate, [1, 1]);
    const waiting = ['a', 'b', 'c'].map((key, n) => cache.set(key, n));
    await gate.arrived;
    const refused = await outcome(cache.set('d', 9));
    expect(refused).toMatch(/^MILLRACE_FULL The buffer is full: 2 of 2 entries /);
    expect(refused).toMatch(/ 3 writes wait for room already \(backpressure\.maxWaiters\)/);
    // Neither reads nor what is dirty are held up.
    expect(await cache.get('p')).toBe(1);
    expect(await cache.get('a')).toBeUndefined();
    gate.open();
    await Promise.all(waiting);
    await cache.flush();
    expect(await table.stored()).toEqual({ p: 1, q: 1, a: 0, b: 1, c: 2 });
    expect((await cache.stats()).refused).toBe(1);
  });

  test('lets a write wait for so long, and then keeps nothing of it', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await full<number>(stage, { maxWait: 60 }, gate, [1, 1]);
    const startedAt = performance.now();
    const [first, second] = await Promise.all([outcome(cache.set('a', 1)), outcome(cache.set('a', 2))]);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(59);
    for (const said of [first, second])
      expect(said).toMatch(/^MILLRACE_FULL .* waited 60 ms for room \(backpressure\.maxWait\)/);
    gate.open();
    await cache.flush();
    expect(await table.stored()).toEqual({ p: 1, q: 1 });
    await cache.set('a', 3);
    expect(await cache.get('a')).toBe(3);
  });

  test("with onFull 'write-through' answers when the store has the write, in the order of each key", async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await full<number>(stage, { onFull: 'write-through' }, gate, [1, 1]);
    const answered: string[] = [];
    const writes = [
      ['a', 1],
      ['a', 2],
      ['b', 1],
    ] as const;
    const asked = writes.map(([key, n]) =>
      cache.set(key, n).then((receipt) => {
        answered.push(`${key} ${n}`);
        return receipt.stored();
      }),
    );
    await gate.arrived;
    expect(answered).toEqual([]);
    await eventually('readers see it', async () => (await cache.get('a')) === 2);
    expect(answered).toEqual([]);
    gate.open();
    await Promise.all(asked);
    expect(answered.toSorted()).toEqual(['a 1', 'a 2', 'b 1']);
    expect(await table.stored()).toMatchObject({ a: 2, b: 1 });
    await cache.flush();
    expect(await table.stored()).toEqual({ p: 1, q: 1, a: 2, b: 1 });
  });

  test("with onFull 'write-through' goes beyond the capacity by a bounded number, and lets the rest wait", async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await full<number>(stage, { onFull: 'write-through', maxWaiters: 2 }, gate, [1, 1]);
    const asked = ['a', 'b', 'c', 'd'].map((key) => cache.set(key, 1));
    await gate.arrived;
    await eventually('two are beyond the capacity', async () => (await cache.stats()).pending.entries === 4);
    expect(await outcome(cache.set('e', 1))).toMatch(/^MILLRACE_FULL .* 2 writes wait for room already/);
    gate.open();
    await Promise.all(asked);
    await cache.flush();
    expect(await table.stored()).toEqual({ p: 1, q: 1, a: 1, b: 1, c: 1, d: 1 });
  });

  test('takes back a waiting write whose signal is aborted, and only that one', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await full<number>(stage, {}, gate, [1, 1]);
    const [one, two] = [new AbortController(), new AbortController()];
    const writes = [
      cache.set('a', 1),
      cache.set('a', 2, { signal: one.signal }),
      cache.set('b', 1, { signal: two.signal }),
    ];
    const outcomes = writes.map(outcome);
    await gate.arrived;
    one.abort();
    two.abort();
    for (const said of await Promise.all(outcomes.slice(1)))
      expect(said).toMatch(/^MILLRACE_ABORTED .*nothing of it was written/);
    gate.open();
    expect(await outcomes[0]).toBe('written');
    await cache.flush();
    expect(await table.stored()).toEqual({ p: 1, q: 1, a: 1 });
  });

  test('takes updates that need no room, lets those that do wait, and never swaps two writes of a key', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await stage.open<string>({
      name: 'one',
      store: watched(table.store(), { beforeApply: () => gate.pass() }),
      lanes: 1,
      flush: NEVER,
      backpressure: { maxBytes: 20 },
    });
    await cache.set('p', '12345678'); // 10 bytes with its quotation marks
    await cache.set('q', '12345678');
    await cache.pause();
    const log: string[] = [];
    const note = (name: string, work: Promise<unknown>) => work.then(() => void log.push(name));
    const writes = [note('new', cache.set('n', 'x')), note('longer', cache.set('p', '123456789'))];
    await note('as long', cache.set('q', 'abcdefgh'));
    writes.push(note('short, behind it', cache.set('p', 's')));
    await note('as long again', cache.set('q', 'ABCDEFGH'));
    expect(log).toEqual(['as long', 'as long again']);
    expect(Object.fromEntries(await cache.getMany(['p', 'q', 'n']))).toEqual({ p: '12345678', q: 'ABCDEFGH' });
    gate.open();
    await cache.resume();
    await Promise.all(writes);
    expect(log).toEqual(['as long', 'as long again', 'new', 'longer', 'short, behind it']);
    await cache.flush();
    expect(await table.stored()).toEqual({ p: 's', q: 'ABCDEFGH', n: 'x' });
  });

  test('says since when the store fails, and refuses at once what can never fit', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<string>({
      store: watched(table.store(), {
        beforeApply: () => {
          throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'down');
        },
      }),
      flush: { maxDelay: 1 },
      retry: { minDelay: 5, maxDelay: 10 },
      backpressure: { maxEntries: 1, maxBytes: 50, maxWait: '200ms' },
    });
    const failed = new Promise((resolve) => cache.on('flush-failed', resolve));
    await cache.set('p', '1');
    await failed;
    expect(await outcome(cache.set('a', '1'))).toMatch(
      /MILLRACE_FULL .*Flushes have failed for \d+ ms, the last with MILLRACE_STORE_UNAVAILABLE/,
    );
    expect(await outcome(cache.set('a', 'x'.repeat(50)))).toMatch(/MILLRACE_FULL .*more than backpressure\.maxBytes/);
    await cache.close({ timeout: 0 });
  });

  test('setMany writes what fits, and rejects because of what does not', async () => {
    await using stage = await Stage.on(kind);
    const cache = await stage.open<number>({
      store: table.store(),
      flush: NEVER,
      backpressure: { maxEntries: 2, onFull: 'reject' },
    });
    expect(
      await outcome(
        cache.setMany([
          ['a', 1],
          ['b', 2],
          ['c', 3],
        ]),
      ),
    ).toMatch(/^MILLRACE_FULL/);
    expect(Object.fromEntries(await cache.getMany(['a', 'b', 'c']))).toEqual({ a: 1, b: 2 });
  });

  test('what waits together is bounded in bytes', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const cache = await full<string>(stage, { maxWaitingBytes: 100 }, gate, ['1', '1']);
    const waiting = cache.set('a', 'x'.repeat(60));
    await gate.arrived;
    expect(await outcome(cache.set('b', 'x'.repeat(60)))).toMatch(
      /^MILLRACE_FULL .*about 62 bytes wait for room already \(backpressure\.maxWaitingBytes\)/,
    );
    gate.open();
    await waiting;
  });
});

test('any mixture of writes, aborts and flushes keeps order and limits', async () => {
  await using stage = await Stage.on('memory');
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
          size: fc.nat(12),
          abortAfter: fc.option(fc.nat(3), { freq: 4 }),
          pause: fc.nat(3),
        }),
        { minLength: 1, maxLength: 40 },
      ),
      fc.record({ maxEntries: fc.integer({ min: 1, max: 4 }), maxBytes: fc.integer({ min: 40, max: 90 }) }),
      fc.integer({ min: 1, max: 3 }),
      async (writes, limits, lanes) => {
        const history = new Map<string, number[]>();
        const cache = stage.create<{ n: number; x: string }>({
          name: `c${round++}`,
          lanes,
          flush: { maxDelay: 2, batchSize: 2 },
          backpressure: limits,
          store: {
            loadMany: async () => new Map(),
            async apply(batch) {
              for (const mutation of batch)
                if (mutation.kind === 'put')
                  history.set(mutation.key, [...(history.get(mutation.key) ?? []), mutation.value.n]);
            },
          },
        });
        await cache.ready();
        const written: { key: string; n: number; sure: boolean }[] = [];
        const asked: Promise<void>[] = [];
        for (const [n, { key, size, abortAfter, pause }] of writes.entries()) {
          const abort = new AbortController();
          asked.push(
            cache.set(key, { n, x: 'x'.repeat(size) }, { signal: abort.signal }).then(
              () => void written.push({ key, n, sure: true }),
              (error: unknown) => {
                if (!isMillraceError(error) || error.code !== 'MILLRACE_ABORTED') throw error;
                if (/nothing of it was written/.test(error.message)) return;
                written.push({ key, n, sure: false });
              },
            ),
          );
          for (let i = 0; i < pause; i++) await new Promise((resolve) => setImmediate(resolve));
          if (abortAfter !== null) for (let i = 0; i <= abortAfter; i++) await Promise.resolve();
          if (abortAfter !== null) abort.abort();
          const { pending } = await cache.stats();
          expect(pending.entries).toBeLessThanOrEqual(limits.maxEntries);
          expect(pending.bytes).toBeLessThanOrEqual(limits.maxBytes);
        }
        await Promise.all(asked);
        await cache.flush();
        await cache.close();
        for (const [key, stored] of history) {
          expect(stored, `the values of ${key} reach the store in order`).toEqual(stored.toSorted((a, b) => a - b));
          const possible = written.filter((write) => write.key === key);
          for (const n of stored)
            expect(
              possible.map((write) => write.n),
              'what was taken back is not written',
            ).toContain(n);
        }
        for (const key of new Set(written.filter(({ sure }) => sure).map((write) => write.key))) {
          const last = Math.max(...written.filter((write) => write.key === key && write.sure).map(({ n }) => n));
          expect(history.get(key)?.at(-1), `the last write of ${key} is stored`).toBeGreaterThanOrEqual(last);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('waiting writes of many keys come through, first come, first served', async () => {
  await using stage = await Stage.on('redis');
  const maxEntries = 100;
  const cache = await stage.open<number>({
    store: table.store(),
    flush: { maxDelay: 5, batchSize: 50 },
    backpressure: { maxEntries },
  });
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 2_200 }, async (_, n) => {
      await cache.set(`k${n}`, n);
      order.push(n);
    }),
  );
  await eventually('all are stored', async () => (await cache.stats()).pending.entries === 0);
  expect(await table.count()).toBe(2_200);
  for (let lane = 0; lane < 4; lane++) {
    const ofLane = order.filter((n) => laneOf(`k${n}`, 4) === lane);
    const asked = ofLane.toSorted((a, b) => a - b);
    // Two steps of a lane are under way at once: where the first finds no room and the second does, the second goes
    // first.
    const overtaken = ofLane.map((n, at) => at - asked.indexOf(n));
    expect(
      Math.max(...overtaken),
      'how many writes of other keys went before one that was asked for earlier',
    ).toBeLessThanOrEqual(maxEntries);
  }
});
