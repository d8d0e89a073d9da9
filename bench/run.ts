/**
 * Measures Millrace beside what a team would use instead and beside the physical limits, in one run on the same servers.
 *
 *   npm run bench -- [--quick] [--only NAME[,NAME]] [--rounds N] [--json]
 *
 * Starts its own Redis and PostgreSQL. Contestants alternate in rounds, each in a process of its own; medians and the medians of
 * ratios within a round are printed, and everything that was measured is written to bench/results.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { acceptedWrites, hotKeys, oneInFlight } from './cases/accepted-writes.ts';
import { adaptive } from './cases/adaptive.ts';
import { appends } from './cases/appends.ts';
import { backlog } from './cases/backlog.ts';
import { drain } from './cases/drain.ts';
import { lmdb, memory } from './cases/embedded.ts';
import { endToEnd } from './cases/end-to-end.ts';
import { importing } from './cases/import.ts';
import { increments } from './cases/increments.ts';
import { latency } from './cases/latency.ts';
import { reads } from './cases/reads.ts';
import { redisMemory } from './cases/redis-memory.ts';
import { lanes, sizes, workers } from './cases/tables.ts';
import { writeThrough } from './cases/write-through.ts';
import { type CaseReport, print, progress } from './suite/report.ts';
import { startServers } from './suite/servers.ts';
import { openStage, type Stage } from './suite/stage.ts';

const CASES: Readonly<Record<string, (stage: Stage) => Promise<CaseReport>>> = {
  'accepted-writes': acceptedWrites,
  'one-in-flight': oneInFlight,
  'hot-keys': hotKeys,
  increments,
  reads,
  drain,
  appends,
  'end-to-end': endToEnd,
  'write-through': writeThrough,
  latency,
  adaptive,
  memory,
  lmdb,
  backlog,
  'redis-memory': redisMemory,
  sizes,
  lanes,
  workers,
  import: importing,
};

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const names = values.only?.split(',') ?? Object.keys(CASES);
for (const name of names) {
  if (CASES[name] !== undefined) continue;
  console.error(`There is no case "${name}"; there are ${Object.keys(CASES).join(', ')}.`);
  process.exit(2);
}
const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));
progress('starting Redis and PostgreSQL');
const servers = await startServers();
const stage = await openStage({
  quick: values.quick,
  rounds,
  redisUrl: servers.redisUrl,
  postgresUrl: servers.postgresUrl,
});
const reports: (CaseReport & { readonly seconds: number })[] = [];
try {
  for (const name of names) {
    const startedAt = performance.now();
    const report = await (CASES[name] as (stage: Stage) => Promise<CaseReport>)(stage);
    reports.push({ ...report, seconds: (performance.now() - startedAt) / 1_000 });
    progress('');
    if (!values.json) console.log(print(report));
  }
  const result = {
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
    date: new Date().toISOString(),
    versions: await versions(),
    rounds,
    cases: reports,
  };
  if (values.json) console.log(JSON.stringify(result, undefined, 2));
  const folder = new URL('./results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const file = values.only !== undefined ? 'part' : values.quick ? 'quick' : 'full';
  await writeFile(new URL(`${file}.json`, folder), `${JSON.stringify(result, undefined, 1)}\n`);
  if (!values.json)
    console.log(
      `${reports.flatMap(({ verdicts }) => verdicts).filter(({ met }) => met).length} of ${reports.flatMap(({ verdicts }) => verdicts).length} targets met; everything that was measured is in bench/results/${file}.json`,
    );
} finally {
  await stage.close();
  await servers.stop();
}

async function versions(): Promise<Record<string, string>> {
  const { rows } = await stage.pool.query<{ server_version: string }>('show server_version');
  return {
    node: process.version,
    redis: /(?:redis|valkey)_version:(\S+)/.exec(await stage.redis.info('server'))?.[1] ?? '',
    postgres: rows[0]?.server_version ?? '',
    processor: `${cpus().length} x ${cpus()[0]?.model ?? ''}`,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  };
}
