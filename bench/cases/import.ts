import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { medianOf } from '../suite/measure.ts';
import { atMost, type CaseReport, progress, type Verdict } from '../suite/report.ts';

const run = promisify(execFile);
const ROUNDS = 9;
const SCRIPT = `const startedAt = performance.now();
await import(process.argv[1]);
const ms = performance.now() - startedAt;
const { default: { Module } } = { default: await import('node:module') };
const driver = /node_modules.(redis|@redis|ioredis|pg|lmdb|@electric-sql)/;
const loaded = Object.keys(Module._cache ?? {}).filter((file) => driver.test(file));
console.log(JSON.stringify({ ms, loaded }));`;

/** How long a fresh process takes to import the package, and which drivers came with it. */
export async function importing(): Promise<CaseReport> {
  const entry = new URL('../../dist/index.mjs', import.meta.url).href;
  const rounds: { readonly ms: number; readonly loaded: readonly string[] }[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    progress(`fresh process ${i + 1} of ${ROUNDS}`);
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', SCRIPT, entry]);
    rounds.push(JSON.parse(stdout) as (typeof rounds)[number]);
  }
  const ms = medianOf(rounds.map((round) => round.ms));
  const drivers = Math.max(...rounds.map((round) => round.loaded.length));
  const none: Verdict = { what: 'drivers loaded', measured: drivers, unit: '', target: 'none', met: drivers === 0 };
  return {
    name: 'import',
    title: "import 'millrace' in a fresh process",
    lines: [`median ${ms.toFixed(1)} ms`],
    verdicts: [atMost('time', ms, 30, ' ms'), none],
    data: rounds,
  };
}
