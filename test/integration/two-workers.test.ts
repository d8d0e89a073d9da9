import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cache } from '../../src/index.ts';
import { AuditedTable, CONSTRAINT, watched } from '../support/audited-table.ts';
import { FreezableClock } from '../support/freezable-clock.ts';
import { eventually, Gate } from '../support/gate.ts';
import { codeOf } from '../support/outcome.ts';
import { NEVER, Stage, sharedKinds } from '../support/stage.ts';

interface Doc {
  readonly n?: number;
  readonly bad?: boolean;
}

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(async () => {
  await table.query(`alter table {{schema}}.docs drop constraint if exists ${CONSTRAINT}`);
  await table.reset();
  await table.query(`alter table {{schema}}.docs add constraint ${CONSTRAINT} check (doc ->> 'bad' is null)`);
});
afterAll(() => table[Symbol.asyncDispose]());

describe.each(sharedKinds)('two workers on one %s', (kind) => {
  async function expectForwardOnly(): Promise<void> {
    const backwards = await table.query(`
      select * from (
        select id, (doc ->> 'n')::int as n,
          max((doc ->> 'n')::int)
            over (partition by id order by at rows between unbounded preceding and 1 preceding) as before
        from {{schema}}.versions
      ) v
      where n < before`);
    expect(backwards).toEqual([]);
  }

  test('a worker that slept through its lease between cut and commit does not write over its heir', async () => {
    await using stage = await Stage.on(kind);
    const gate = new Gate();
    const clock = new FreezableClock();
    const sleeper = await stage.open<Doc>({
      store: watched(table.store(), { beforeApply: () => gate.pass() }),
      flush: NEVER,
      clock,
    });
    await sleeper.set('k', { n: 1 });
    await sleeper.set('only', { n: 1 });
    const flushed = sleeper.flush().then(
      () => 'flushed',
      () => 'failed',
    );
    await gate.arrived;
    clock.freeze();
    const heir = await stage.open<Doc>({ store: table.store(), flush: { maxDelay: 1, lease: '300ms' } });
    await heir.set('k', { n: 2 });
    await eventually(
      'the heir has taken over',
      async () => JSON.stringify(await table.stored()) === JSON.stringify({ k: { n: 2 }, only: { n: 1 } }),
    );
    clock.thaw();
    gate.open();
    expect(await flushed).toBe('flushed');
    expect(await table.versions('only')).toEqual([{ n: 1 }]);
    await expectForwardOnly();
    expect(await table.stored()).toEqual({ k: { n: 2 }, only: { n: 1 } });
  });

  test('whoever freezes, and whenever, what the store holds only moves forward', async () => {
    await using stage = await Stage.on(kind);
    const clocks = [new FreezableClock(), new FreezableClock()] as const;
    const flush = { maxDelay: 2, lease: '100ms' } as const;
    const retry = { minDelay: 1, maxDelay: 10 } as const;
    const caches = [
      await stage.open<Doc>({ store: table.store(), flush, retry, clock: clocks[0] }),
      await stage.open<Doc>({ store: table.store(), flush, retry, clock: clocks[1] }),
    ] as const;
    const KEYS = 5;
    const state = { done: false };
    const counters = Array.from({ length: KEYS }, () => 0);
    // Each key is written by both in turn, the next write after the answer to the last: their order is known.
    const write = async (k: number, via: (turn: number) => Cache<Doc>): Promise<void> => {
      for (let turn = 0; !state.done; turn++) {
        const n = (counters[k] as number) + 1;
        counters[k] = n;
        await via(turn).set(`k${k}`, { n });
        if ((await via(turn + 1).get(`k${k}`))?.n !== n) throw new Error(`k${k}: the other process does not read ${n}`);
      }
    };
    const writing = Promise.all(counters.map((_, k) => write(k, (turn) => caches[turn % 2] as Cache<Doc>)));
    const epochs = async (): Promise<number> =>
      (await table.query("select sum(epoch) as n from {{schema}}.millrace_fence where cache = 'c'")).map(({ n }) =>
        Number(n),
      )[0] ?? 0;
    // A busy machine can have lanes change hands by themselves: whoever is frozen in vain did not have them any more.
    const changed = async (before: number): Promise<boolean> => {
      for (let look = 0; look < 100; look++) {
        if ((await epochs()) >= before + 4) return true;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return false;
    };
    for (let turn = 0, changes = 0; changes < 4; turn++) {
      const before = await epochs();
      const clock = clocks[turn % 2] as FreezableClock;
      clock.freeze();
      if (await changed(before)) changes++;
      clock.thaw();
      await eventually(
        'both flush again',
        async () => (await codeOf((caches[turn % 2] as Cache<Doc>).flush())) === 'resolved',
      );
    }
    state.done = true;
    await writing;
    await Promise.all(caches.map((cache) => cache.flush()));
    await expectForwardOnly();
    expect(await epochs()).toBeGreaterThan(8);
    expect(await table.stored()).toEqual(Object.fromEntries(counters.map((n, k) => [`k${k}`, { n }])));
  }, 60_000);
});
