import { describe, expect, test } from 'vitest';
import { encodeJson } from '../../src/core/json-value.ts';

class Point {
  readonly x = Number.NaN;
  toJSON(): string {
    return 'null island';
  }
}

describe('values are JSON text', () => {
  test.each([
    [null, 'null'],
    ['null', '"null"'],
    [[null, 1, {}], '[null,1,{}]'],
    [{ a: undefined, b: null, c: () => 1 }, '{"b":null}'],
    [{ at: new Date(0), none: null }, '{"at":"1970-01-01T00:00:00.000Z","none":null}'],
    [[new Point()], '["null island"]'],
  ])('%j', (value, json) => expect(encodeJson(value)).toEqual({ json }));
});

describe('what JSON would change without a word is a fault', () => {
  test.each([
    [Number.NaN, 'the value is NaN, which JSON turns into null'],
    [{ a: [{ b: Number.NEGATIVE_INFINITY }] }, 'a[0].b is -Infinity, which JSON turns into null'],
    [[1, undefined], '[1] is undefined, which JSON turns into null'],
    [{ a: [() => 1] }, 'a[0] is function, which JSON turns into null'],
    [[Symbol('s')], '[0] is symbol, which JSON turns into null'],
    [{ a: { b: new Map([[1, 2]]) } }, 'a.b is a Map, which JSON turns into {}'],
    [new Set(), 'the value is a Set, which JSON turns into {}'],
    [undefined, 'a value of type undefined has no JSON form'],
    [() => 1, 'a value of type function has no JSON form'],
    [1n, 'Do not know how to serialize a BigInt'],
  ])('%o', (value, fault) => expect(encodeJson(value)).toEqual({ fault }));

  test('a circle, in one line', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(encodeJson(circle)).toEqual({ fault: 'Converting circular structure to JSON' });
  });

  test('an error that is none', () => {
    // oxlint-disable-next-line no-throw-literal
    expect(
      encodeJson({
        toJSON: () => {
          throw 'no';
        },
      }),
    ).toEqual({ fault: 'JSON.stringify failed' });
  });
});
