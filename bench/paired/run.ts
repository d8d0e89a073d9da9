import { resolve } from 'node:path';
import type { PairedWish } from '../options.ts';
import { buildMissing, commitOf, OWN } from '../suite/builds.ts';
import { compete } from '../suite/compete.ts';
import { progress } from '../suite/report.ts';
import { startServers } from '../suite/servers.ts';
import { openStage, type Stage } from '../suite/stage.ts';
import { builds, nameOf, type PairedSample } from './builds.ts';
import { HEAD, PAIRS_FOR_A_VERDICT, print, type RowReport, reportOf } from './report.ts';

/**
 * Compares the build of this checkout with that of another one, row by row.
 *
 * @returns The exit code: 1 when a row is not held.
 */
export async function runPaired({ against, rows, pairs, json }: PairedWish): Promise<number> {
  const other = resolve(against);
  buildMissing(other);
  progress('starting Redis and PostgreSQL');
  const { redisUrl, postgresUrl, stop } = await startServers();
  const stage = await openStage({ quick: false, rounds: pairs, redisUrl, postgresUrl, against: other });
  const reports: RowReport[] = [];
  try {
    const commits = { this: commitOf(OWN), other: commitOf(other) };
    progress('');
    if (!json) console.log(`this: ${commits.this}, other: ${commits.other}, ${pairs} pairs of each row\n\n${HEAD}`);
    for (const row of rows) {
      const report = await measure(stage, row);
      reports.push(report);
      progress('');
      if (!json) console.log(print(report));
    }
    const held = reports.filter(({ faults }) => faults.length === 0).length;
    if (json) {
      const date = new Date().toISOString();
      const versions = await stage.versions();
      console.log(JSON.stringify({ date, versions, commits, pairs, rows: reports }, undefined, 2));
    } else {
      console.log(`\n${held} of ${reports.length} rows held`);
      if (pairs < PAIRS_FOR_A_VERDICT) console.log(`A verdict needs ${PAIRS_FOR_A_VERDICT} pairs or more.`);
    }
    return held === reports.length ? 0 : 1;
  } finally {
    await stage.close();
    await stop();
  }
}

/** Pairs of the same two processes: some are slower than others for as long as they live, whatever they run. */
const PAIRS_OF_PROCESSES = 5;

async function measure(stage: Stage, row: string): Promise<RowReport> {
  const [mine, theirs] = [nameOf(row, 'this'), nameOf(row, 'other')];
  const module = new URL('./builds.ts', import.meta.url).href;
  const samples = new Map<string, PairedSample[]>([mine, theirs].map((name) => [name, []]));
  for (let done = 0, first = mine; done < stage.rounds; done += PAIRS_OF_PROCESSES) {
    const names = first === mine ? [mine, theirs] : [theirs, mine];
    const both = Object.fromEntries(names.map((name) => [name, builds[name] as (typeof builds)[string]]));
    const rounds = Math.min(PAIRS_OF_PROCESSES, stage.rounds - done);
    for (const [name, some] of await compete<PairedSample>({ ...stage, rounds }, module, { builds: both }))
      samples.get(name)?.push(...some);
    first = names[1] as string;
  }
  return reportOf(row, samples.get(mine) ?? [], samples.get(theirs) ?? []);
}
