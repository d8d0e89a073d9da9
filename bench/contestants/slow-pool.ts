import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';

/** A pool whose every query takes `ms` longer, as over a network of that round trip. */
export function slowPool(pool: Pool, ms: () => number): Pool {
  return wrapped(pool, {
    query: delayed(pool, ms),
    connect: async () => {
      const client = await pool.connect();
      return wrapped<PoolClient>(client, { query: delayed(client, ms) });
    },
  });
}

function delayed(of: Pool | PoolClient, ms: () => number) {
  return async (...args: Parameters<Pool['query']>): Promise<unknown> => {
    if (ms() > 0) await sleep(ms());
    return of.query(...args);
  };
}

/** The object with some methods replaced. */
function wrapped<T extends object>(target: T, replaced: Readonly<Record<string | symbol, unknown>>): T {
  return new Proxy(target, {
    get(of, property) {
      if (property in replaced) return replaced[property];
      const value: unknown = Reflect.get(of, property, of);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
}
