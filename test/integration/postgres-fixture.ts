import { Pool, type PoolConfig } from 'pg';
import { systemClock } from '../../src/clock-and-random.ts';
import type { Judge } from '../../src/core/letter.ts';
import type {
  AttachedStore,
  DeadLetterStore,
  FenceStore,
  Flush,
  LaneStore,
  Mutation,
  Store,
} from '../../src/ports/store.ts';
import { postgresUrl } from '../servers/index.ts';

let schemas = 0;

/** A schema of a test's own on the shared server, as its search path. */
export class Schema implements AsyncDisposable {
  readonly name: string;
  readonly pool: Pool;

  private constructor(name: string, pool: Pool) {
    this.name = name;
    this.pool = pool;
  }

  static async create(config: PoolConfig = {}): Promise<Schema> {
    const name = `test_${process.pid}_${(schemas += 1)}`;
    const pool = new Pool({ connectionString: postgresUrl(), options: `-c search_path=${name}`, ...config });
    // The loss of an idle connection is part of some tests.
    pool.on('error', () => undefined);
    await pool.query(`create schema ${name}`);
    return new Schema(name, pool);
  }

  async rows(sql: string): Promise<Record<string, unknown>[]> {
    return (await this.pool.query(sql)).rows as Record<string, unknown>[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.query(`drop schema ${this.name} cascade`);
    await this.pool.end();
  }
}

/** All parts in one, with the names that no two of them share. */
export interface Attached extends AttachedStore, Pick<LaneStore, 'apply'>, FenceStore {
  readonly retry: DeadLetterStore['retry'];
  readonly deadLetters: DeadLetterStore | undefined;
  readonly warnings: string[];
}

export async function attach(store: Store, { cache = 'c', lanes = 2, writeBehind = true } = {}): Promise<Attached> {
  const warnings: string[] = [];
  const attached = await store.attach({
    cache,
    lanes,
    writeBehind,
    clock: systemClock,
    onWarning: (message) => warnings.push(message),
  });
  const { lanes: flushed } = attached;
  const deadLetters = flushed?.deadLetters;
  // Of a cache that is not flushed there are none, and no test asks for them.
  return Object.assign(attached, {
    apply: (flush: Flush) => (flushed as LaneStore).apply(flush),
    ...flushed?.fences,
    deadLetters,
    retry: deadLetters?.retry,
    warnings,
  }) as Attached;
}

export const put = (key: string, value: unknown, lane = 0): Mutation => ({ lane, key, json: JSON.stringify(value) });

export const generation = (number = 1, more = {}) => ({
  lane: 0,
  epoch: 1,
  generation: number,
  fromSeq: number,
  cutSeq: number,
  digest: `digest ${number}`,
  letters: false,
  ...more,
});

/** One attempt. */
export const judge: Judge = ({ attempts = 0 }) => ({ state: 'dead', attempts: attempts + 1 });

export async function* batches(...list: readonly (readonly Mutation[])[]): AsyncGenerator<readonly Mutation[]> {
  yield* list;
}

export async function errorOf(promise: Promise<unknown>): Promise<Error & { code: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error & { code: string };
  }
  throw new Error('it did not fail');
}
