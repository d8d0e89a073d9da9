/**
 * CPU time of the server, µs for each row, of statements that upsert 500 documents: an array of JSON taken apart by the
 * server, text lines, and an array parameter that the client has to escape; and what the parsing is of it, and
 * `on conflict`. Keys are in no order, as they come out of a front, and are not in the table yet. The least of the
 * rounds: others on the machine only add.
 *
 *   node --import ./scripts/run-ts.mjs bench/micro/postgres-documents.ts [bytes of a document] [rounds]
 */
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { startPostgres } from '../../test/servers/index.ts';
import { documentOf } from '../suite/stage.ts';

const ROWS = 40_000;
const BATCH = 500;
const json = JSON.stringify(documentOf(Number(process.argv[2] ?? 200)));
const rounds = Number(process.argv[3] ?? 5);

const shuffled = Array.from({ length: ROWS }, (_, i) => `k${(i * 7_919) % ROWS}`);
const batches = Array.from({ length: ROWS / BATCH }, (_, i) => shuffled.slice(i * BATCH, (i + 1) * BATCH).sort());

const UPSERT = 'on conflict (k) do update set v = excluded.v';
const ARRAY = 'rows from (json_array_elements_text($1::text::json), jsonb_array_elements($2::text::jsonb)) e(k, v)';
const LINES = String.raw`unnest($1::text::text[], string_to_array($2::text, e'\n')) e(k, v)`;
const inArray = (keys: readonly string[]): unknown[] => [JSON.stringify(keys), `[${keys.map(() => json).join(',')}]`];
const inLines = (keys: readonly string[]): unknown[] => [`{${keys.join(',')}}`, keys.map(() => json).join('\n')];
const FORMS: readonly {
  readonly name: string;
  readonly text: string;
  readonly values: (keys: readonly string[]) => unknown[];
}[] = [
  {
    name: 'array of JSON',
    text: `insert into documents_bench (k, v) select e.k, e.v from ${ARRAY} ${UPSERT}`,
    values: inArray,
  },
  {
    name: 'lines',
    text: `insert into documents_bench (k, v) select e.k, e.v::jsonb from ${LINES} ${UPSERT}`,
    values: inLines,
  },
  {
    name: 'array parameter',
    text: `insert into documents_bench (k, v) select * from unnest($1::text[], $2::jsonb[]) ${UPSERT}`,
    values: (keys) => [keys, keys.map(() => json)],
  },
  { name: 'array of JSON, parsed only', text: `select count(e.v) from ${ARRAY}`, values: inArray },
  { name: 'lines, parsed only', text: `select count(e.v::jsonb) from ${LINES}`, values: inLines },
  {
    name: 'lines, without on conflict',
    text: `insert into documents_bench (k, v) select e.k, e.v::jsonb from ${LINES}`,
    values: inLines,
  },
];

const server = await startPostgres();
const client = new Client({ connectionString: server.url });
await client.connect();
await client.query('create table documents_bench (k text primary key, v jsonb not null)');
const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');

/** What the session's process has used so far. */
const usedUs = (): number => Number(readFileSync(`/proc/${rows[0]?.pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000;

const used = new Map(FORMS.map(({ name }) => [name, [] as number[]]));
for (let round = 0; round <= rounds; round++) {
  for (const { name, text, values } of FORMS) {
    await client.query('truncate documents_bench');
    await client.query('begin');
    const before = usedUs();
    for (const keys of batches) await client.query({ name, text, values: values(keys) });
    // The first round warms up.
    if (round > 0) used.get(name)?.push((usedUs() - before) / ROWS);
    await client.query('commit');
  }
}
for (const [name, list] of used)
  console.log(`${name.padEnd(30)} ${Math.min(...list).toFixed(2)} µs of the server's CPU for a row`);
await client.end();
await server.stop();
