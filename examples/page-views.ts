/**
 * Page views of a site: 10,000 a minute, stored every five minutes, with the minutes shortened. Checks itself with SQL
 * and ends with exit code 1 when something is not as it should be.
 *
 *   node --import ./scripts/run-ts.mjs examples/page-views.ts
 *   node --import ./scripts/run-ts.mjs examples/page-views.ts --minutes 60 --minute-ms 1000
 *   node --import ./scripts/run-ts.mjs examples/page-views.ts \
 *     --redis redis://localhost --postgres postgres://localhost/db
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Counters, createCounters } from 'millrace';
import { postgresCounters } from 'millrace/postgres';
import { type Parts, runExample, serverFlags } from './parts.ts';

const PAGES = Array.from({ length: 200 }, (_, at) => `/page-${at}`);
const VIEWS_PER_MINUTE = 10_000;
const MINUTES_PER_FLUSH = 5;
/** Requests that the site answers at the same time. */
const REQUESTS = 256;

const { values: flags } = parseArgs({
  options: {
    ...serverFlags,
    minutes: { type: 'string', default: '30' },
    'minute-ms': { type: 'string', default: '500' },
  },
});
const minutes = Number(flags.minutes);
const minuteMs = Number(flags['minute-ms']);

/** What the site knows by itself: views of each page, and the sum of the totals that its visitors were shown. */
type Ledger = Map<string, { views: number; shown: number }>;

/** Some pages are viewed far more often than others. */
const anyPage = (): string => PAGES[Math.floor(PAGES.length * Math.random() ** 3)] as string;

async function serveMinute(views: Counters<number>, ledger: Ledger): Promise<void> {
  let left = VIEWS_PER_MINUTE;
  await Promise.all(
    Array.from({ length: REQUESTS }, async () => {
      while (left-- > 0) {
        const page = anyPage();
        const total = await views.increment(page);
        const entry = ledger.get(page) ?? { views: 0, shown: 0 };
        ledger.set(page, { views: entry.views + 1, shown: entry.shown + total });
      }
    }),
  );
}

async function play({ name, front, pool, sql, kinds, atEnd }: Parts): Promise<void> {
  // The trigger counts what the database has to do: every insert and update of a row.
  await sql(`create table ${name} (
    id          serial primary key,
    page_url    text not null unique,
    view_count  bigint not null,
    updated_at  timestamptz not null,
    row_writes  integer not null default 0
  )`);
  await sql(`create function ${name}_count() returns trigger language plpgsql as
    'begin new.row_writes := new.row_writes + 1; return new; end'`);
  atEnd(() => sql(`drop function ${name}_count() cascade`));
  await sql(`create trigger count before insert or update on ${name} for each row execute function ${name}_count()`);

  const views = createCounters({
    name,
    front,
    store: postgresCounters({ pool, table: name, key: 'page_url', count: 'view_count', touch: 'updated_at' }),
    flush: { maxDelay: MINUTES_PER_FLUSH * minuteMs },
  });
  atEnd(() => views.close());
  views.on('loss', ({ count }) => assert.fail(`${count} acknowledged increments are lost`));
  await views.ready();

  const ledger: Ledger = new Map();
  const start = performance.now();
  let busyMs = 0;
  for (let minute = 1; minute <= minutes; minute++) {
    const began = performance.now();
    await serveMinute(views, ledger);
    busyMs += performance.now() - began;
    // Totals are what is stored and what is not, so a flush that goes on meanwhile does not show.
    assert.deepEqual(
      await views.getMany([...ledger.keys()]),
      new Map([...ledger].map(([page, entry]) => [page, entry.views])),
    );
    await sleep(Math.max(0, start + minute * minuteMs - performance.now()));
  }
  const tookMs = performance.now() - start;
  const increments = minutes * VIEWS_PER_MINUTE;
  console.log(
    `${increments} views of ${ledger.size} pages in ${(tookMs / 1_000).toFixed(1)} s on ${kinds}; ` +
      `${Math.round((increments / busyMs) * 1_000)} a second while busy`,
  );

  const report = await views.close();
  assert.equal(report.remaining, 0);

  // Every view is in the table once, and everybody was shown a total of their own: 1, 2, 3, and so on, for each page.
  const rows = await sql(`select page_url, view_count::int as views, row_writes from ${name}`);
  assert.deepEqual(
    new Map(rows.map((row) => [row['page_url'], row['views']])),
    new Map([...ledger].map(([page, entry]) => [page, entry.views])),
  );
  const [sums] = await sql(
    `select sum(view_count)::int as views, sum(row_writes)::int as writes, max(row_writes) as most from ${name}`,
  );
  assert.equal(sums?.['views'], increments);
  for (const [page, entry] of ledger)
    assert.equal(entry.shown, (entry.views * (entry.views + 1)) / 2, `the totals of ${page}`);

  // However often a page is viewed, its row is written once for each flush; the last flush is that of the end.
  const most = Math.ceil(tookMs / (MINUTES_PER_FLUSH * minuteMs)) + 1;
  assert.ok(Number(sums?.['most']) <= most, `a row was written ${sums?.['most']} times where ${most} flushes were due`);
  console.log(
    `verified: ${sums?.['views']} views in ${rows.length} rows, ` +
      `stored with ${sums?.['writes']} row writes, at most ${sums?.['most']} of one row`,
  );
}

await runExample('page_views', flags, play);
