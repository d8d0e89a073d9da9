/** A pool of `pg` as a database of PostgreSQL. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../ports/clock.ts';
import { type Connection, DriverError, type Row, type Statement, type TransactionResult } from '../sql/database.ts';
import type { PostgresDatabase } from './database.ts';
import { leavesConnection } from './sqlstates.ts';

/** The part of a `pg` client that is used. */
export interface PgClientLike {
  /** Runs a statement, prepared under `name` where one is given. */
  // oxlint-disable-next-line typescript/no-explicit-any -- pg's own overloads are in terms of any
  query(config: { text: string; values?: any[]; name?: string }): Promise<any>;
  /** Gives it back to the pool; with an error, or true, the pool ends it. */
  release(error?: Error | boolean): void;
  /** Tells of a connection that is lost. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Stops telling. */
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** The part of `pg.Pool` that is used; a `Pool` of `pg` is one. */
export interface PgPoolLike {
  /** Connections that it has; tells a pool from a client. */
  readonly totalCount: number;
  /** Hands out a connection. */
  connect(): Promise<PgClientLike>;
  /** Tells of an unused connection that is lost. */
  on?(event: 'error', listener: () => void): unknown;
  /** Tells of a new connection. */
  on?(event: 'connect', listener: (client: PgClientLike) => void): unknown;
  /** Who is told of lost connections. */
  listeners?(event: 'error'): readonly unknown[];
}

const ignore = (): void => undefined;

/**
 * Loss of a connection is not to end the process: whoever uses it learns of it from the statement that fails. A pool
 * says so of connections that nobody uses. Of those in use it says nothing, and its promise tells of a new one a moment
 * after it has left it to us: what the server said in between would be heard by nobody.
 *
 * Once for each pool, which the pool itself tells: what we are given may be one of many wrappers of it.
 */
function heedErrors(pool: PgPoolLike): void {
  if (pool.listeners?.('error').includes(ignore) === true) return;
  pool.on?.('error', ignore);
  pool.on?.('connect', (client) => client.on('error', ignore));
}

interface PgResult {
  readonly rows: Row[];
  readonly command: string;
}

/** A `pg.Client` has `connect` too, but cannot hand out a connection of a transaction's own. */
export function isPgPool(value: unknown): value is PgPoolLike {
  if (typeof value !== 'object' || value === null) return false;
  const pool = value as Record<string, unknown>;
  return (
    typeof pool['connect'] === 'function' &&
    typeof pool['query'] === 'function' &&
    typeof pool['totalCount'] === 'number'
  );
}

export interface PoolSettings {
  /** Named prepared statements. */
  readonly prepare: boolean;
  /** How long the server may be silent before its connection is given up. */
  readonly silenceMs: number;
}

export class PoolDatabase implements PostgresDatabase {
  readonly kind = 'postgres';
  readonly #pool: PgPoolLike;
  readonly #clock: Clock;
  readonly #settings: PoolSettings;
  readonly #names = new Map<string, string>();

  constructor(pool: PgPoolLike, clock: Clock, settings: PoolSettings) {
    heedErrors(pool);
    this.#pool = pool;
    this.#clock = clock;
    this.#settings = settings;
  }

  run(statement: Statement): Promise<Row[]> {
    return this.#withClient((client) => this.#connectionOf(client).run(statement));
  }

  script(statements: readonly string[]): Promise<Row[]> {
    return this.#withClient((client) => this.#connectionOf(client).script(statements));
  }

  transaction<T>(
    opening: readonly string[],
    work: (connection: Connection, opened: Row[]) => Promise<TransactionResult<T>>,
  ): Promise<T> {
    return this.#withClient(async (client, breaks) => {
      const connection = this.#connectionOf(client);
      try {
        const { commit, value } = await work(connection, await connection.script(['begin', ...opening]));
        if (commit) await this.#commit(client);
        else await connection.script(['rollback']);
        return value;
      } catch (error) {
        if (!isBroken(error)) await connection.script(['rollback']).catch(breaks);
        throw error;
      }
    });
  }

  async #commit(client: PgClientLike): Promise<void> {
    const { command } = (await this.#ask(client, { text: 'commit' })) as PgResult;
    // PostgreSQL answers COMMIT in a failed transaction with ROLLBACK, and no error.
    if (command !== 'COMMIT') throw new DriverError(undefined, 'the transaction was rolled back at commit');
  }

  /** A connection that failed below SQL, or whose transaction could not be ended, is not put back into the pool. */
  async #withClient<T>(use: (client: PgClientLike, breaks: (error: Error) => void) => Promise<T>): Promise<T> {
    const client = await this.#checkout();
    // It may be older than the pool's listeners.
    client.on('error', ignore);
    let broken: Error | undefined;
    try {
      return await use(client, (error) => (broken = error));
    } catch (error) {
      if (isBroken(error)) broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
      client.removeListener('error', ignore);
    }
  }

  async #checkout(): Promise<PgClientLike> {
    const connecting = this.#pool.connect();
    try {
      return await this.#bounded(connecting);
    } catch (cause) {
      // It may still come, after we gave up.
      connecting.then(
        (client) => client.release(),
        () => undefined,
      );
      throw new DriverError(cause);
    }
  }

  #connectionOf(client: PgClientLike): Connection {
    return {
      run: async ({ text, values }) => {
        const name = this.#settings.prepare ? { name: this.#nameOf(text) } : {};
        return ((await this.#ask(client, { text, values: [...values], ...name })) as PgResult).rows;
      },
      script: async (statements) => {
        const results = await this.#ask(client, { text: statements.join('; ') });
        return Array.isArray(results)
          ? (results as PgResult[]).flatMap(({ rows }) => rows)
          : (results as PgResult).rows;
      },
    };
  }

  async #ask(client: PgClientLike, query: { text: string; values?: string[]; name?: string }): Promise<unknown> {
    try {
      return await this.#bounded(client.query(query));
    } catch (cause) {
      throw new DriverError(cause);
    }
  }

  /** The server's own timeouts end a slow statement; this ends the wait for a server that does not answer at all. */
  #bounded<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(this.#settings.silenceMs, () =>
        reject(new Error(`no answer in ${this.#settings.silenceMs} ms`)),
      );
      answer.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** A name means one text for the whole pool, which other caches may share. */
  #nameOf(text: string): string {
    let name = this.#names.get(text);
    if (name === undefined) {
      name = `millrace_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
      this.#names.set(text, name);
    }
    return name;
  }
}

const isBroken = (error: unknown): boolean => error instanceof DriverError && !leavesConnection(error.cause);
