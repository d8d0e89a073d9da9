import type { Cache, Policy } from '../../index.ts';
import type { DemoOptions } from './options.ts';
import type { PolicyResult } from './policy.ts';
import { type StorePlace, TABLE } from './store-place.ts';
import { type Expected, type Fault, type Found, type Place, verifyPlace } from './verify.ts';
import { keyOf, type Session, sessionOf } from './workload.ts';

export interface PolicyVerification {
  readonly policy: Policy;
  /** Records that were acknowledged: all of them must be in both places. */
  readonly expected: number;
  readonly store: Found;
  readonly front: Found;
}

export interface Verification {
  readonly ok: boolean;
  readonly policies: readonly PolicyVerification[];
  /** All rows of the table, so that one too many is found as well. */
  readonly recordsInTable: number;
  readonly faults: readonly ExplainedFault[];
  readonly faultCount: number;
}

export interface ExplainedFault extends Fault {
  /** What Millrace knows of the key; not for an entry that is missing in the front, since reading it has filled it. */
  readonly inspection?: unknown;
}

/** The statements that Millrace sends to the store are passed to the listener. */
export interface StatementTap {
  listener: ((sql: string, values: unknown) => void) | undefined;
}

const FAULTS_EXPLAINED_MAX = 10;

export interface VerificationWork {
  readonly works: readonly { readonly result: PolicyResult; readonly cache: Cache<Session> }[];
  readonly store: Pick<StorePlace, 'query'>;
  readonly tap: StatementTap;
  readonly options: Pick<DemoOptions, 'writes' | 'seed'>;
  readonly observer: { verifying(done: number, all: number): void };
}

/** Compares every acknowledged record with what the store holds, read with SQL, and with what the front holds. */
export async function verifyAll({ works, store, tap, options, observer }: VerificationWork): Promise<Verification> {
  const all = works.reduce((sum, { result }) => sum + 2 * result.writes, 0);
  let before = 0;
  const policies: PolicyVerification[] = [];
  const faults: ExplainedFault[] = [];
  let faultCount = 0;
  for (const { result, cache } of works) {
    const keys = Array.from({ length: result.writes }, (_, index) => keyOf(result.policy, index, options.writes));
    const expected: Expected = { keys, valueOf: (key) => sessionOf(options.seed, key) };
    const verify = async (place: Place) => {
      const found = await verifyPlace(place, expected, (done) => observer.verifying(before + done, all));
      before += keys.length;
      faultCount += found.faults.length;
      for (const fault of found.faults.slice(0, FAULTS_EXPLAINED_MAX - faults.length)) {
        const filled = fault.where === 'front' && fault.problem === 'missing';
        faults.push(filled ? fault : { ...fault, inspection: await inspected(cache, fault.key) });
      }
      return found;
    };
    policies.push({
      policy: result.policy,
      expected: result.writes,
      store: await verify(storeReader(store)),
      front: await verify(frontReader(cache, tap)),
    });
  }
  const recordsInTable = Number((await store.query(`SELECT count(*)::int AS count FROM ${TABLE}`))[0]?.['count']);
  const ok = faultCount === 0 && recordsInTable === works.reduce((sum, { result }) => sum + result.writes, 0);
  return { ok, policies, recordsInTable, faults, faultCount };
}

/** Reads with SQL, past Millrace. */
function storeReader(store: Pick<StorePlace, 'query'>): Place {
  return {
    name: 'store',
    async read(keys) {
      const rows = await store.query(
        `SELECT user_id, session_data::text AS json FROM ${TABLE} WHERE user_id = ANY($1)`,
        [keys],
      );
      return new Map(rows.map(({ user_id, json }) => [String(user_id), JSON.parse(String(json)) as unknown]));
    },
  };
}

/**
 * Reads through the cache and leaves out every key that the cache had to ask the store for. Keys have one length,
 * so that none is a part of another.
 */
export function frontReader(cache: Pick<Cache<Session>, 'getMany'>, tap: StatementTap): Place {
  return {
    name: 'front',
    async read(keys) {
      const asked: string[] = [];
      tap.listener = (_, values) => asked.push(JSON.stringify(values) ?? '');
      try {
        const values = new Map<string, unknown>(await cache.getMany(keys));
        for (const statement of asked) {
          for (const key of keys) if (statement.includes(key)) values.delete(key);
        }
        return values;
      } finally {
        tap.listener = undefined;
      }
    },
  };
}

async function inspected(cache: Cache<Session>, key: string): Promise<unknown> {
  try {
    return await cache.inspect(key);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
