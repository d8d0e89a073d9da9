import { expect, test } from 'vitest';
import { Gate } from '../support/gate.ts';
import { outcome } from '../support/outcome.ts';
import { EngineBench } from './engine-bench.ts';

/** Writes whose steps the front answers in another order, or in another life. */

test('a batch that has to be sent again writes nothing that a later one has replaced, and what came after that waits for it', async () => {
  await using bench = new EngineBench();
  const cache = bench.open();
  await bench.clock.until(cache.ready());
  const [restarted, taken] = [new Gate(), new Gate()];
  const sent: string[][] = [];
  bench.onFront.write = async (go, _lane, { keys, slots }) => {
    sent.push(keys.map((key, i) => `${key}=${slots[i]}`));
    if (sent.length === 1) {
      await restarted.pass();
      return { kind: 'unrecovered', header: undefined };
    }
    if (sent.length === 2) await taken.pass();
    return go();
  };
  const first = cache.setMany([['a', 1], ['b', 1]]);
  await bench.clock.until(restarted.arrived);
  const second = cache.set('a', 2);
  await bench.clock.until(taken.arrived);
  const third = cache.set('b', 3);
  await bench.clock.advance(1);
  restarted.open();
  await bench.clock.advance(1);
  taken.open();
  await bench.clock.until(Promise.all([first, second, third]));
  expect(sent).toEqual([['a=1', 'b=1'], ['a=2'], ['b=1'], ['b=3']]);
  await bench.clock.until(cache.flush());
  expect(Object.fromEntries(bench.store.rows)).toEqual({ a: '2', b: '3' });
});

test('a front that was restarted before it could confirm a write says that the write may be lost', async () => {
  await using bench = new EngineBench({ acks: ['buffered', 'fsynced'], shared: true, durable: true });
  const cache = bench.open({ ack: 'fsynced' });
  await bench.clock.until(cache.set('a', 1));
  bench.onFront.header = async (go) => {
    const seen = await go();
    return seen.header === undefined ? seen : { current: true, header: { ...seen.header, epoch: 9, epochs: [{ epoch: 9, seq: 1 }] } };
  };
  const said = await bench.clock.until(Promise.all([outcome(cache.set('b', 1)), outcome(cache.set('c', 1, { ack: 'buffered' }))]));
  expect(said).toEqual([expect.stringMatching(/^MILLRACE_LOST .*before it could confirm the write as 'fsynced'/), 'written']);
});
