/**
 * Readings of sensors, 10,000 a second, into a table without any unique key. Checks itself with SQL and ends with exit
 * code 1 when something is not as it should be.
 *
 *   node --import ./scripts/run-ts.mjs examples/telemetry.ts
 *   node --import ./scripts/run-ts.mjs examples/telemetry.ts --seconds 60
 *   node --import ./scripts/run-ts.mjs examples/telemetry.ts \
 *     --redis redis://localhost --postgres postgres://localhost/db
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createLog, type Log } from 'millrace';
import { postgresLog } from 'millrace/postgres';
import { type Parts, runExample, serverFlags } from './parts.ts';

/** Each reads its sensors in turn, and sends what was read since it sent last. */
const GATEWAYS = 10;
const SENSORS_EACH = 40;
const SEND_EVERY_MS = 10;

const { values: flags } = parseArgs({
  options: { ...serverFlags, seconds: { type: 'string', default: '10' }, rate: { type: 'string', default: '10000' } },
});
const readingsEach = Math.round((Number(flags.seconds) * Number(flags.rate)) / GATEWAYS);
const readingsEachPerMs = Number(flags.rate) / GATEWAYS / 1_000;

interface Reading {
  readonly gateway: number;
  readonly sensor: string;
  /** 0, 1, 2, and so on for each sensor. */
  readonly n: number;
  readonly celsius: number;
}

/** Sends the readings as they become due. A send that takes long makes the next one larger, not later ones late. */
async function runGateway(gateway: number, log: Log<Reading>, start: number): Promise<void> {
  for (let sent = 0; sent < readingsEach; ) {
    const due = Math.min(readingsEach, Math.floor((performance.now() - start) * readingsEachPerMs));
    const readings = Array.from({ length: due - sent }, (_, at): Reading => {
      const turn = sent + at;
      return {
        gateway,
        sensor: `sensor-${gateway}-${turn % SENSORS_EACH}`,
        n: Math.floor(turn / SENSORS_EACH),
        celsius: 20 + (turn % 7) / 4,
      };
    });
    await log.appendMany(readings);
    sent = due;
    await sleep(SEND_EVERY_MS);
  }
}

async function play({ name, front, pool, sql, kinds, atEnd }: Parts): Promise<void> {
  // Nothing here would keep a reading from being stored twice. `arrived` shows in which order the rows were inserted.
  await sql(`create table ${name} (
    gateway  integer not null,
    sensor   text not null,
    n        bigint not null,
    celsius  real not null,
    read_at  timestamptz not null,
    ordered  bigint not null,
    arrived  bigint generated always as identity
  )`);
  const log = createLog<Reading>({
    name,
    front,
    store: postgresLog({
      pool,
      table: name,
      columns: ['gateway', 'sensor', 'n', 'celsius'],
      at: 'read_at',
      order: 'ordered',
    }),
    key: ({ gateway }) => `${gateway}`,
    flush: { maxDelay: '500ms', batchSize: 2_000 },
  });
  atEnd(() => log.close());
  log.on('loss', ({ count }) => assert.fail(`${count} acknowledged readings are lost`));
  await log.ready();

  const readings = readingsEach * GATEWAYS;
  const start = performance.now();
  await Promise.all(Array.from({ length: GATEWAYS }, (_, gateway) => runGateway(gateway, log, start)));
  const tookMs = performance.now() - start;
  const { entries } = (await log.stats()).pending;
  const report = await log.close();
  assert.equal(report.remaining, 0);
  const lateMs = performance.now() - start - tookMs;
  console.log(
    `${readings} readings acknowledged in ${(tookMs / 1_000).toFixed(1)} s on ${kinds}, ` +
      `${Math.round((readings / tookMs) * 1_000)} a second;`,
  );
  console.log(`the last ${entries} of them stored ${lateMs.toFixed(0)} ms later`);

  // Each reading is there once, and none is missing.
  const count = async (text: string): Promise<number> =>
    Number((await sql(`select count(*)::int as n from ${text}`))[0]?.['n']);
  assert.equal(await count(name), readings);
  assert.equal(await count(`(select distinct sensor, n from ${name}) readings`), readings);
  assert.equal(
    await count(`(select sensor from ${name} group by sensor having min(n) <> 0 or max(n) <> count(*) - 1) sensors`),
    0,
  );

  // In order: a gateway's readings are all in one lane, and were inserted in the order in which it sent them.
  const steps = `select ordered, lag(ordered) over sent as ordered_before, n, lag(n) over sent as n_before
    from ${name} window sent as (partition by gateway order by arrived)`;
  assert.equal(await count(`(${steps}) steps where ordered <= ordered_before or n < n_before`), 0);
  // When it was read and its place in the order were given at once, and are of one clock.
  assert.equal(
    await count(
      `${name} where read_at <> timestamptz 'epoch'
        + (ordered / 1000000) * interval '1 second' + (ordered % 1000000) * interval '1 microsecond'`,
    ),
    0,
  );
  console.log(
    `verified: ${readings} rows of ${await count(`(select distinct sensor from ${name}) sensors`)} sensors, ` +
      'each reading once and in its place, without a unique key',
  );
}

await runExample('telemetry', flags, play);
