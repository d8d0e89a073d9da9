import { describe, expect, test } from 'vitest';
import { verificationLines } from '../../src/cli/demo/summary.ts';
import { frontReader, verifyAll } from '../../src/cli/demo/verification.ts';
import { firstDifference, type Place, verifyPlace } from '../../src/cli/demo/verify.ts';
import { keyOf, type Session, sessionOf } from '../../src/cli/demo/workload.ts';
import { SILENT } from '../../src/cli/terminal.ts';

const seed = 7;
const keys = Array.from({ length: 1_200 }, (_, index) => keyOf('write-behind', index, 1_200));
const expected = { keys, valueOf: (key: string) => sessionOf(seed, key) };

/** What was written, as a database gives it back: other objects, keys in another order. */
function stored(): Map<string, Session> {
  return new Map(keys.map((key) => [key, reversed(structuredClone(sessionOf(seed, key))) as Session]));
}

function place(values: ReadonlyMap<string, unknown>): Place {
  return {
    name: 'store',
    read: async (keys) => new Map(keys.filter((key) => values.has(key)).map((key) => [key, values.get(key)])),
  };
}

describe('the verification of a place', () => {
  test('finds nothing wrong where everything is there', async () => {
    expect(await verifyPlace(place(stored()), expected)).toEqual({ present: 1_200, equal: 1_200, faults: [] });
  });

  test('finds the one wrong record, and where it differs', async () => {
    const values = stored();
    const session = values.get(keys[700]!)!;
    values.set(keys[700]!, { ...session, user: { ...session.user, locale: 'xx-XX' } });
    expect(await verifyPlace(place(values), expected)).toEqual({
      present: 1_200,
      equal: 1_199,
      faults: [{ key: keys[700], where: 'store', problem: 'different', path: 'user.locale' }],
    });
  });

  test('finds the one missing record', async () => {
    const values = stored();
    values.delete(keys[1_199]!);
    expect(await verifyPlace(place(values), expected)).toEqual({
      present: 1_199,
      equal: 1_199,
      faults: [{ key: keys[1_199], where: 'store', problem: 'missing' }],
    });
  });

  test('tells records apart that are swapped', async () => {
    const values = stored();
    values.set(keys[0]!, sessionOf(seed, keys[1]!));
    const { faults } = await verifyPlace(place(values), expected);
    expect(faults.map(({ key, problem }) => [key, problem])).toEqual([[keys[0], 'different']]);
  });
});

test.each([
  [{ a: 1 }, { a: 1 }, undefined],
  [{ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }, undefined],
  [{ a: 1 }, { a: '1' }, 'a'],
  [{ a: { b: [1, { c: 2 }] } }, { a: { b: [1, { c: 3 }] } }, 'a.b[1].c'],
  [{ a: [1, 2] }, { a: [1, 2, 3] }, 'a[2]'],
  [{ a: null }, {}, 'a'],
  [{}, { a: undefined }, 'a'],
  [{ a: [] }, { a: {} }, 'a'],
  [[{ a: 1 }], [{ a: 2 }], '[0].a'],
  [1, 2, ''],
  [null, {}, ''],
])('%j and %j differ at %j', (written, found, path) => {
  expect(firstDifference(written, found)).toBe(path);
});

describe('the reader of the front', () => {
  test('leaves out what the cache had to ask the store for', async () => {
    const tap = { listener: undefined as ((sql: string, values: unknown) => void) | undefined };
    const cache = {
      async getMany(keys: readonly string[]) {
        tap.listener?.('SELECT', [[keys[1]]]);
        return new Map(keys.map((key) => [key, sessionOf(seed, key)]));
      },
    };
    const front = await frontReader(cache, tap).read(keys.slice(0, 3));
    expect([...front.keys()]).toEqual([keys[0], keys[2]]);
    expect(tap.listener).toBeUndefined();
  });
});

describe('the verification of a run', () => {
  test('names the wrong records, the first ten of them explained, and never their values', async () => {
    const values = stored();
    for (const key of keys.slice(0, 12)) values.set(key, { ...values.get(key)!, coupon: 'STOLEN' });
    const verification = await verifyRun(values, values.size);
    expect(verification).toMatchObject({ ok: false, faultCount: 12 });
    expect(verification.faults).toHaveLength(10);
    const text = verificationLines(verification, SILENT.colors).join('\n');
    expect(text).toContain('NOT verified');
    expect(text).toContain(
      '1,200 of 1,200 records in the store, 1,188 equal; 1,200 of 1,200 entries in the front, 1,200 equal',
    );
    expect(text).toContain(`${keys[0]}: different in the store at coupon`);
    expect(text).toContain('"state":"clean"');
    expect(text).toContain('and 2 more');
    expect(text).not.toContain('STOLEN');
  });

  test('finds a record that nobody wrote', async () => {
    const verification = await verifyRun(stored(), 1_201);
    expect(verification).toMatchObject({ ok: false, faultCount: 0 });
    expect(verificationLines(verification, SILENT.colors).join('\n')).toContain(
      '1 record in the store that nobody wrote',
    );
  });

  test('is short when all is well', async () => {
    const verification = await verifyRun(stored(), 1_200);
    expect(verification.ok).toBe(true);
    expect(verificationLines(verification, SILENT.colors)[0]).toBe(
      'verified: 1,200 = 1,200 records in the store, 1,200 entries in the front, all equal',
    );
  });
});

describe('the sessions of the demo', () => {
  test('are the same for the same seed and key, and others for others', () => {
    expect(sessionOf(1, 'a')).toEqual(sessionOf(1, 'a'));
    const distinct = new Set(keys.map((key) => JSON.stringify({ ...sessionOf(1, key), user: '' })));
    expect(distinct.size).toBeGreaterThan(900);
    expect(sessionOf(1, keys[0]!)).not.toEqual(sessionOf(2, keys[0]!));
  });

  test('survive JSON', () => {
    for (const key of keys) expect(JSON.parse(JSON.stringify(sessionOf(seed, key)))).toEqual(sessionOf(seed, key));
  });

  test('have keys of one length, so that none is a part of another', () => {
    expect(new Set(keys.map(({ length }) => length)).size).toBe(1);
    expect(keyOf('write-behind', 0, 20)).toBe('write-behind:01');
    expect(keyOf('write-behind', 19, 20)).toBe('write-behind:20');
  });
});

async function verifyRun(inStore: ReadonlyMap<string, Session>, rows: number) {
  const cache = {
    getMany: async (keys: readonly string[]) => new Map(keys.map((key) => [key, sessionOf(seed, key)])),
    inspect: async (key: string) => ({ key, state: 'clean' }),
  };
  const query = async (sql: string, values: unknown[] = []) => {
    if (sql.includes('count(*)')) return [{ count: rows }];
    return (values[0] as string[]).map((key) => ({ user_id: key, json: JSON.stringify(inStore.get(key)) }));
  };
  type Work = Parameters<typeof verifyAll>[0];
  const result = { policy: 'write-behind', writes: keys.length };
  return verifyAll({
    works: [{ result, cache }] as unknown as Work['works'],
    store: { query },
    tap: { listener: undefined },
    options: { writes: keys.length, seed },
    observer: { verifying: () => undefined },
  });
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, inside]) => [name, reversed(inside)]),
  );
}
