import { expect, test } from 'vitest';
import { type Deferred, defer } from '../../src/core/deferred.ts';
import { LaneSteps } from '../../src/fronts/redis/lane-steps.ts';
import type { RedisServers } from '../../src/fronts/redis/servers.ts';

interface Sent {
  readonly name: string;
  readonly reply: Deferred<unknown>;
}

/** One server that answers when the test says so, and the steps of one lane on it. */
function fixture(): {
  sent: Sent[];
  write(name: string): Promise<string>;
  answer(name: string, reply: readonly unknown[] | Error): Promise<void>;
} {
  const sent: Sent[] = [];
  const server = {
    runId: 'run',
    generation: 1,
    call: (_script: string, [, name]: readonly string[]) => {
      const reply = defer<unknown>();
      sent.push({ name: name as string, reply });
      return reply.promise;
    },
    prepare: async () => undefined,
  };
  const steps = new LaneSteps(
    { serverOf: () => server, refresh: async () => undefined } as unknown as RedisServers,
    'tag',
  );
  return {
    sent,
    write: (name) =>
      steps
        .run('write', () => [name])
        .then(
          ([kind]) => kind,
          (error: Error) => error.message,
        ),
    answer: async (name, reply) => {
      const { resolve, reject } = (sent.findLast((each) => each.name === name) as Sent).reply;
      if (reply instanceof Error) reject(reply);
      else resolve(reply);
      await new Promise((done) => setImmediate(done));
    },
  };
}

const NOSCRIPT = new Error('NOSCRIPT No matching script');
const names = (sent: readonly Sent[]): string[] => sent.map(({ name }) => name);

test('a step that was not executed goes before what was called while it waited', async () => {
  const { sent, write, answer } = fixture();
  const first = write('a');
  const second = write('b');
  await answer('a', NOSCRIPT);
  const third = write('c');
  expect(names(sent)).toEqual(['a', 'b']);
  await answer('b', NOSCRIPT);
  expect(names(sent)).toEqual(['a', 'b', 'a', 'b', 'c']);
  for (const name of ['a', 'b', 'c']) await answer(name, ['accepted']);
  expect(await Promise.all([first, second, third])).toEqual(['accepted', 'accepted', 'accepted']);
});

test('what waits behind a write that is given up goes before what is called after that', async () => {
  const { sent, write, answer } = fixture();
  const first = write('a');
  void write('b');
  void write('c');
  await answer('a', NOSCRIPT);
  void write('d');
  // The scripts were loaded in between: sent again, the first would undo the second.
  await answer('b', ['accepted']);
  expect(await first).toContain('it was not executed');
  void write('e');
  expect(names(sent)).toEqual(['a', 'b', 'c']);
  await answer('c', ['accepted']);
  expect(names(sent)).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('a write is given up when nobody knows whether a later one was executed', async () => {
  const { sent, write, answer } = fixture();
  const first = write('a');
  const second = write('b');
  await answer('a', NOSCRIPT);
  await answer('b', new Error('Socket closed unexpectedly'));
  expect(await second).toBe('Socket closed unexpectedly');
  expect(await first).toContain('it was not executed');
  expect(names(sent)).toEqual(['a', 'b']);
});
