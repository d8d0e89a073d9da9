import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CacheOptions } from '../../src/index.ts';
import { postgresUrl, redisUrl } from '../servers/index.ts';
import type { Act } from '../support/actor.ts';
import { AuditedTable } from '../support/audited-table.ts';
import { type FrontSpec, frontOf } from '../support/front-spec.ts';
import { uniquePrefix } from '../support/fronts.ts';
import { eventually } from '../support/gate.ts';
import { Actor } from '../support/play.ts';
import { type FrontKind, Stage, sharedKinds } from '../support/stage.ts';

/** How long a process may stay when nothing is left to do. */
const EXIT_MS = 2_000;
const ONCE_AN_HOUR = 3_600_000;

let table: AuditedTable;
const folders: string[] = [];
beforeAll(async () => {
  table = await AuditedTable.onPostgres();
});
beforeEach(async () => {
  await table.reset();
  // Each test has a front of its own under the same name: to an old fence it would be one that forgot everything.
  await table.query('drop table if exists {{schema}}.millrace_fence, {{schema}}.millrace_dead_letter');
});
afterAll(async () => {
  await table[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function placeOf(kind: FrontKind): FrontSpec {
  if (kind === 'lmdb') {
    const at = mkdtempSync(join(tmpdir(), 'millrace-two-'));
    folders.push(at);
    return { kind, at };
  }
  return { kind, at: redisUrl(), prefix: uniquePrefix() };
}

const act = (front: FrontSpec, mode: Act['mode'], maxDelay = ONCE_AN_HOUR): Actor =>
  new Actor({ front, mode, maxDelay, postgres: postgresUrl(), table: `${table.schema}.docs` });

/** This process's cache on the same place. */
async function open(stage: Stage, front: FrontSpec, options: Partial<CacheOptions<number>> = {}) {
  return stage.open<number>({ front: frontOf(front), store: table.store(), flush: false, ...options });
}

// The drivers differ in how they connect and let go, which is below: what processes ask of each other is the same.
describe.each(['lmdb', 'redis'] as const)('a process that does not flush, and a worker, on %s', (kind) => {
  test("what one is asked for the other does: stored(), flush(), ack 'stored' and what is refused", async () => {
    const place = placeOf(kind);
    await using stage = await Stage.on('memory');
    const cache = await open(stage, place);
    const early = await cache.set('early', 1);
    expect(await cache.get('early')).toBe(1);
    expect(await table.count()).toBe(0);

    await using worker = act(place, 'work');
    await worker.says('ready');
    // Nothing is due for an hour: only the request of the other process moves the worker.
    await cache.flush();
    expect(await table.stored()).toEqual({ early: 1 });
    await early.stored();
    await cache.set('strict', 2, { ack: 'stored' });
    expect(await table.stored()).toMatchObject({ strict: 2 });
    const receipt = await cache.set('late', 3);
    const flushed = cache.flush();
    await receipt.stored();
    await flushed;
    expect(await table.stored()).toEqual({ early: 1, late: 3, strict: 2 });
    await table.query("alter table {{schema}}.docs add constraint never_4 check (doc <> '4')");
    const refused = await cache.set('strict', 4, { ack: 'stored' }).catch((error: unknown) => error);
    await table.query('alter table {{schema}}.docs drop constraint never_4');
    expect(refused).toMatchObject({ code: 'MILLRACE_REJECTED', key: 'strict' });
    expect(await cache.get('strict')).toBe(2);
    expect((await cache.deadLetters.list()).map(({ key, value }) => ({ key, value }))).toEqual([
      { key: 'strict', value: 4 },
    ]);

    worker.child.stdin?.end();
    expect(await worker.says('closed')).toEqual({ closed: { stored: 0, remaining: 0, dead: 0 } });
    expect(await worker.ended(EXIT_MS)).toEqual({ code: 0, signal: null });
  });

  test('a worker that is killed with writes pending is replaced by the next, and nobody waits for ever', async () => {
    const place = placeOf(kind);
    await using stage = await Stage.on('memory');
    const cache = await open(stage, place);
    {
      await using worker = act(place, 'work');
      await worker.says('ready');
      await cache.set('k', 1);
      worker.child.kill('SIGKILL');
    }
    const receipt = await cache.set('k', 2);
    const stored = receipt.stored();
    await using next = act(place, 'work', 10);
    await next.says('ready');
    await stored;
    expect(await table.versions('k')).toEqual([2]);
  });

  test('what a process wrote and left is stored by the next one', async () => {
    const place = placeOf(kind);
    await using stage = await Stage.on('memory');
    {
      await using leaver = act(place, 'leave');
      await leaver.says('left');
    }
    const heir = await open(stage, place, { flush: { maxDelay: 1, lease: '300ms' } });
    expect(await heir.get('k7')).toBe(7);
    await eventually('the heir has stored it', async () => (await table.count()) === 10);
  });

  test('1,000 misses of one key in each of two processes cause one load', async () => {
    const place = placeOf(kind);
    await table.query("insert into {{schema}}.docs (id, doc) values ('k', '17')");
    await using one = act(place, 'read');
    await using two = act(place, 'read');
    await Promise.all([one.says('ready'), two.says('ready')]);
    for (const actor of [one, two]) actor.child.stdin?.write('go\n');
    const said = await Promise.all([one.says('values'), two.says('values')]);
    expect(said.map(({ values }) => values)).toEqual([[17], [17]]);
    expect(said.reduce((sum, { loads }) => sum + Number(loads), 0)).toBe(1);
    for (const actor of [one, two]) expect(await actor.ended(EXIT_MS)).toEqual({ code: 0, signal: null });
  });
});

describe.each(['memory', ...sharedKinds] as const)('a process with a cache on %s', (kind) => {
  const place = (): FrontSpec => (kind === 'memory' ? { kind, at: '' } : placeOf(kind));

  test('ends by itself when the cache is closed', async () => {
    await using writer = act(place(), 'write');
    expect(await writer.says('closed')).toEqual({ closed: { stored: 10, remaining: 0, dead: 0 } });
    expect(await writer.ended(EXIT_MS)).toEqual({ code: 0, signal: null });
    expect(await writer.says('read')).toEqual({ read: 3, nothing: true });
    expect(await table.count()).toBe(10);
  });

  test('that is not closed stays until what is pending is stored', async () => {
    await using writer = act(place(), 'leave', 200);
    await writer.says('left');
    await eventually(
      'it has stored all, or ended',
      async () => (await table.count()) === 10 || (await writer.ended(0)) !== undefined,
    );
    expect(await table.count()).toBe(10);
  });
});
