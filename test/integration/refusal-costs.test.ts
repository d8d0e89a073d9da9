import { Client } from 'pg';
import { describe, expect, test, vi } from 'vitest';
import type { Judge } from '../../src/core/letter.ts';
import type { DeadLetter, LaneStore, Mutation } from '../../src/ports/store.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { attach, batches, generation, put, Schema } from './postgres-fixture.ts';

const ROWS = 10_000;
const BATCH = 500;
const ROUNDS = 12;
/** What it may be on a machine that is busy with other things: more is a statement for each row, say. */
const DELAY_MS_MAX = 3_000;
const waits: Judge = ({ attempts = 0 }) => ({ state: 'waiting', attempts: attempts + 1, retryInMs: 0 });

async function open() {
  const schema = await Schema.create();
  await schema.pool.query(`create table t (k text primary key, v jsonb, check (v <> '666'))`);
  const store = await attach(postgresStore({ pool: schema.pool, table: 't', key: 'k', value: 'v' }));
  await store.raiseEpoch(0);
  return { schema, store, [Symbol.asyncDispose]: () => schema[Symbol.asyncDispose]() };
}

const rowsOf = (value: number, bad: (at: number) => boolean, count = ROWS) =>
  Array.from({ length: count }, (_, at) => put(`k${`${at}`.padStart(6, '0')}`, bad(at) ? 666 : value));

let generations = 0;

async function apply(store: LaneStore, rows: readonly Mutation[]) {
  const cut = Array.from({ length: rows.length / BATCH }, (_, at) => rows.slice(at * BATCH, (at + 1) * BATCH));
  const startedAt = performance.now();
  const result = await store.apply({ lanes: [generation((generations += 1))], judge: waits, batches: batches(...cut) });
  if (result.kind !== 'applied') throw new Error('fenced');
  return { ...result, tookMs: performance.now() - startedAt };
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;

const spread = (numbers: readonly number[]): string => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const [least, most] = [sorted[0], sorted.at(-1)].map((number) => number?.toFixed(0));
  return `${least} / ${median(numbers).toFixed(0)} / ${most} ms (least, median, most)`;
};

/** Statements that write rows of the table, whatever became of them. */
async function statementsOf(work: () => Promise<unknown>): Promise<number> {
  const query = vi.spyOn(Client.prototype, 'query');
  try {
    await work();
    return query.mock.calls.filter(([asked]) => /"t"/.test((asked as unknown as { text?: string }).text ?? '')).length;
  } finally {
    query.mockRestore();
  }
}

describe('a generation of 10,000 rows', () => {
  test('costs at most 2·log2(10,000) statements more for a bad row, wherever that is', async () => {
    await using opened = await open();
    const { store } = opened;
    generations = 0;
    const most = Math.floor(2 * Math.log2(ROWS));
    const good = await statementsOf(() =>
      apply(
        store,
        rowsOf(0, () => false),
      ),
    );
    expect(good).toBe(ROWS / BATCH);
    const extras: number[] = [];
    // The first and last rows of generation, segment and batch, and some between.
    for (const place of [0, 1, 255, 499, 500, 3_499, 3_500, 3_999, 4_000, 4_321, 9_500, 9_998, 9_999]) {
      extras.push(
        (await statementsOf(() =>
          apply(
            store,
            rowsOf(1, (at) => at === place),
          ),
        )) - good,
      );
    }
    console.info(
      `statements for one bad row of ${ROWS}: ${Math.min(...extras)} to ${Math.max(...extras)} more ` +
        `than the ${good} without; ${most} allowed`,
    );
    expect(Math.min(...extras)).toBeGreaterThan(0);
    expect(Math.max(...extras)).toBeLessThanOrEqual(most);
  }, 60_000);

  test('is delayed by less than 100 ms by a bad one, on a machine that does nothing else', async () => {
    await using opened = await open();
    const { store } = opened;
    generations = 0;
    await apply(
      store,
      rowsOf(0, () => false),
    );
    const good: number[] = [];
    const delayed: number[] = [];
    const without = async (round: number): Promise<void> =>
      void good.push(
        (
          await apply(
            store,
            rowsOf(2 * round, () => false),
          )
        ).tookMs,
      );
    const withOne = async (round: number): Promise<void> => {
      const place = (round * 1_237) % ROWS;
      const { rows, refused, tookMs } = await apply(
        store,
        rowsOf(2 * round + 1, (at) => at === place),
      );
      expect([rows, refused.length]).toEqual([ROWS - 1, 1]);
      delayed.push(tookMs);
    };
    // By turns, and each as often the first.
    for (let round = 1; round <= ROUNDS; round++) {
      for (const turn of round % 2 === 0 ? [without, withOne] : [withOne, without]) await turn(round);
    }
    const delayMs = median(delayed) - median(good);
    console.info(
      `one bad row of ${ROWS} delays the others by ${delayMs.toFixed(0)} ms (medians of ${ROUNDS}): ` +
        `${spread(good)} without, ${spread(delayed)} with it`,
    );
    expect(delayMs).toBeLessThan(DELAY_MS_MAX);
  }, 120_000);

  test('of which all are bad ends in bounded time; what was not tried alone has used up no attempt', async () => {
    await using opened = await open();
    const { schema, store } = opened;
    generations = 0;
    const { rows, refused, tookMs } = await apply(
      store,
      rowsOf(1, () => true),
    );
    expect([rows, refused.length]).toEqual([0, ROWS]);
    const counts = await schema.rows(
      'select attempts, count(*)::int as n from millrace_dead_letter group by attempts order by attempts',
    );
    const [postponed, tried] = counts as { attempts: number; n: number }[];
    expect(postponed?.attempts).toBe(0);
    expect(tried?.attempts).toBe(1);
    expect(tried?.n).toBeGreaterThan(200);
    expect(tried?.n).toBeLessThan(500);
    const due = await store.deadLetters!.due(0, 32);
    const retried = await store.retry(0, 1, due.letters, waits);
    expect(retried.kind === 'retried' && retried.letters.map(({ state }) => state)).toEqual(
      Array.from({ length: 32 }, () => 'waiting'),
    );
    expect(tookMs).toBeLessThan(15_000);
  });

  test('of which most are bad loses none of the others, of 2,000', async () => {
    await using opened = await open();
    const { schema, store } = opened;
    generations = 0;
    const isBad = (at: number): boolean => at % 4 !== 0;
    await apply(store, rowsOf(1, isBad, 2_000));
    // Every letter that waits comes to its turn.
    const untried = async (): Promise<DeadLetter[]> =>
      (await store.deadLetters!.list({ limit: ROWS })).filter(({ attempts }) => attempts === 0);
    for (let left = await untried(); left.length > 0; left = await untried()) {
      await store.retry(0, 1, left.slice(0, 300), waits);
    }
    expect(await schema.rows('select count(*)::int as n from t')).toEqual([{ n: 500 }]);
    expect(await store.deadLetters!.count()).toEqual({ waiting: 1_500, dead: 0, superseded: 0 });
  }, 60_000);
});
