import { describe, expect, test } from 'vitest';
import { watchedPool } from '../../src/cli/demo/watched-pool.ts';

class Client {
  readonly #sent: string[];
  released = false;

  constructor(sent: string[]) {
    this.#sent = sent;
  }

  async query(statement: string | { text: string }): Promise<string> {
    const text = typeof statement === 'string' ? statement : statement.text;
    this.#sent.push(text);
    return text;
  }

  release(): void {
    this.released = true;
  }
}

class Pool extends Client {
  readonly sent: string[];
  readonly client: Client;

  constructor() {
    const sent: string[] = [];
    super(sent);
    this.sent = sent;
    this.client = new Client(sent);
  }

  async connect(): Promise<Client> {
    return this.client;
  }

  async transaction<T>(use: (inside: Client) => Promise<T>): Promise<T> {
    return use(this.client);
  }
}

function watch(latencyMs: number) {
  const pool = new Pool();
  const seen: unknown[] = [];
  return {
    pool,
    seen,
    watched: watchedPool(pool, { latencyMs, onStatement: (sql, values) => seen.push([sql, values]) }),
  };
}

test('statements of the pool, of its clients and of transactions are seen', async () => {
  const { pool, seen, watched } = watch(0);
  expect(await watched.query('SELECT 1')).toBe('SELECT 1');
  const client = await watched.connect();
  await client.query({ text: 'SELECT 2', values: [['a']] } as { text: string });
  client.release();
  expect(await watched.transaction(async (inside) => inside.query('SELECT 3'))).toBe('SELECT 3');
  expect(seen).toEqual([
    ['SELECT 1', undefined],
    ['SELECT 2', [['a']]],
    ['BEGIN', undefined],
    ['SELECT 3', undefined],
    ['COMMIT', undefined],
  ]);
  expect(pool.client.released).toBe(true);
});

test('it is still the driver’s own object', () => {
  const { watched } = watch(0);
  expect(watched).toBeInstanceOf(Pool);
  expect(watched.constructor).toBe(Pool);
  expect('query' in watched).toBe(true);
});

describe('with a latency', () => {
  test('each round trip takes that much longer', async () => {
    const { watched } = watch(20);
    const start = performance.now();
    await watched.query('a');
    await watched.query('b');
    expect(performance.now() - start).toBeGreaterThanOrEqual(38);
  });

  test('statements that do not wait for each other overlap and keep their order', async () => {
    const { pool, watched } = watch(30);
    const start = performance.now();
    await Promise.all(['a', 'b', 'c'].map((sql) => watched.query(sql)));
    expect(performance.now() - start).toBeLessThan(80);
    expect(pool.sent).toEqual(['a', 'b', 'c']);
  });
});
