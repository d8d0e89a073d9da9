import { expect, test } from 'vitest';
import { FAILURES_TO_OPEN } from '../../src/core/breaker.ts';
import { FlushLane } from '../../src/engine/flushing/flush-lane.ts';
import { MillraceError } from '../../src/index.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Turns of a flush that faults rarely bring about. */

const unreachable = () => new MillraceError('MILLRACE_FRONT_UNAVAILABLE', 'no answer');

test('a lane goes from state to state only as its picture says', () => {
  const lane = new FlushLane(3);
  lane.become('taking');
  lane.become('taking');
  lane.become('idle');
  expect(() => lane.become('foreign') ?? lane.become('flushing')).toThrow('lane 3: foreign cannot become flushing');
  expect(lane.state).toBe('foreign');
});

test('many batches are divided over the free connections, a few go together', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ lanes: 8, flush: { maxDelay: '1h', batchSize: 2, concurrency: 2 } });
  await bench.clock.until(cache.ready());
  await cache.pause();
  await bench.clock.until(cache.setMany(Array.from({ length: 100 }, (_, n) => [`k${n}`, n] as const)));
  const gate = new Gate();
  const flushes: number[][] = [];
  bench.onLanes.apply = async (go, { lanes }) => {
    flushes.push(lanes.map(({ lane }) => lane));
    if (flushes.length === 2) gate.open();
    await gate.pass();
    return go();
  };
  await bench.clock.until(cache.resume());
  await bench.clock.until(cache.flush());
  expect(bench.store.rows.size).toBe(100);
  // Two were under way at once, neither with all lanes, no lane in both.
  expect(flushes.length).toBeGreaterThan(1);
  expect(flushes[0]?.length).toBeGreaterThan(1);
  expect(new Set(flushes.slice(0, 2).flat()).size).toBe(flushes.slice(0, 2).flat().length);
});

test('a lane that turns out to have nothing to flush has not lost what is written next', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.set('a', 1));
  let empty = 0;
  bench.onFront.cut = (go) => (empty++ === 0 ? Promise.resolve({ kind: 'empty', storedSeq: 0, seq: 1 }) : go());
  const flushed = cache.flush();
  await bench.clock.advance(10);
  expect(bench.store.rows.size).toBe(0);
  await bench.clock.until(cache.set('b', 2));
  await bench.clock.until(cache.flush());
  await bench.clock.until(flushed);
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '1', b: '2' });
});

test('a flush says that another worker has stopped the lane, also when nothing is pending', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.set('a', 1));
  await bench.clock.until(cache.flush());
  bench.onFront.requestFlush = async (go) => {
    const asked = await go();
    return asked.kind === 'requested'
      ? { ...asked, header: { ...asked.header, stopped: 'the store lost generations 1 to 1' } }
      : asked;
  };
  expect(await bench.clock.until(outcome(cache.flush()))).toMatch(
    /^MILLRACE_LANE_STOPPED .*the store lost generations 1 to 1/,
  );
});

test('a write to a lane that the front has stopped says so', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  bench.answerOnce('write', { kind: 'stopped', reason: 'the fence is ahead' });
  expect(await bench.clock.until(outcome(cache.set('a', 1)))).toMatch(
    /^MILLRACE_LANE_STOPPED .*takes no writes: the fence is ahead/,
  );
});

test('a lane that the front has stopped says so, until somebody has seen to it', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  const stopped: string[] = [];
  cache.on('stopped', ({ error }) => stopped.push(error.message));
  await bench.clock.until(cache.set('a', 1));
  bench.answerOnce('cut', { kind: 'stopped', reason: 'the fence is ahead' });
  expect(await bench.clock.until(outcome(cache.flush()))).toMatch(
    /^MILLRACE_LANE_STOPPED .*does not flush: the fence is ahead/,
  );
  expect(await bench.clock.until(outcome(cache.flush()))).toMatch(/^MILLRACE_LANE_STOPPED/);
  expect(stopped).toHaveLength(1);
  await bench.clock.until(cache.resume());
  await bench.clock.until(cache.flush());
  expect(bench.store.rows.get('a')).toBe('1');
});

test('a generation whose acknowledgement got no answer is stored once, also where nobody knows the lane', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.set('a', 1));
  bench.onFront.acknowledge = () => {
    delete bench.onFront.acknowledge;
    bench.answerOnce('header', { header: undefined, current: false });
    return Promise.reject(unreachable());
  };
  await bench.clock.until(cache.flush());
  expect(bench.store.versions.get('a')).toEqual(['1']);
  const { stored, coalesced } = await bench.clock.until(cache.stats());
  expect({ stored, coalesced }).toEqual({ stored: 1, coalesced: 0 });
});

test('a generation whose acknowledgement keeps failing is counted once, and so is what was refused of it', async () => {
  await using bench = new EngineBench();
  bench.store.hooks.refuse = ({ key }) => (key === 'bad' ? '23514' : undefined);
  const cache = bench.open({ lanes: 1, retry: { attempts: 1 } });
  const buried: string[] = [];
  cache.on('dead-letter', ({ key }) => buried.push(key));
  await bench.clock.until(
    cache.setMany([
      ['a', 1],
      ['b', 2],
      ['bad', 3],
    ]),
  );
  let answersLost = 1;
  bench.onLanes.apply = async (go) => {
    const result = await go();
    if (answersLost-- > 0) throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'no answer');
    return result;
  };
  let failures = 3;
  bench.onFront.acknowledge = (go) => (failures-- > 0 ? Promise.reject(unreachable()) : go());
  await bench.clock.until(cache.flush());
  const { accepted, stored, coalesced, rejected, dead } = await bench.clock.until(cache.stats());
  expect({ accepted, stored, coalesced, rejected, dead }).toEqual({
    accepted: 3,
    stored: 2,
    coalesced: 0,
    rejected: 1,
    dead: 1,
  });
  expect(buried).toEqual(['bad']);
});

test('an acknowledgement that is executed late does not make the next generation begin too early', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  const begins: number[] = [];
  let late: (() => Promise<unknown>) | undefined;
  let applied = 0;
  bench.onFront.acknowledge = (go) => {
    delete bench.onFront.acknowledge;
    late = go;
    return Promise.reject(unreachable());
  };
  bench.onLanes.apply = async (go, { lanes: [generation] }) => {
    if (generation === undefined) throw new Error('a flush of nothing');
    begins.push(generation.fromSeq);
    if (++applied === 1) await cache.set('b', 2);
    if (applied !== 2) return go();
    // The header was read; the message arrives now, and then the store does not answer.
    await late?.();
    throw new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'no answer');
  };
  await bench.clock.until(cache.set('a', 1));
  await bench.clock.until(cache.flush());
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '1', b: '2' });
  // The cut took seq 2.
  expect(begins).toEqual([1, 1, 3]);
});

test('values that somebody removed from the front are reported as lost, and their neighbours are stored', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  const losses: unknown[] = [];
  cache.on('loss', (loss) => losses.push(loss));
  const receipts = await bench.clock.until(
    cache.setMany([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]),
  );
  bench.onFront.readGeneration = async (go) => {
    const page = await go();
    return page.kind === 'rows'
      ? { ...page, rows: page.rows.map((row) => (row.key === 'b' ? row : { key: row.key, raw: undefined })) }
      : page;
  };
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ b: '2' });
  expect(losses).toEqual([{ lane: 0, count: 2, cause: 'value-removed' }]);
  const told = receipts.map((receipt) => outcome(receipt.stored()));
  expect(await bench.clock.until(Promise.all(told))).toEqual([
    expect.stringMatching(/^MILLRACE_LOST .*"a" was removed/),
    'written',
    expect.stringMatching(/^MILLRACE_LOST/),
  ]);
});

test('of two lanes in one flush, the one that another worker has does not keep the other', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ lanes: 2 });
  await bench.clock.until(
    cache.setMany([
      ['a', 1],
      ['b', 2],
    ]),
  );
  let fenced = 0;
  bench.onLanes.apply = (go, flush) =>
    fenced++ === 0
      ? Promise.resolve({
          kind: 'fenced',
          lanes: [{ lane: flush.lanes[0]?.lane ?? 0, verdict: 'superseded', fence: undefined }],
        })
      : go();
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '1', b: '2' });
  expect(fenced).toBeGreaterThan(1);
});

test('a generation that the next owner of the lane has stored, and counted, is not counted again', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  const receipt = await bench.clock.until(cache.set('a', 1));
  bench.onLanes.apply = async (go, { lanes: [generation] }) => {
    delete bench.onLanes.apply;
    await go();
    if (generation === undefined) throw new Error('a flush of nothing');
    const { lane, epoch, cutSeq: seq, digest } = generation;
    return {
      kind: 'fenced',
      lanes: [
        { lane, verdict: 'applied', fence: { epoch: epoch + 1, generation: generation.generation, seq, digest } },
      ],
    };
  };
  await bench.clock.until(cache.flush());
  await bench.clock.until(receipt.stored());
  expect((await bench.clock.until(cache.stats())).stored).toBe(0);
});

test('a flush that lost one of its lanes does not end a later flush of it', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ lanes: 2, flush: { maxDelay: '1h', batchSize: 10_000, concurrency: 3 } });
  await bench.clock.until(
    cache.setMany([
      ['a', 1],
      ['b', 2],
    ]),
  );
  const gates = [new Gate(), new Gate()];
  const flushes: number[][] = [];
  const running = new Map<number, number>();
  const together: number[] = [];
  bench.onLanes.apply = async (go, { lanes }) => {
    const gate = gates[flushes.length];
    flushes.push(lanes.map(({ lane }) => lane));
    for (const { lane } of lanes) together.push(running.set(lane, (running.get(lane) ?? 0) + 1).get(lane) as number);
    await gate?.pass();
    for (const { lane } of lanes) running.set(lane, (running.get(lane) as number) - 1);
    return go();
  };
  bench.answerOnce('cut', { kind: 'refused', epoch: 1 });
  const flushed = cache.flush();
  await bench.clock.advance(50);
  // The lane that was refused is taken again, and flushed by itself.
  expect(flushes).toHaveLength(2);
  expect(new Set(flushes.flat()).size).toBe(2);
  gates[0]?.open();
  await bench.clock.advance(50);
  await bench.clock.until(
    cache.setMany([
      ['a', 3],
      ['b', 4],
    ]),
  );
  const again = cache.flush();
  await bench.clock.advance(50);
  gates[1]?.open();
  await bench.clock.until(Promise.all([flushed, again]));
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '3', b: '4' });
  expect(Math.max(...together), 'flushes of one lane at once').toBe(1);
});

test('a row that may be refused once only is dead at once', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ retry: { attempts: 1 } });
  const dead: string[] = [];
  cache.on('dead-letter', ({ key, code }) => dead.push(`${key} ${code}`));
  bench.store.hooks.refuse = ({ key }) => (key === 'bad' ? '23514' : undefined);
  const receipts = await bench.clock.until(
    cache.setMany([
      ['bad', 1],
      ['good', 2],
    ]),
  );
  await bench.clock.until(cache.flush());
  expect(dead).toEqual(['bad 23514']);
  expect(await bench.clock.until(Promise.all(receipts.map((receipt) => outcome(receipt.stored()))))).toEqual([
    expect.stringMatching(/^MILLRACE_REJECTED .*kept as a dead letter/),
    'written',
  ]);
  expect(await bench.clock.until(cache.stats())).toMatchObject({ dead: 1, stored: 1 });
});

test('what fails for an unknown reason is told, and tried again', async () => {
  await using bench = new EngineBench();
  const cache = bench.open({ flush: { maxDelay: '1h', lease: 300 } });
  await bench.clock.until(cache.ready());
  const errors: string[] = [];
  cache.on('error', ({ error }) => errors.push(error.code));
  bench.onFront.claim = () => {
    delete bench.onFront.claim;
    return Promise.reject(new TypeError('a bug'));
  };
  await bench.clock.advance(1_000);
  expect(errors).toEqual(['MILLRACE_INTERNAL']);
  await bench.clock.until(cache.set('a', 1, { ack: 'stored' }));
  expect(bench.store.rows.get('a')).toBe('1');
});

test.each([
  ['fsynced', 'MILLRACE_ACK', 0],
  ['replicated', 'MILLRACE_FRONT_UNAVAILABLE', 0],
  ['replicated', 'MILLRACE_ACK', 1],
] as const)('a cut that is not confirmed as %s with %s is flushed %i times', async (ack, code, flushed) => {
  await using bench = new EngineBench({ acks: ['buffered', 'fsynced', 'replicated'], shared: true, durable: true });
  const cache = bench.open({ ack });
  await bench.clock.until(cache.set('a', 1, { ack: 'buffered' }));
  bench.onFront.sync = () => Promise.reject(new MillraceError(code, 'not confirmed'));
  const flush = outcome(cache.flush());
  await bench.clock.advance(5_000);
  expect(bench.store.batches).toHaveLength(flushed);
  delete bench.onFront.sync;
  expect(await bench.clock.until(flush)).toBe('written');
  expect(bench.store.versions.get('a')).toEqual(['1']);
});

test('a flush that fails while another call probes the store is tried again soon after that has failed', async () => {
  await using bench = new EngineBench();
  const down = () => Promise.reject(new MillraceError('MILLRACE_STORE_UNAVAILABLE', 'down'));
  const [flushing, probing] = [new Gate(), new Gate()];
  const cache = bench.open({ flush: { maxDelay: 10 }, retry: { minDelay: 10, maxDelay: 50 } });
  await bench.clock.until(cache.ready());
  bench.onLanes.apply = async () => {
    await flushing.pass();
    return down();
  };
  await bench.clock.until(cache.set('a', 1));
  await bench.clock.until(flushing.arrived);
  bench.onStore.load = down;
  for (let i = 0; i < FAILURES_TO_OPEN; i++) await bench.clock.until(outcome(cache.get(`k${i}`)));
  bench.onStore.load = async () => {
    await probing.pass();
    return down();
  };
  await bench.clock.advance(100);
  const probe = outcome(cache.get('p'));
  await bench.clock.until(probing.arrived);
  bench.onLanes.apply = (go) => go();
  flushing.open();
  await bench.clock.advance(1);
  probing.open();
  await bench.clock.until(probe);
  await bench.clock.advance(1_000);
  expect(bench.store.rows.get('a')).toBe('1');
});
