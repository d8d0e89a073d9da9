/**
 * Sessions of a web shop, written behind: each visitor's clicks become one row. Checks itself with SQL and ends with
 * exit code 1 when something is not as it should be.
 *
 *   node --import ./scripts/run-ts.mjs examples/sessions.ts
 *   node --import ./scripts/run-ts.mjs examples/sessions.ts --clicks 20
 *   node --import ./scripts/run-ts.mjs examples/sessions.ts \
 *     --redis redis://localhost --postgres postgres://localhost/db
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createCache } from 'millrace';
import { postgresStore } from 'millrace/postgres';
import { type Parts, runExample, serverFlags } from './parts.ts';

interface Session {
  readonly userId: string;
  readonly cart: readonly string[];
  readonly pages: number;
}

const VISITORS = 1_000;
/** Of these, so many sign out. */
const SIGN_OUTS = 200;
const TTL_MS = 300;

const { values: flags } = parseArgs({ options: { ...serverFlags, clicks: { type: 'string', default: '150' } } });
const clicks = Number(flags.clicks);

async function shop({ name, front, pool, sql, atEnd }: Parts): Promise<void> {
  await sql(`create table ${name} (
    user_id       text primary key,
    session_data  jsonb not null,
    revision      bigint not null,
    last_activity timestamptz not null,
    updated_at    timestamptz not null
  )`);
  const sessions = createCache<Session>({
    name,
    front,
    store: postgresStore({
      pool,
      table: name,
      key: 'user_id',
      value: 'session_data',
      version: 'revision',
      touch: ['last_activity', 'updated_at'],
    }),
    ttl: TTL_MS,
    flush: { maxDelay: '200ms', batchSize: 100 },
  });
  atEnd(() => sessions.close());
  sessions.on('loss', ({ count }) => assert.fail(`${count} acknowledged writes are lost`));
  const rows = async (condition = 'true'): Promise<number> =>
    Number((await sql(`select count(*)::int as n from ${name} where ${condition}`))[0]?.['n']);

  // Everybody clicks at the same time. A click reads the session that the click before it wrote, stored or not.
  const visitors = Array.from({ length: VISITORS }, (_, at) => `user-${at}`);
  const start = performance.now();
  await Promise.all(
    visitors.map(async (userId) => {
      for (let click = 1; click <= clicks; click++) {
        const before = (await sessions.get(userId)) ?? { userId, cart: [], pages: 0 };
        assert.equal(before.pages, click - 1, `${userId} reads what it wrote`);
        await sessions.set(userId, {
          userId,
          cart: click % 5 === 0 ? [...before.cart, `sku-${click}`] : before.cart,
          pages: click,
        });
      }
    }),
  );
  console.log(
    `${VISITORS * clicks} clicks, each a read and a write, ` +
      `acknowledged in ${(performance.now() - start).toFixed(0)} ms; the store has ${await rows()} rows`,
  );

  await sessions.flush();
  const { stored, coalesced, statements } = await sessions.stats();
  console.log(`flushed: rows written ${stored}, statements ${statements}, clicks replaced by a later one ${coalesced}`);

  // A row per visitor with the last click. `touch` stamped it, `version` counted its writes, and there were few.
  assert.equal(await rows(), VISITORS);
  assert.equal(
    await rows(
      `(session_data ->> 'pages')::int = ${clicks}
        and jsonb_array_length(session_data -> 'cart') = ${Math.floor(clicks / 5)}`,
    ),
    VISITORS,
  );
  assert.equal(await rows(`last_activity > now() - interval '1 minute' and updated_at = last_activity`), VISITORS);
  const [written] = await sql(`select sum(revision)::int as writes from ${name}`);
  assert.equal(Number(written?.['writes']), stored);
  assert.equal(stored + coalesced, VISITORS * clicks);

  // Stored entries expire in the front, never in the store: the next read fetches the row.
  await sleep(TTL_MS + 100);
  assert.equal((await sessions.inspect('user-0')).front, 'empty');
  const loads = (await sessions.stats()).loads;
  assert.equal((await sessions.get('user-0'))?.pages, clicks);
  assert.equal((await sessions.stats()).loads, loads + 1);

  // Signing out deletes: gone for readers at once, in the store after the flush. A slow request that is fetching the
  // row meanwhile does not bring the session back, whenever it comes to its end.
  const leaving = visitors.slice(0, SIGN_OUTS);
  await Promise.all(
    leaving.map(async (userId) => {
      const slowRequest = sessions.get(userId);
      await sessions.delete(userId);
      assert.equal(await sessions.get(userId), undefined, `${userId} is signed out`);
      await slowRequest;
      assert.equal(await sessions.get(userId), undefined, `${userId} stays signed out`);
    }),
  );
  await sessions.flush();
  assert.equal(await rows(), VISITORS - SIGN_OUTS);
  for (const userId of leaving) assert.equal(await sessions.get(userId), undefined, `${userId} does not come back`);

  const report = await sessions.close();
  assert.equal(report.remaining, 0);
  console.log(
    `verified: ${await rows()} rows, each with its visitor's last click; ` +
      `${SIGN_OUTS} signed out for good; ${report.remaining} entries pending`,
  );
}

await runExample('sessions', flags, shop);
