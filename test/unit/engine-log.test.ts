import { expect, test } from 'vitest';
import { READ_KEYS_MAX, WRITE_BYTES_MAX } from '../../src/engine/base/settings.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Appends, through every answer that the front can give. */

const stored = (bench: EngineBench): readonly unknown[] => bench.store.events;

test('events stay in their order, one step at a time, however many there are', async () => {
  await using bench = new EngineBench({}, 'log');
  const log = bench.log({ flush: { maxDelay: '1h', batchSize: 10_000 } });
  await bench.clock.until(log.ready());
  const steps: number[] = [];
  let underWay = 0;
  bench.onFront.append = async (go, _lane, { entries }) => {
    steps.push(entries.length);
    expect(++underWay).toBe(1);
    const answer = await go();
    underWay--;
    return answer;
  };
  const events = Array.from({ length: 2_300 }, (_, n) => n);
  await bench.clock.until(Promise.all(events.map((n) => log.append(n))));
  expect(steps).toEqual([1_000, 1_000, 300]);
  await bench.clock.until(log.flush());
  expect(stored(bench)).toEqual(events);
});

test('a step is bounded in bytes as well, and a large event goes alone', async () => {
  await using bench = new EngineBench({}, 'log');
  const log = bench.log<string>();
  await bench.clock.until(log.ready());
  const steps: number[] = [];
  bench.onFront.append = (go, _lane, { entries }) => {
    steps.push(entries.length);
    return go();
  };
  await bench.clock.until(Promise.all([0.7, 0.7, 0.1].map((part) => log.append('x'.repeat(WRITE_BYTES_MAX * part)))));
  expect(steps).toEqual([1, 2]);
});

test('events that a restarted front did not take keep their place before those that came later', async () => {
  await using bench = new EngineBench({}, 'log');
  const log = bench.log();
  await bench.clock.until(log.ready());
  const gate = new Gate();
  bench.onFront.append = async () => {
    delete bench.onFront.append;
    await gate.pass();
    return { kind: 'unrecovered', header: undefined };
  };
  const first = log.appendMany([1, 2]);
  await bench.clock.until(gate.arrived);
  const second = log.append(3);
  gate.open();
  await bench.clock.until(Promise.all([first, second]));
  await bench.clock.until(log.flush());
  expect(stored(bench)).toEqual([1, 2, 3]);
});

test('events that find no room wait, and are stored in their order', async () => {
  await using bench = new EngineBench({}, 'log');
  const gate = new Gate();
  bench.store.hooks.beforeApply = () => gate.pass();
  const log = bench.log({ backpressure: { maxEntries: 3, maxWait: '10s' } });
  await bench.clock.until(log.appendMany([1, 2]));
  const waiting = [3, 4, 5, 6].map((n) => outcome(log.append(n)));
  await bench.clock.advance(200);
  gate.open();
  expect(await bench.clock.until(Promise.all(waiting))).toEqual(Array.from({ length: 4 }, () => 'written'));
  await bench.clock.until(log.flush());
  expect(stored(bench)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('events are read in pages, until another worker has the lane, and those that are gone are reported', async () => {
  await using bench = new EngineBench({}, 'log');
  const log = bench.log({ flush: { maxDelay: '1h', batchSize: 200 } });
  await bench.clock.until(log.ready());
  await log.pause();
  const count = 2 * READ_KEYS_MAX + 200;
  const losses: number[] = [];
  log.on('loss', ({ count }) => losses.push(count));
  const receipts = await bench.clock.until(log.appendMany(Array.from({ length: count }, (_, n) => n)));
  let pages = 0;
  bench.onFront.readLog = async (go) => {
    if (++pages === 2) return { kind: 'refused', epoch: 9 };
    const page = await go();
    return page.kind === 'entries' && page.entries.length < READ_KEYS_MAX
      ? { ...page, entries: page.entries.slice(0, -1) }
      : page;
  };
  await bench.clock.until(log.resume());
  await bench.clock.until(log.flush());
  expect(stored(bench)).toEqual(Array.from({ length: count - 1 }, (_, n) => n));
  expect(losses).toEqual([1]);
  expect(await bench.clock.until(outcome(receipts.at(-1)?.stored() as Promise<void>))).toMatch(/^MILLRACE_LOST/);
});
