import { beforeEach, describe, expect, test } from 'vitest';
import { Rounds } from '../../src/engine/rounds.ts';

/** The event loop: what is asked for runs in the next round. */
let next: (() => void)[];
let sent: string[];

beforeEach(() => {
  next = [];
  sent = [];
});

function rounds(frontIsShared: boolean): Rounds {
  return new Rounds({ now: () => 0, monotonic: () => 0, after: () => ({ cancel: () => undefined }), soon: (task) => void next.push(task) }, frontIsShared);
}

/** Runs one round, and tells who sent in it. */
function round(): string {
  sent = [];
  for (const task of next.splice(0)) task();
  return sent.join(' ');
}

const sending = (of: Rounds, name: string, count: number): void =>
  of.collect(false, () => false, () => {
    sent.push(name);
    return count;
  });

describe('the steps of lanes', () => {
  test('go together while they are small', () => {
    const of = rounds(true);
    for (const name of ['a', 'b', 'c']) sending(of, name, 63);
    expect(round()).toBe('a b c');
    expect(round()).toBe('');
  });

  test('go one in each round when they are large, in the order in which they were asked for', () => {
    const of = rounds(true);
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
    const of = rounds(false);
    for (const name of ['a', 'b']) sending(of, name, 500);
    expect(round()).toBe('a b');
  });
});
