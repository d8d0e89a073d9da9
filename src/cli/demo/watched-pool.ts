import { setTimeout as sleep } from 'node:timers/promises';

export interface RoundTrips {
  /** Each round trip to the database takes this much longer. 0 for none. */
  readonly latencyMs: number;
  /** Told of each statement before it is sent. */
  readonly onStatement: (sql: string, values: unknown) => void;
}

type Method = (...args: unknown[]) => unknown;

/**
 * A pg.Pool, a client of one, or a PGlite instance whose round trips are watched and slowed down. All else passes
 * through, so that the store sees the driver's own object.
 *
 * Delays of statements that are sent without waiting for each other overlap, as they would on a long wire, and
 * keep their order, since timers of one duration fire in the order in which they were set.
 */
export function watchedPool<T extends object>(pool: T, trips: RoundTrips): T {
  const wait = async () => {
    if (trips.latencyMs > 0) await sleep(trips.latencyMs);
  };
  const sent = (statement: unknown, values?: unknown) => {
    const named = (statement ?? {}) as { text?: string; values?: unknown };
    trips.onStatement(typeof statement === 'string' ? statement : (named.text ?? ''), values ?? named.values);
    return wait();
  };

  const statement =
    (call: Method): Method =>
    async (...args) => {
      await sent(args[0], args[1]);
      return call(...args);
    };
  // pg's pool.connect() gives a client.
  const connect =
    (call: Method): Method =>
    async (...args) =>
      watchedPool((await call(...args)) as object, trips);
  // PGlite begins before it calls back, and commits afterwards.
  const transaction =
    (call: Method): Method =>
    async (use, ...rest) => {
      await sent('BEGIN');
      return call(
        async (inside: object) => {
          const result: unknown = await (use as Method)(watchedPool(inside, trips));
          await sent('COMMIT');
          return result;
        },
        ...rest,
      );
    };
  const wrappers: Readonly<Record<string, (call: Method) => Method>> = {
    query: statement,
    exec: statement,
    connect,
    transaction,
  };

  return new Proxy(pool, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function' || name === 'constructor') return value;
      // PGlite has private fields, which a method finds on the object itself only.
      const call = value.bind(target) as Method;
      return typeof name === 'string' && Object.hasOwn(wrappers, name) ? wrappers[name]?.(call) : call;
    },
  });
}
