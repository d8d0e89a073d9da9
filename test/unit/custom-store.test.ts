import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock-and-random.ts';
import { MillraceError } from '../../src/errors.ts';
import { type CustomStore, customStore, isStore } from '../../src/stores/custom.ts';

const attach = (store: Partial<CustomStore<unknown>>) =>
  customStore({ loadMany: () => Promise.resolve([]), apply: () => Promise.resolve(), ...store }).attach({
    cache: 'c',
    lanes: 1,
    writeBehind: true,
    clock: systemClock,
    onWarning: () => undefined,
  });

describe('a custom store', () => {
  test('is told from the port by attach', () => {
    const custom = { loadMany: () => Promise.resolve([]), apply: () => Promise.resolve() };
    expect([custom, customStore(custom), undefined, null, 1].map(isStore)).toEqual([false, true, false, false, false]);
  });

  test.each([
    [undefined, /loadMany and apply/],
    [{}, /loadMany is needed; apply is needed/],
    [{ loadMany() {}, apply() {}, checkKey: 1 }, /checkKey must be a function/],
    [{ loadMany() {}, apply() {}, capabilities: { transactions: true } }, /capabilities.transactions cannot be given/],
    [
      { loadMany() {}, apply() {}, capabilities: { deadLetters: true, fast: true } },
      /deadLetters cannot be given.*fast is unknown/,
    ],
  ])('refuses %o', (store, message) => {
    expect(() => customStore(store as never)).toThrow(
      expect.objectContaining({ code: 'MILLRACE_OPTIONS', message: expect.stringMatching(message) }),
    );
  });

  test('may load a map, pairs or an object, of which only what was asked for counts', async () => {
    const pairs: [string, unknown][] = [
      ['a', null],
      ['b', { c: 1 }],
      ['stranger', 1],
      ['d', undefined],
    ];
    for (const found of [new Map(pairs), pairs, Object.fromEntries(pairs)]) {
      const store = await attach({ loadMany: () => Promise.resolve(found) });
      expect(await store.load(['a', 'b', 'd', 'toString'])).toEqual(
        new Map([
          ['a', 'null'],
          ['b', '{"c":1}'],
        ]),
      );
    }
  });

  test('gets batches to walk through or to read as a list', async () => {
    const seen: unknown[] = [];
    const store = await attach({ apply: async (batch) => void seen.push(batch.cache, [...batch], batch.mutations) });
    await store.commit([
      { lane: 0, key: 'a', json: '{"__proto__":1}' },
      { lane: 0, key: 'b', json: undefined },
    ]);
    const rows = [
      { kind: 'put', key: 'a', value: JSON.parse('{"__proto__":1}') as unknown },
      { kind: 'delete', key: 'b' },
    ];
    expect(seen).toEqual(['c', rows, rows]);
  });

  test('checks values as the cache has them', async () => {
    const store = await attach({
      checkValue: (value) => (value === 13 ? 'unlucky' : undefined),
      checkKey: (key) => (key === '' ? 'empty' : undefined),
    });
    expect([store.checkValue('13'), store.checkValue('12'), store.checkKey(''), store.checkKey('a')]).toEqual([
      'unlucky',
      undefined,
      'empty',
      undefined,
    ]);
  });

  test.each([
    [new Error('s3cret'), 'MILLRACE_STORE_UNAVAILABLE'],
    ['s3cret', 'MILLRACE_STORE_UNAVAILABLE'],
    [new MillraceError('MILLRACE_REJECTED', 'too large'), 'MILLRACE_REJECTED'],
    [new MillraceError('MILLRACE_STORE_SCHEMA', 'no such collection'), 'MILLRACE_STORE_SCHEMA'],
    [new MillraceError('MILLRACE_INTERNAL', 's3cret'), 'MILLRACE_STORE_UNAVAILABLE'],
  ])('whose fault is %o', async (fault, code) => {
    const fail = () => Promise.reject(fault as Error);
    const throws = (): never => {
      throw fault;
    };
    for (const method of [fail, throws]) {
      const store = await attach({ apply: method, loadMany: method });
      const noSecret = { code, message: expect.not.stringContaining('s3cret') };
      await expect(store.commit([{ lane: 0, key: 'a', json: '1' }])).rejects.toMatchObject(noSecret);
      await expect(store.load(['a'])).rejects.toMatchObject(noSecret);
    }
  });

  test('can be flushed into, and has no fences and no letters', async () => {
    const { lanes } = await attach({});
    expect(Object.keys(lanes ?? {})).toEqual(['apply']);
  });
});
