import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { open } from 'lmdb';
import { expect, test } from 'vitest';
import { compareBytes } from '../../src/fronts/embedded/byte-order.ts';
import { setName, utf8Keys } from '../../src/fronts/lmdb/keys.ts';
import { RANKED_SETS, RankedSet } from '../../src/fronts/lmdb/ranked-set.ts';
import { Ranking } from '../../src/fronts/memory/ranking.ts';

type Row = readonly [member: string, weight: number];

/** Few enough that they come again, many enough for some blocks and marks. */
const member = fc.oneof(
  { weight: 20, arbitrary: fc.nat(3_000).map((i) => `m${i}`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }) },
);
const weight = fc
  .oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true, min: -(2 ** 53), max: 2 ** 53 }))
  .map((by) => (by === 0 ? 0 : by));
/** Undefined removes. */
const changes = fc.array(fc.tuple(member, fc.option(weight, { nil: undefined, freq: 4 })), {
  minLength: 500,
  maxLength: 3_000,
  size: 'max',
});

const inOrder = (weights: ReadonlyMap<string, number>): Row[] =>
  [...weights].sort(([a, x], [b, y]) => x - y || Buffer.compare(Buffer.from(a), Buffer.from(b)));

interface Ranked {
  insert(member: string, weight: number): void;
  remove(member: string, weight: number): void;
  rankOf(member: string, weight: number): number;
  range(from: number, count: number): readonly Row[];
}

/** Does the changes on a ranking and in a map, and looks at both now and then. */
function play(
  ranking: Ranked,
  sequence: readonly (readonly [string, number | undefined])[],
): { found: unknown[]; expected: unknown[] } {
  const weights = new Map<string, number>();
  const found: unknown[] = [];
  const expected: unknown[] = [];
  for (const [at, [name, by]] of sequence.entries()) {
    const before = weights.get(name);
    if (before !== undefined) ranking.remove(name, before);
    if (by === undefined) weights.delete(name);
    else {
      weights.set(name, by);
      ranking.insert(name, by);
    }
    if (at % 400 !== 0 && at !== sequence.length - 1) continue;
    const rows = inOrder(weights);
    const places = [0, 1, 255, 511, 513, 1_000, rows.length - 1, rows.length].filter((from) => from >= 0);
    expected.push(
      rows,
      ...places.map((from) => rows.slice(from, from + 7)),
      ...places.filter((from) => from < rows.length),
    );
    found.push(
      ranking.range(0, 10_000),
      ...places.map((from) => ranking.range(from, 7)),
      ...places.flatMap((from) => (rows[from] === undefined ? [] : ranking.rankOf(...rows[from]))),
    );
  }
  return { found, expected };
}

/** Inserts all that were not there at once, when it is looked at or a member of them is removed. */
class InBulk implements Ranked {
  readonly #set: RankedSet;
  readonly #waiting = new Map<string, number>();

  constructor(set: RankedSet) {
    this.#set = set;
  }

  insert(name: string, by: number): void {
    this.#waiting.set(name, by);
  }

  remove(name: string, by: number): void {
    if (!this.#waiting.delete(name)) this.#set.remove(name, by);
  }

  rankOf(name: string, by: number): number {
    return this.#inserted().rankOf(name, by);
  }

  range(from: number, count: number): readonly Row[] {
    return this.#inserted().range(from, count);
  }

  #inserted(): RankedSet {
    this.#set.insertAll([...this.#waiting]);
    this.#waiting.clear();
    return this.#set;
  }
}

test('members compare as the bytes of their UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 2_000 },
  );
});

test('the ranking in memory is a sorted list', () => {
  fc.assert(
    fc.property(changes, (sequence) => {
      const { found, expected } = play(new Ranking(), sequence);
      expect(found).toEqual(expected);
    }),
    { numRuns: 20 },
  );
}, 120_000);

test.each([false, true])(
  'the ranked set in LMDB is a sorted list (in bulk: %s)',
  async (isBulk) => {
    const path = mkdtempSync(join(tmpdir(), 'millrace-ranked-'));
    const root = open({ path, noSubdir: false, encoding: 'string', overlappingSync: false, eventTurnBatching: false });
    const common = { keyEncoder: utf8Keys };
    const table = root.openDB<string, string>({ name: 'marks', encoding: 'string', ...common });
    let sets = 0;
    const newSet = (): RankedSet =>
      new RankedSet(
        table,
        Array.from({ length: RANKED_SETS }, () => setName((sets += 1))),
      );
    try {
      await fc.assert(
        fc.asyncProperty(changes, async (sequence) => {
          const { found, expected } = await root.transaction(() =>
            play(isBulk ? new InBulk(newSet()) : newSet(), sequence),
          );
          expect(found).toEqual(expected);
        }),
        { numRuns: 8 },
      );
    } finally {
      await root.close();
      rmSync(path, { recursive: true, force: true });
    }
  },
  120_000,
);
