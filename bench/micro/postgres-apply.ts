/**
 * Rows per second that `apply` of the PostgreSQL store writes, against what a hand-written flush would do on the same
 * server in the same run. Durable commits, every row an update of a row that is there. Medians of the rounds.
 *
 *   node --import ./scripts/run-ts.mjs bench/micro/postgres-apply.ts [rows] [rounds]
 */
import { Pool, type PoolClient } from 'pg';
import { systemClock } from '../../src/clock-and-random.ts';
import type { FenceStore, LaneStore, Mutation } from '../../src/ports/store.ts';
import { postgresStore } from '../../src/stores/postgres/index.ts';
import { startPostgres } from '../../test/servers/index.ts';

const BATCH_ROWS = 500;
const VALUE_BYTES = 200;
/** One statement per row is two orders of magnitude slower; a part of the rows tells its rate. */
const SINGLE_PART = 20;

const rows = Number(process.argv[2] ?? 20_000);
const rounds = Number(process.argv[3] ?? 7);
const url = process.env['MILLRACE_TEST_POSTGRES_URL'];
const server = url === undefined ? await startPostgres() : undefined;
const pool = new Pool({ connectionString: url ?? server?.url, max: 4 });

const upsert = 'on conflict (k) do update set v = excluded.v, version = t.version + 1, updated_at = now()';
const single = `insert into apply_bench as t (k, v, version, updated_at) values ($1, $2, 1, now()) ${upsert}`;
const unnest =
  'insert into apply_bench as t (k, v, version, updated_at) ' +
  `select k, v, 1, now() from unnest($1::text[], $2::jsonb[]) u(k, v) ${upsert}`;

const all = Array.from(
  { length: rows },
  (_, at): Mutation => ({ lane: 0, key: `key-${`${at}`.padStart(8, '0')}`, json: valueOf(at) }),
);
const batches = Array.from({ length: Math.ceil(rows / BATCH_ROWS) }, (_, at) =>
  all.slice(at * BATCH_ROWS, (at + 1) * BATCH_ROWS),
);

function valueOf(at: number): string {
  const empty = JSON.stringify({ id: at, name: `name ${at}`, active: true, note: '' });
  return JSON.stringify({
    id: at,
    name: `name ${at}`,
    active: true,
    note: 'x'.repeat(Math.max(0, VALUE_BYTES - empty.length)),
  });
}

async function inTransaction(write: (client: PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  await client.query('begin');
  await write(client);
  await client.query('commit');
  client.release();
}

await pool.query('drop table if exists apply_bench, millrace_fence, millrace_dead_letter');
await pool.query(
  'create table apply_bench ' +
    '(k text primary key, v jsonb not null, version bigint not null, updated_at timestamptz not null)',
);
const store = await postgresStore({
  pool,
  table: 'apply_bench',
  key: 'k',
  value: 'v',
  version: 'version',
  touch: 'updated_at',
}).attach({
  cache: 'bench',
  lanes: 2,
  clock: systemClock,
  writeBehind: true,
  onWarning: (message) => process.stderr.write(`${message}\n`),
});
const generations = [0, 0];
const lanes = store.lanes as LaneStore;
const fences = lanes.fences as FenceStore;
const { epoch } = await fences.raiseEpoch(0);
await fences.raiseEpoch(1);

async function* source(part: readonly (readonly Mutation[])[]): AsyncGenerator<readonly Mutation[]> {
  yield* part;
}

async function apply(lane: 0 | 1, part: readonly (readonly Mutation[])[]): Promise<void> {
  const generation = (generations[lane] = (generations[lane] ?? 0) + 1);
  const result = await lanes.apply({
    lanes: [
      { lane, epoch, generation, fromSeq: generation, cutSeq: generation, digest: `${generation}`, letters: false },
    ],
    judge: () => ({ state: 'dead', attempts: 1 }),
    batches: source(part),
  });
  if (result.kind !== 'applied') throw new Error('fenced');
}

interface Candidate {
  readonly name: string;
  readonly rows: number;
  run(): Promise<unknown>;
}

const candidates: Candidate[] = [
  {
    name: 'upsert per row, a commit each',
    rows: rows / SINGLE_PART,
    async run() {
      for (const { key, json } of all.slice(0, rows / SINGLE_PART))
        await pool.query({ name: 'single', text: single, values: [key, json] });
    },
  },
  {
    name: 'upsert per row, one transaction',
    rows: rows / SINGLE_PART,
    run: () =>
      inTransaction(async (client) => {
        for (const { key, json } of all.slice(0, rows / SINGLE_PART))
          await client.query({ name: 'single', text: single, values: [key, json] });
      }),
  },
  {
    name: `unnest, ${BATCH_ROWS} rows a statement, one transaction`,
    rows,
    run: () =>
      inTransaction(async (client) => {
        for (const batch of batches)
          await client.query({
            name: 'unnest',
            text: unnest,
            values: [batch.map(({ key }) => key), batch.map(({ json }) => json)],
          });
      }),
  },
  { name: 'apply, one generation', rows, run: () => apply(0, batches) },
  {
    name: 'apply, two lanes at the same time',
    rows,
    run: () =>
      Promise.all([apply(0, batches.slice(0, batches.length / 2)), apply(1, batches.slice(batches.length / 2))]),
  },
  {
    name: 'apply, a generation per batch',
    rows,
    async run() {
      for (const batch of batches) await apply(0, [batch]);
    },
  },
];

await apply(0, batches);
const rates = new Map(candidates.map(({ name }) => [name, [] as { rate: number; cpu: number }[]]));
for (let round = 0; round < rounds; round++) {
  for (const candidate of candidates) {
    await pool.query('vacuum analyze apply_bench');
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await candidate.run();
    const seconds = (performance.now() - begin) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    rates.get(candidate.name)?.push({ rate: candidate.rows / seconds, cpu: (user + system) / candidate.rows });
  }
}

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
process.stdout.write(`${rows} rows of ${VALUE_BYTES} bytes, median of ${rounds} rounds\n`);
for (const [name, samples] of rates) {
  const rate = Math.round(median(samples.map(({ rate }) => rate))).toLocaleString('en');
  process.stdout.write(
    `${name.padEnd(48)} ${rate.padStart(9)} rows/s  ${median(samples.map(({ cpu }) => cpu))
      .toFixed(1)
      .padStart(6)} µs of client CPU a row\n`,
  );
}
await pool.query('drop table apply_bench, millrace_fence, millrace_dead_letter');
await pool.end();
await server?.stop();
