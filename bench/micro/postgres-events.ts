/**
 * CPU time of the server, µs for each row, of statements that insert many events: an array of JSON taken apart by the
 * server, text lines, and an array parameter that the client has to escape. 2,000 events of 200 bytes, without a key.
 *
 *   node --import ./scripts/run-ts.mjs bench/micro/postgres-events.ts [rounds]
 */
import { readFileSync } from 'node:fs';
import { Pool } from 'pg';
import { startPostgres } from '../../test/servers/index.ts';

const ROWS = 2_000;
const STATEMENTS = 20;
const CLOCK_TICK_US = 10_000;
const rounds = Number(process.argv[2] ?? 5);

const event = JSON.stringify({ sensor: 's1', at: 1, note: 'x'.repeat(160) });
const events = Array.from({ length: ROWS }, () => event);
const FORMS: readonly { readonly name: string; readonly source: string; readonly value: unknown }[] = [
  {
    name: 'array of JSON',
    source: 'select e.v from jsonb_array_elements($1::text::jsonb) e(v)',
    value: `[${events.join(',')}]`,
  },
  {
    name: 'array of JSON, order beside each event',
    source: 'select e.v -> 1 from jsonb_array_elements($1::text::jsonb) e(v)',
    value: `[${events.map((json, i) => `[${i},${json}]`).join(',')}]`,
  },
  {
    name: 'lines',
    source: String.raw`select e.v::jsonb from unnest(string_to_array($1::text, e'\n')) e(v)`,
    value: events.join('\n'),
  },
  { name: 'array parameter', source: 'select e.v from unnest($1::jsonb[]) e(v)', value: events },
];

const server = await startPostgres();
const pool = new Pool({ connectionString: server.url });
const client = await pool.connect();
await client.query('create table events_bench (v jsonb not null)');
const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');

/** What the session's process has used so far, user and system. */
function usedUs(): number {
  const fields = (readFileSync(`/proc/${rows[0]?.pid}/stat`, 'utf8').split(') ')[1] as string).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_US;
}

const used = new Map(FORMS.map(({ name }) => [name, [] as number[]]));
for (let round = 0; round <= rounds; round++) {
  for (const { name, source, value } of FORMS) {
    await client.query('truncate events_bench');
    const before = usedUs();
    for (let i = 0; i < STATEMENTS; i++)
      await client.query({ name, text: `insert into events_bench ${source}`, values: [value] });
    // The first round warms up.
    if (round > 0) used.get(name)?.push((usedUs() - before) / ROWS / STATEMENTS);
  }
}
for (const [name, list] of used)
  console.log(
    `${name.padEnd(40)} ${(list.sort((a, b) => a - b)[Math.floor(list.length / 2)] as number).toFixed(2)} ` +
      "µs of the server's CPU for a row",
  );
client.release();
await pool.end();
await server.stop();
