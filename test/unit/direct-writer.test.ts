import { describe, expect, test } from 'vitest';
import type { EngineContext } from '../../src/engine/base/context.ts';
import { newCounts } from '../../src/engine/base/counts.ts';
import { DirectWriter } from '../../src/engine/writing/direct-writer.ts';
import type { Mutation } from '../../src/ports/store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const COMMIT_MS = 10;

/** A write-through writer on a store that takes 10 ms for a commit. */
function open(step: 'done' | 'unrecovered') {
  const clock = new VirtualClock();
  const commits: { readonly at: number; readonly mutations: readonly Mutation[] }[] = [];
  let recoveries = 0;
  const answer = async () => ({ kind: step });
  const context = {
    settings: { name: 'c', policy: 'write-through', lanes: 4, ttlMs: undefined },
    front: { beginIntent: answer, finishIntent: answer },
    store: {
      commit: (mutations: readonly Mutation[]) => {
        commits.push({ at: clock.monotonic(), mutations });
        return new Promise<void>((resolve) => void clock.after(COMMIT_MS, resolve));
      },
    },
    breaker: { check: () => undefined },
    random: { token: () => 'token' },
    clock,
    counts: newCounts(),
  } as unknown as EngineContext;
  const writer = new DirectWriter(context, async () => void recoveries++);
  return { clock, commits, writer, recoveries: () => recoveries };
}

describe('the direct writer', () => {
  test('divides what waits over statements that overlap, of 32 keys at least', async () => {
    const { clock, commits, writer } = open('done');
    const written = Array.from({ length: 100 }, (_, i) => writer.write(`k${i}`, '1', undefined));
    await clock.until(Promise.all(written));
    expect(commits.map(({ at, mutations }) => [at, mutations.length])).toEqual([
      [0, 32],
      [0, 32],
      [0, 32],
      [0, 4],
    ]);
    await writer.idle();
  });

  test('has a key in one statement at a time, and lets nothing overtake what waits for it', async () => {
    const { clock, commits, writer } = open('done');
    const first = writer.write('a', '1', undefined);
    await clock.advance(1);
    const others = [
      writer.write('b', '2', undefined),
      writer.write('a', '3', undefined),
      writer.write('c', '4', undefined),
      writer.write('a', undefined, undefined),
    ];
    await clock.until(Promise.all([first, ...others]));
    expect(commits.map(({ mutations }) => mutations.map(({ key, json }) => [key, json]))).toEqual([
      [['a', '1']],
      [['b', '2']],
      [
        ['a', undefined],
        ['c', '4'],
      ],
    ]);
    expect(commits.map(({ at }) => at)).toEqual([0, 1, COMMIT_MS]);
  });

  test('gives up on a lane that loses its state again and again, before anything is committed', async () => {
    const { clock, commits, writer, recoveries } = open('unrecovered');
    await expect(clock.until(writer.write('a', '1', undefined))).rejects.toMatchObject({
      code: 'MILLRACE_FRONT_UNAVAILABLE',
    });
    expect([recoveries(), commits.length]).toEqual([3, 0]);
  });
});
