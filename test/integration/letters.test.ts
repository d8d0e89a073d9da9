import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Cache, isMillraceError } from '../../src/index.ts';
import { AuditedTable, CONSTRAINT } from '../support/audited-table.ts';
import { FreezableClock } from '../support/freezable-clock.ts';
import { NEVER, Stage } from '../support/stage.ts';

interface Doc {
  readonly n?: number;
  readonly bad?: true;
  readonly parent?: string;
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (isMillraceError(error) ? error.code : String(error)),
  );

const SLOW = { attempts: 3, minDelay: '1m', maxDelay: '1m' } as const;
const QUICK = { attempts: 3, minDelay: 20, maxDelay: 50 } as const;
/** Never given up within a test, and tried often. */
const PATIENT = { attempts: 1_000, minDelay: 20, maxDelay: 50 } as const;

let table: AuditedTable;
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
afterAll(() => table[Symbol.asyncDispose]());
beforeEach(async () => {
  await table.query(`drop table if exists {{schema}}.millrace_dead_letter, {{schema}}.millrace_fence`);
  await table.query(`alter table {{schema}}.docs drop constraint if exists ${CONSTRAINT}`);
  await table.reset();
  await table.query(`alter table {{schema}}.docs add constraint ${CONSTRAINT} check (doc ->> 'bad' is null)`);
});

const mend = (): Promise<unknown> => table.query(`alter table {{schema}}.docs drop constraint ${CONSTRAINT}`);

/** At a quiet moment nothing that was accepted is unaccounted for. */
async function expectBalance(...caches: Cache<Doc>[]): Promise<void> {
  const stats = await Promise.all(caches.map((cache) => cache.stats()));
  const sum = (of: 'accepted' | 'coalesced' | 'stored' | 'dead'): number =>
    stats.reduce((total, counters) => total + counters[of], 0);
  const [{ pending, letters } = { pending: { entries: 0 }, letters: undefined }] = stats;
  expect({
    accounted: sum('coalesced') + sum('stored') + sum('dead') + pending.entries + (letters?.waiting ?? Number.NaN),
  }).toEqual({ accounted: sum('accepted') });
}

describe('a refused row', () => {
  test('waits, and is stored by a retry once what was wrong has been put right', async () => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, retry: PATIENT });
    const receipt = await cache.set('k', { bad: true });
    await Promise.all([cache.set('good', { n: 1 }), cache.flush()]);
    const stored = codeOf(receipt.stored());
    expect(await cache.inspect('k')).toMatchObject({
      state: 'waiting',
      inStore: false,
      deadLetter: { state: 'waiting', code: '23514', retryAt: expect.any(Date) as Date },
    });
    expect((await cache.stats()).letters).toEqual({ waiting: 1, dead: 0, superseded: 0 });
    await mend();
    expect(await stored).toBe('resolved');
    expect(await cache.get('k')).toEqual({ bad: true });
    expect(await table.stored()).toEqual({ good: { n: 1 }, k: { bad: true } });
    expect(await cache.deadLetters.list()).toEqual([]);
    expect(await cache.inspect('k')).toMatchObject({ state: 'stored', deadLetter: undefined });
    await expectBalance(cache);
  });

  test('is dead after its attempts; its receipt waits until then', async () => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, retry: QUICK });
    const dead: string[] = [];
    cache.on('dead-letter', ({ key }) => dead.push(key));
    const receipt = await cache.set('k', { bad: true });
    await cache.flush();
    expect(dead).toEqual([]);
    expect(await codeOf(receipt.stored())).toBe('MILLRACE_REJECTED');
    expect(await cache.deadLetters.list({ state: 'dead' })).toMatchObject([
      { key: 'k', state: 'dead', attempts: 3, retryAt: undefined, value: { bad: true } },
    ]);
    expect(dead).toEqual(['k']);
    expect(await codeOf(receipt.stored())).toBe('MILLRACE_REJECTED');
    await expectBalance(cache);
  });

  test('gives way to a later write of its key, whose receipt it shares', async () => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, retry: SLOW });
    const first = await cache.set('k', { bad: true });
    await cache.flush();
    const stored = codeOf(first.stored());
    await cache.set('k', { n: 2 });
    await cache.flush();
    expect(await stored).toBe('resolved');
    await mend();
    await cache.set('other', { n: 1 });
    await cache.flush();
    expect(await table.versions('k')).toEqual([{ n: 2 }]);
    expect(await cache.deadLetters.list()).toEqual([]);
    expect((await cache.stats()).coalesced).toBe(1);
    await expectBalance(cache);
  });

  test('whose key is written again before its retry is stored before the later write, or not at all', async () => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open<Doc>({ store: table.store(), flush: { maxDelay: 20 }, retry: PATIENT });
    for (let n = 0; n < 20; n++) {
      await cache.set(`k${n}`, { bad: true });
      await cache.flush();
    }
    await mend();
    for (let n = 0; n < 20; n++) await cache.set(`k${n}`, { n });
    await cache.flush();
    await vi.waitFor(async () => expect((await cache.stats()).letters?.waiting).toBe(0), { timeout: 10_000 });
    for (let n = 0; n < 20; n++) expect((await table.versions(`k${n}`)).at(-1)).toEqual({ n });
    await expectBalance(cache);
  });

  test('takes an old value out of the front when it is stored', async () => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, retry: SLOW });
    await cache.set('k', { n: 1 });
    await cache.flush();
    await cache.set('k', { bad: true });
    await cache.flush();
    expect(await cache.get('k')).toEqual({ n: 1 });
    expect((await cache.inspect('k')).front).toBe('value');
    await mend();
    const [letter] = await cache.deadLetters.list();
    expect((await cache.deadLetters.redrive(letter?.id ?? '')).outcome).toBe('redriven');
    await vi.waitFor(async () => expect(await cache.get('k')).toEqual({ bad: true }), { timeout: 5_000 });
  });

  test('may be a delete', async () => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open<Doc>({ store: table.store(), flush: { maxDelay: 50 }, retry: PATIENT });
    await table.query('create table {{schema}}.children (id text references {{schema}}.docs)');
    await cache.set('parent', { n: 1 });
    await cache.flush();
    await table.query(`insert into {{schema}}.children values ('parent')`);
    const receipt = await cache.delete('parent');
    await cache.flush();
    expect(await cache.inspect('parent')).toMatchObject({ state: 'waiting', inStore: true });
    await table.query('drop table {{schema}}.children');
    await cache.flush();
    await vi.waitFor(async () => expect(await table.count()).toBe(0), { timeout: 10_000 });
    await receipt.stored();
    expect(await cache.get('parent')).toBeUndefined();
  });
});

describe('a foreign key', () => {
  test('waits for the row that it refers to, which is in another lane, and no attempt is used up', async () => {
    await using stage = await Stage.on('memory');
    await table.query(
      `alter table {{schema}}.docs
        add parent text generated always as (doc ->> 'parent') stored references {{schema}}.docs`,
    );
    try {
      const cache = await stage.open<Doc>({
        store: table.store(),
        flush: { maxDelay: '2s' },
        retry: { attempts: 20, minDelay: 10, maxDelay: 50 },
      });
      const child = await cache.set('child', { parent: 'parent' }, { ack: 'buffered' });
      await cache.flush();
      expect(await cache.inspect('child')).toMatchObject({
        state: 'waiting',
        deadLetter: { code: '23503', attempts: 0 },
      });
      await cache.set('parent', { n: 1 });
      await cache.flush();
      await child.stored();
      expect(await table.stored()).toEqual({ child: { parent: 'parent' }, parent: { n: 1 } });
      const orphan = await cache.set('orphan', { parent: 'nobody' });
      expect(await codeOf(orphan.stored())).toBe('MILLRACE_REJECTED');
      expect(await cache.deadLetters.list()).toMatchObject([{ key: 'orphan', state: 'dead', attempts: 20 }]);
      await expectBalance(cache);
    } finally {
      await table.query('alter table {{schema}}.docs drop parent');
    }
  });
});

describe('several workers', () => {
  test('a letter outlives the worker that wrote it, and the next one goes on; the first cannot', async () => {
    await using stage = await Stage.on('redis');
    const clock = new FreezableClock();
    const first = await stage.open<Doc>({
      store: table.store(),
      flush: { maxDelay: '1h', lease: '300ms' },
      retry: PATIENT,
      lanes: 1,
      clock,
    });
    const second = await stage.open<Doc>({
      store: table.store(),
      flush: { maxDelay: '1h', lease: '300ms' },
      retry: PATIENT,
      lanes: 1,
    });
    const receipt = await first.set('k', { bad: true });
    await first.flush();
    clock.freeze();
    const [letter] = await second.deadLetters.list();
    await vi.waitFor(
      async () =>
        expect((await second.deadLetters.get(letter?.id ?? ''))?.attempts).toBeGreaterThan((letter?.attempts ?? 0) + 2),
      { timeout: 15_000 },
    );
    await mend();
    await vi.waitFor(async () => expect(await table.stored()).toEqual({ k: { bad: true } }), { timeout: 15_000 });
    await second.set('k', { n: 2 });
    await second.flush();
    clock.thaw();
    expect(await codeOf(receipt.stored())).toBe('resolved');
    await first.flush();
    expect(await table.versions('k')).toEqual([{ bad: true }, { n: 2 }]);
  });

  test('a receipt hears of a retry in another process', async () => {
    await using stage = await Stage.on('redis');
    const writer = await stage.open<Doc>({ store: table.store(), flush: false });
    const worker = await stage.open<Doc>({ store: table.store(), flush: { maxDelay: 20 }, retry: QUICK });
    const receipts = await Promise.all([writer.set('dead', { bad: true }), writer.set('good', { n: 1 })]);
    expect(await Promise.all(receipts.map((receipt) => codeOf(receipt.stored())))).toEqual([
      'MILLRACE_REJECTED',
      'resolved',
    ]);
    await mend();
    const [letter] = await writer.deadLetters.list();
    expect((await writer.deadLetters.redrive(letter?.id ?? '', { timeout: '15s' })).outcome).toBe('redriven');
    expect(await table.stored()).toEqual({ dead: { bad: true }, good: { n: 1 } });
    await expectBalance(writer, worker);
  });
});

describe('a redrive', () => {
  test.each(['pending', 'stored', 'refused'] as const)('never replaces a newer value that is %s', async (newer) => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, retry: { attempts: 1 } });
    await cache.set('k', { bad: true });
    await cache.flush();
    const [letter] = await cache.deadLetters.list();
    await cache.set('k', newer === 'refused' ? { n: 2, bad: true } : { n: 2 });
    if (newer !== 'pending') await cache.flush();
    await mend();
    expect(await cache.deadLetters.redrive(letter?.id ?? '')).toEqual({ outcome: 'superseded' });
    await cache.flush();
    expect(await table.versions('k')).toEqual(newer === 'refused' ? [] : [{ n: 2 }]);
    expect(await cache.deadLetters.list()).toMatchObject(
      newer === 'refused' ? [{ key: 'k', state: 'dead', value: { n: 2, bad: true } }] : [],
    );
    await expectBalance(cache);
  });

  test('is only scheduled when nobody flushes, and the next worker does it', async () => {
    await using stage = await Stage.on('redis');
    const writer = await stage.open<Doc>({ store: table.store(), flush: false });
    const worker = await stage.open<Doc>({ store: table.store(), flush: { maxDelay: 20 }, retry: { attempts: 1 } });
    expect(await codeOf((await writer.set('k', { bad: true })).stored())).toBe('MILLRACE_REJECTED');
    await worker.close();
    await mend();
    const [letter] = await writer.deadLetters.list();
    const done = await writer.deadLetters.redrive(letter?.id ?? '', { timeout: 200 });
    expect(done.outcome).toBe('scheduled');
    expect(await codeOf(writer.deadLetters.redrive(letter?.id ?? '', { signal: AbortSignal.timeout(100) }))).toBe(
      'MILLRACE_ABORTED',
    );
    await stage.open<Doc>({ store: table.store(), flush: { maxDelay: 20 } });
    if (done.outcome === 'scheduled') await done.receipt.stored();
    expect(await table.stored()).toEqual({ k: { bad: true } });
  });

  test('that is refused again says so', async () => {
    await using stage = await Stage.on('memory');
    const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, retry: QUICK });
    expect(await codeOf(cache.set('k', { bad: true }, { ack: 'stored' }))).toBe('MILLRACE_REJECTED');
    const [letter] = await cache.deadLetters.list();
    expect(await codeOf(cache.deadLetters.redrive(letter?.id ?? ''))).toBe('MILLRACE_REJECTED');
    expect(await cache.deadLetters.list()).toMatchObject([{ key: 'k', state: 'dead', attempts: 3 }]);
    await expectBalance(cache);
  });
});

test('a discarded letter is given up, and whoever waits for it is told', async () => {
  await using stage = await Stage.on('memory');
  const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, retry: SLOW });
  const receipt = await cache.set('k', { bad: true });
  await cache.flush();
  const stored = codeOf(receipt.stored());
  const [letter] = await cache.deadLetters.list();
  await cache.deadLetters.discard(letter?.id ?? '');
  expect(await stored).toBe('MILLRACE_REJECTED');
  expect(await cache.inspect('k')).toMatchObject({ state: 'absent', deadLetter: undefined });
  await expectBalance(cache);
});

test('a table that is missing during a retry stops the lane, and nothing dies of it', async () => {
  await using stage = await Stage.on('memory');
  const cache = await stage.open<Doc>({ store: table.store(), flush: NEVER, retry: PATIENT, lanes: 1 });
  const stopped: string[] = [];
  cache.on('stopped', ({ error }) => stopped.push(error.message));
  await cache.set('k', { bad: true });
  await cache.flush();
  await table.query('alter table {{schema}}.docs rename to hidden');
  try {
    await vi.waitFor(() => expect(stopped.join()).toContain('a table is missing'), { timeout: 10_000 });
    expect(await cache.deadLetters.list()).toMatchObject([{ key: 'k', state: 'waiting' }]);
  } finally {
    await table.query('alter table {{schema}}.hidden rename to docs');
  }
  await mend();
  await cache.resume();
  await vi.waitFor(async () => expect(await table.stored()).toEqual({ k: { bad: true } }), { timeout: 10_000 });
});
