import { expect, test } from 'vitest';
import { ReadAhead } from '../../src/stores/sql/read-ahead.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('two items wait while one is worked on, fetched before anybody asks', async () => {
  const fetched: number[] = [];
  async function* source(): AsyncGenerator<number> {
    for (let i = 1; i <= 5; i++) {
      fetched.push(i);
      yield i;
    }
  }
  const ahead = new ReadAhead(source());
  await turn();
  expect(fetched).toEqual([1, 2]);
  const seen: number[] = [];
  for await (const item of ahead) {
    await turn();
    seen.push(item);
    expect(fetched).toHaveLength(Math.min(5, item + 2));
  }
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

test('what failed while nobody waited fails in its place', async () => {
  async function* source(): AsyncGenerator<number> {
    yield 1;
    throw new Error('the lane was taken');
  }
  const ahead = new ReadAhead(source());
  await turn();
  const seen: number[] = [];
  await expect(async () => {
    for await (const item of ahead) seen.push(item);
  }).rejects.toThrow('the lane was taken');
  expect(seen).toEqual([1]);
});

test('who stops lets go of the source', async () => {
  let isReleased = false;
  async function* source(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      isReleased = true;
    }
  }
  const ahead = new ReadAhead(source());
  ahead.stop();
  await turn();
  expect(isReleased).toBe(true);
});
