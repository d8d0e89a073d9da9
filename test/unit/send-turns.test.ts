import { beforeEach, describe, expect, test } from 'vitest';
import { SendTurns } from '../../src/engine/base/send-turns.ts';
import type { Clock } from '../../src/ports/clock.ts';

/** The event loop: what is to run in the next round, and at the end of this turn. */
let next: (() => void)[];
let ends: (() => void)[];
let sent: string[];

beforeEach(() => {
  next = [];
  ends = [];
  sent = [];
});

const clock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  after: () => ({ cancel: () => undefined }),
  soon: (task) => void next.push(task),
};
const withTurns: Clock = { ...clock, turnEnd: (task) => void ends.push(task) };
const sendTurns = (frontIsShared: boolean, of = clock): SendTurns => new SendTurns(of, frontIsShared);

function run(tasks: (() => void)[]): string {
  sent = [];
  for (const task of tasks) task();
  return sent.join(' ');
}

/** Runs one round, and tells who sent in it. */
const round = (): string => run(next.splice(0));
const turn = (): string => run(ends.splice(0));

const send = (name: string, count: number) => (): number => {
  sent.push(name);
  return count;
};
const sending = (of: SendTurns, name: string, count: number): void => of.collect(false, () => false, send(name, count));

describe('the steps of lanes', () => {
  test('go together while they are small', () => {
    const of = sendTurns(true);
    for (const name of ['a', 'b', 'c']) sending(of, name, 63);
    expect(round()).toBe('a b c');
    expect(round()).toBe('');
  });

  test('go one in each round when they are large, in the order in which they were asked for', () => {
    const of = sendTurns(true);
    sending(of, 'a', 64);
    sending(of, 'b', 3);
    sending(of, 'c', 500);
    sending(of, 'd', 500);
    expect(round()).toBe('a');
    sending(of, 'e', 1);
    expect(round()).toBe('b c');
    expect(round()).toBe('d');
    expect(round()).toBe('e');
    expect(round()).toBe('');
  });

  test('go together to a front of this process, however large they are', () => {
    const of = sendTurns(false);
    for (const name of ['a', 'b']) sending(of, name, 500);
    expect(round()).toBe('a b');
  });

  test('go at the end of the turn in which others were answered', () => {
    const of = sendTurns(true, withTurns);
    of.answered(send('waited', 3));
    sending(of, 'a', 1);
    sending(of, 'b', 64);
    sending(of, 'c', 1);
    expect(sent).toEqual([]);
    expect([turn(), round(), round()]).toEqual(['waited a b', 'c', '']);
    sending(of, 'd', 1);
    expect([turn(), round()]).toEqual(['', 'd']);
  });

  test('go one in each round after an answer too', () => {
    const of = sendTurns(true, withTurns);
    of.answered(send('a', 64));
    of.answered(send('b', 64));
    expect([turn(), round(), round()]).toEqual(['a', 'b', '']);
  });

  test('go at once when they waited, and else in the next round, where the front answers within the turn', () => {
    const of = sendTurns(false, withTurns);
    of.answered(send('waited', 500));
    expect(sent).toEqual(['waited']);
    sending(of, 'a', 1);
    expect([turn(), round()]).toEqual(['', 'a']);
  });

  test.each([
    [true, 'a', ''],
    [false, '', 'a'],
  ])('go at the end of the turn when nothing is under way and only if they are lone: %s', (isLone, atEnd, after) => {
    const of = sendTurns(true, withTurns);
    of.collect(
      true,
      () => isLone,
      () => sent.push('a'),
    );
    expect([turn(), round()]).toEqual([atEnd, after]);
  });
});
