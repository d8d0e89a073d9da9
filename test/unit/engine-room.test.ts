import { expect, test } from 'vitest';
import { WRITE_BYTES_MAX } from '../../src/engine/base/settings.ts';
import { Admission } from '../../src/engine/lanes/admission.ts';
import { BY_KEY } from '../../src/engine/shapes/queued-ways.ts';
import { Caller } from '../../src/engine/writing/caller.ts';
import { WaitingRoom } from '../../src/engine/writing/waiting-room.ts';
import { type BackpressureOptions, type Cache, isMillraceError, MillraceError } from '../../src/index.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Writes that find no room in the buffer. */

/** A cache whose two entries are taken, in front of a store that takes nothing before the gate opens. */
async function full<V>(
  bench: EngineBench,
  value: V,
  backpressure: BackpressureOptions = {},
): Promise<{ cache: Cache<V>; gate: Gate }> {
  const gate = new Gate();
  bench.store.hooks.beforeApply = () => gate.pass();
  const cache = bench.open<V>({ backpressure: { maxEntries: 2, ...backpressure } });
  await bench.clock.until(Promise.all([cache.set('p', value), cache.set('q', value)]));
  return { cache, gate };
}

test('a bounded number waits for room, with bounded bytes, and what can never fit is told at once', async () => {
  await using bench = new EngineBench();
  const { cache, gate } = await full(bench, '1', { maxWaiters: 2, maxBytes: 200, maxWaitingBytes: 100 });
  const waiting = outcome(cache.set('a', 'x'.repeat(60)));
  await bench.clock.advance(10);
  expect(await bench.clock.until(outcome(cache.set('b', 'x'.repeat(60))))).toMatch(
    /^MILLRACE_FULL .*about 62 bytes wait for room already \(backpressure\.maxWaitingBytes\)/,
  );
  expect(await bench.clock.until(outcome(cache.set('b', 'x'.repeat(200))))).toMatch(
    /^MILLRACE_FULL .*The value alone has more than backpressure\.maxBytes/,
  );
  const second = outcome(cache.set('b', '2'));
  await bench.clock.advance(10);
  expect(await bench.clock.until(outcome(cache.set('c', '3')))).toMatch(
    /^MILLRACE_FULL .* 2 writes wait for room already \(backpressure\.maxWaiters\)/,
  );
  gate.open();
  expect(await bench.clock.until(Promise.all([waiting, second]))).toEqual(['written', 'written']);
  expect((await bench.clock.until(cache.stats())).refused).toBe(3);
});

test('a write waits for so long, and then nothing of it is kept; who came later waits his own time', async () => {
  await using bench = new EngineBench();
  const { cache, gate } = await full(bench, 1, { maxWait: 100 });
  const first = outcome(cache.set('a', 1));
  await bench.clock.advance(60);
  const second = outcome(cache.set('b', 1));
  await bench.clock.advance(50);
  expect(await bench.clock.until(first)).toMatch(/^MILLRACE_FULL .* waited 100 ms for room \(backpressure\.maxWait\)/);
  gate.open();
  expect(await bench.clock.until(second)).toBe('written');
  expect(await bench.clock.until(cache.get('a'))).toBeUndefined();
});

test('who is on the way when his time is up comes back, and is turned away then', async () => {
  await using bench = new EngineBench();
  const { cache, gate } = await full(bench, 1, { maxWait: 500 });
  const writes = [outcome(cache.set('a', 1)), outcome(cache.set('a', 2))];
  await bench.clock.advance(10);
  const onTheWay = new Gate();
  bench.onFront.write = async (go) => {
    await onTheWay.pass();
    return go();
  };
  const late = outcome(bench.clock.advance(300).then(() => cache.set('b', 1)));
  await bench.clock.advance(900);
  await onTheWay.arrived;
  onTheWay.open();
  for (const said of await bench.clock.until(Promise.all([...writes, late])))
    expect(said).toMatch(/^MILLRACE_FULL .* waited 500 ms/);
  gate.open();
});

test('more than fits in one step waits, and goes in as many as it takes', async () => {
  await using bench = new EngineBench();
  const { cache, gate } = await full(bench, '', { maxEntries: 5, maxBytes: 2 * WRITE_BYTES_MAX });
  const large = 'x'.repeat(WRITE_BYTES_MAX * 0.6);
  const filler = bench.clock.until(Promise.all([cache.set('r', large), cache.set('s', large), cache.set('t', large)]));
  await filler;
  const waiting = ['a', 'b', 'c'].map((key) => outcome(cache.set(key, large)));
  await bench.clock.advance(10);
  const steps: number[] = [];
  bench.onFront.write = (go, _lane, batch) => {
    steps.push(batch.keys.length);
    return go();
  };
  gate.open();
  expect(await bench.clock.until(Promise.all(waiting))).toEqual(['written', 'written', 'written']);
  // Two would be more than a step may hold.
  expect(Math.max(...steps)).toBe(1);
});

test('says that the server of the front has no memory, and finds out one at a time whether it has again', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ backpressure: { maxWait: 1_000 } });
  await bench.clock.until(cache.ready());
  let hasMemory = false;
  const sent: number[] = [];
  bench.onFront.write = (go, _lane, { keys }) => {
    sent.push(keys.length);
    return hasMemory
      ? go()
      : Promise.resolve({ kind: 'full', entries: 0, bytes: 0, refused: keys.map((_, i) => i), outOfMemory: true });
  };
  const first = ['a', 'b'].map((key) => outcome(cache.set(key, 1)));
  await bench.clock.advance(500);
  expect(sent.slice(3).every((keys) => keys === 1)).toBe(true);
  hasMemory = true;
  expect(await bench.clock.until(Promise.all(first))).toEqual(['written', 'written']);
  hasMemory = false;
  const second = outcome(cache.set('c', 1));
  await bench.clock.advance(2_000);
  expect(await second).toMatch(/waited 1000 ms/);
  const third = bench.open({ name: 'other', backpressure: { onFull: 'reject' } });
  expect(await bench.clock.until(outcome(third.set('a', 1)))).toMatch(/^MILLRACE_FULL .*out of memory \(maxmemory\)/);
});

test('writes that are on their way when the cache closes are turned away when they come back', async () => {
  await using bench = new EngineBench();
  const { cache, gate } = await full(bench, 1);
  const waiting = outcome(cache.set('a', 1));
  await bench.clock.advance(10);
  const onTheWay = new Gate();
  bench.onFront.write = async (_go, _lane, { keys }) => {
    await onTheWay.pass();
    return { kind: 'full', entries: 2, bytes: 2, refused: keys.map((_, i) => i) };
  };
  await bench.clock.advance(150);
  await onTheWay.arrived;
  const closed = cache.close({ timeout: 50 });
  await bench.clock.advance(100);
  onTheWay.open();
  expect(await bench.clock.until(waiting)).toMatch(/^MILLRACE_CLOSED .*Nothing of it was kept/);
  gate.open();
  await bench.clock.until(closed);
});

test('a first refusal that comes after the cache was closed is told so', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  const onTheWay = new Gate();
  bench.onFront.write = async (_go, _lane, { keys }) => {
    await onTheWay.pass();
    return { kind: 'full', entries: 2, bytes: 2, refused: keys.map((_, i) => i) };
  };
  const late = outcome(cache.set('a', 1));
  await bench.clock.until(onTheWay.arrived);
  const closed = cache.close({ timeout: 0 });
  await bench.clock.advance(5);
  onTheWay.open();
  expect(await bench.clock.until(late)).toMatch(/^MILLRACE_CLOSED/);
  await bench.clock.until(closed);
});

test('a paused cache says so, and turns away at once whoever waits when it is closed', async () => {
  await using bench = new EngineBench();
  const { cache, gate } = await full(bench, 1, { maxWait: 20 });
  await cache.pause();
  expect(await bench.clock.until(outcome(cache.set('a', 1)))).toMatch(/^MILLRACE_FULL .*Flushing is paused/);
  const warnings: string[] = [];
  cache.on('warning', ({ message }) => warnings.push(message));
  const waiting = outcome(cache.set('b', 1));
  const report = cache.close();
  expect(await bench.clock.until(waiting)).toMatch(/^MILLRACE_CLOSED/);
  gate.open();
  expect(await bench.clock.until(report)).toEqual({ stored: 0, remaining: 2, dead: 0 });
  expect(warnings).toEqual([
    expect.stringContaining('2 entries of cache "c" remain in a front that dies with this process'),
  ]);
});

test('a write beyond the capacity that a later one overtook is answered when that is stored', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ flush: { maxDelay: 20 }, backpressure: { maxEntries: 2, onFull: 'write-through' } });
  await bench.clock.until(Promise.all([cache.set('p', 1), cache.set('q', 1)]));
  const [beyond, taken] = [new Gate(), new Gate()];
  let steps = 0;
  bench.onFront.write = async (go) => {
    const step = ++steps;
    // Twice there is no room. Beyond the capacity it meets a lane that was restarted, and meanwhile there is room for
    // the next.
    if (step === 3) await beyond.pass();
    if (step === 3) return { kind: 'unrecovered', header: undefined };
    const answer = await go();
    if (step === 4) await taken.pass();
    return answer;
  };
  const first = outcome(cache.set('a', 1));
  await bench.clock.until(beyond.arrived);
  await bench.clock.advance(100);
  const second = outcome(cache.set('a', 2));
  await bench.clock.until(taken.arrived);
  beyond.open();
  await bench.clock.advance(1);
  taken.open();
  expect(await bench.clock.until(Promise.all([first, second]))).toEqual(['written', 'written']);
  await bench.clock.until(cache.flush());
  expect(bench.store.versions.get('a')).toEqual(['2']);
  expect(steps).toBe(4);
});

test('what does not wait there is not taken back', () => {
  const bench = new EngineBench();
  const limits = {
    maxEntries: 1,
    maxBytes: 100,
    onFull: 'wait',
    maxWaiters: 10,
    maxWaitingBytes: 100,
    maxWaitMs: 100,
  } as const;
  const context = {
    settings: { name: 'c', backpressure: limits },
    clock: bench.clock,
    counts: { refused: 0 },
  } as unknown as ConstructorParameters<typeof WaitingRoom>[0];
  const never = new Promise<void>(() => undefined);
  const room = new WaitingRoom<Caller>(context, new Admission(limits, []), BY_KEY, {
    waitForRoom: () => never,
    send: () => undefined,
    ask: () => undefined,
    trouble: () => undefined,
  });
  const told: unknown[] = [];
  const writerOf = (key: string): Caller =>
    new Caller(
      key,
      1,
      'buffered',
      () => undefined,
      (error) => told.push(error),
    );
  const [waits, stranger, other] = [writerOf('a'), writerOf('a'), writerOf('b')] as const;
  room.enter(0, [waits], { isBefore: false, outOfMemory: false });
  expect(room.remove(stranger)).toBe(false);
  expect(room.remove(other)).toBe(false);
  expect(room.isEmpty).toBe(false);
  expect(room.remove(waits)).toBe(true);
  expect(room.isEmpty).toBe(true);
  room.close(new MillraceError('MILLRACE_CLOSED', 'closed'));
  room.enter(0, [other], { isBefore: false, outOfMemory: false });
  expect(told.map((error) => isMillraceError(error) && error.code)).toEqual(['MILLRACE_CLOSED']);
});
