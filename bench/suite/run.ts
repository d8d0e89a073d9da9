import { mkdir, writeFile } from 'node:fs/promises';
import { CASES } from '../cases/index.ts';
import type { CasesWish } from '../options.ts';
import { commitOf, OWN } from './builds.ts';
import { type CaseReport, print, progress } from './report.ts';
import { startServers } from './servers.ts';
import { openStage } from './stage.ts';

/** Runs cases one after the other, prints their reports, and writes them to bench/results. */
export async function runCases({ names, all, quick, rounds, json }: CasesWish): Promise<void> {
  progress('starting Redis and PostgreSQL');
  const servers = await startServers();
  const stage = await openStage({ quick, rounds, redisUrl: servers.redisUrl, postgresUrl: servers.postgresUrl });
  const reports: (CaseReport & { readonly seconds: number })[] = [];
  try {
    for (const name of names) {
      const startedAt = performance.now();
      const report = await (await CASES[name]?.())?.(stage);
      if (report === undefined) throw new Error(`there is no case "${name}"`);
      reports.push({ ...report, seconds: (performance.now() - startedAt) / 1_000 });
      progress('');
      if (!json) console.log(print(report));
    }
    const result = {
      command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
      date: new Date().toISOString(),
      versions: { ...(await stage.versions()), commit: commitOf(OWN) },
      rounds,
      cases: reports,
    };
    if (json) console.log(JSON.stringify(result, undefined, 2));
    const folder = new URL('../results/', import.meta.url);
    await mkdir(folder, { recursive: true });
    const file = all ? (quick ? 'quick' : 'full') : 'part';
    await writeFile(new URL(`${file}.json`, folder), `${JSON.stringify(result, undefined, 1)}\n`);
    const verdicts = reports.flatMap((report) => report.verdicts);
    const met = verdicts.filter((verdict) => verdict.met).length;
    if (!json)
      console.log(`${met} of ${verdicts.length} targets met; all that was measured is in bench/results/${file}.json`);
  } finally {
    await stage.close();
    await servers.stop();
  }
}
