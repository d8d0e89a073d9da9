import type { RootDatabase } from 'lmdb';
import { expect, test } from 'vitest';
import { type Base, Committer } from '../../src/fronts/lmdb/committer.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** What the driver does with a transaction that is given to it. */
const over = (
  transaction: (run: () => void) => Promise<void>,
  clock = new VirtualClock(),
  last: Base = { base: () => 1n, committed: () => undefined },
) => new Committer({ transaction } as unknown as RootDatabase, clock, '/folder', last);

async function codeOf(step: Promise<unknown>): Promise<unknown> {
  return step.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: unknown }).code,
  );
}

test('nobody waits for ever for a lock that another process never lets go of', async () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  const transactions: (() => void)[] = [];
  const committer = over((run) => new Promise((resolve) => transactions.push(() => resolve(run()))), clock);
  const codes = [codeOf(committer.step(1, () => ran.push('first')))];
  await clock.advance(20_000);
  codes.push(codeOf(committer.step(1, () => ran.push('second'))));
  await clock.advance(20_000);
  expect(await Promise.all(codes)).toEqual(['MILLRACE_FRONT_UNAVAILABLE', 'MILLRACE_FRONT_UNAVAILABLE']);
  const late = codeOf(committer.step(1, () => ran.push('third')));
  await clock.advance(30_000);
  expect(await late).toBe('MILLRACE_FRONT_UNAVAILABLE');
  // What was given up is not done after all.
  const next = committer.step(1, () => ran.push('fourth'));
  transactions[0]?.();
  await next;
  expect(ran).toEqual(['fourth']);
  await committer.idle();
  expect(clock.tasks).toBe(0);
});

test('steps that wait together share a transaction, up to 20,000 keys', async () => {
  const clock = new VirtualClock();
  const sizes: number[] = [];
  let steps = 0;
  const committer = over(async (run) => {
    await Promise.resolve();
    steps = 0;
    run();
    sizes.push(steps);
  }, clock);
  await Promise.all(
    [...Array.from({ length: 10 }, () => 5_000), 30_000, 1].map((keys) => committer.step(keys, () => steps++)),
  );
  expect(sizes).toEqual([4, 4, 2, 1, 1]);
});

test('a driver that does not even begin fails those who wait, and nobody after them', async () => {
  let fails = true;
  const committer = over(async (run) => {
    if (fails) throw new Error('closed');
    run();
  });
  const first = [1, 2].map((value) => codeOf(committer.step(1, () => value)));
  expect(await Promise.all(first)).toEqual(['MILLRACE_FRONT_UNAVAILABLE', 'MILLRACE_FRONT_UNAVAILABLE']);
  fails = false;
  expect(await committer.step(1, () => 'value')).toBe('value');
});

test('a commit that failed says why, and a step that threw is a defect of its own', async () => {
  const failure = Object.assign(new Error('Commit failed'), {
    commitError: Promise.reject(new Error('No space left on device')),
  });
  failure.commitError.catch(() => undefined);
  const failing = over((run) => {
    run();
    return Promise.reject(failure);
  });
  await expect(failing.step(1, () => 1)).rejects.toThrow(
    /could not commit: No space left on device\. Nothing was written/,
  );

  const sound = over(async (run) => run());
  const thrown = codeOf(
    sound.step(1, () => {
      throw new TypeError('undefined is not a function');
    }),
  );
  const beside = sound.step(1, () => 'beside');
  expect([await thrown, await beside]).toEqual(['MILLRACE_INTERNAL', 'beside']);
});

test('a transaction that does not begin with the last commit does nothing, and is made again', async () => {
  const bases = [undefined, undefined, 8n, 9n];
  const committed: bigint[] = [];
  const ran: number[] = [];
  let transactions = 0;
  const last: Base = { base: () => bases[transactions++], committed: (transaction) => committed.push(transaction) };
  const committer = over(async (run) => run(), new VirtualClock(), last);
  await Promise.all([committer.step(1, () => ran.push(1)), committer.step(1, () => ran.push(2))]);
  await committer.step(1, () => ran.push(3));
  expect({ transactions, committed, ran }).toEqual({ transactions: 4, committed: [8n, 9n], ran: [1, 2, 3] });
});

test('who waits is told when no transaction begins with the last commit', async () => {
  const committer = over(async (run) => run(), new VirtualClock(), {
    base: () => undefined,
    committed: () => undefined,
  });
  expect(await codeOf(committer.step(1, () => 1))).toBe('MILLRACE_FRONT_UNAVAILABLE');
});
