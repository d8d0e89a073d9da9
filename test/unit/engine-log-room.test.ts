import { expect, test } from 'vitest';
import type { AppendResult } from '../../src/core/lane-log.ts';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Events that find no room keep their order, whatever the front answers to parts of them. */

const full = (refused: number[]): AppendResult => ({ kind: 'full', entries: 3, bytes: 10, refused });

test('what had room at first comes before what had none, also when it is refused later', async () => {
  await using bench = new EngineBench({}, 'log');
  const log = bench.log({ backpressure: { maxEntries: 4 } });
  await bench.clock.until(log.ready());
  const answers = [full([1, 2]), full([1, 2]), full([0])];
  const sent: number[] = [];
  bench.onFront.append = async (go, _lane, { entries }) => {
    sent.push(entries.length);
    return answers.shift() ?? go();
  };
  const early = [1, 2, 3].map((event) => log.append(event));
  await bench.clock.advance(1);
  const late = log.append(4);
  await bench.clock.until(Promise.all([...early, late]));
  expect(sent.slice(0, 3)).toEqual([3, 3, 1]);
  await bench.clock.until(log.flush());
  expect(bench.store.events).toEqual([1, 2, 3, 4]);
});

test('what waited for room does not pass what had it and waits for a recovery', async () => {
  await using bench = new EngineBench({}, 'log');
  const log = bench.log({ backpressure: { maxEntries: 4 } });
  await bench.clock.until(log.ready());
  const gate = new Gate();
  const answers = [full([1, 2]), full([1, 2]), { kind: 'unrecovered', header: undefined } as const];
  bench.onFront.append = async (go) => {
    if (answers.length === 1) {
      // The recovery waits; looks at the lane that come later do not.
      bench.onFront.header = async (look) => {
        delete bench.onFront.header;
        await gate.pass();
        return look();
      };
    }
    return answers.shift() ?? go();
  };
  const events = [1, 2, 3].map((event) => log.append(event));
  await bench.clock.until(gate.arrived);
  await bench.clock.advance(500);
  gate.open();
  await bench.clock.until(Promise.all(events));
  await bench.clock.until(log.flush());
  expect(bench.store.events).toEqual([1, 2, 3]);
});

test('an event that waits for room is taken back by its signal', async () => {
  await using bench = new EngineBench({}, 'log');
  const gate = new Gate();
  bench.store.hooks.beforeApply = () => gate.pass();
  const log = bench.log({ backpressure: { maxEntries: 1 } });
  await bench.clock.until(log.append(1));
  const given = new AbortController();
  const waiting = outcome(log.append(2, { signal: given.signal }));
  const behind = log.append(3);
  await bench.clock.advance(5);
  given.abort();
  expect(await bench.clock.until(waiting)).toMatch(/^MILLRACE_ABORTED .*taken back: nothing of it was written/);
  gate.open();
  await bench.clock.until(behind);
  await bench.clock.until(log.flush());
  expect(bench.store.events).toEqual([1, 3]);
});
