import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '../sim/prng.ts';
import type { AuditedTable } from '../support/audited-table.ts';
import { Arena, type Ground } from './arena.ts';
import { historyOf } from './judge/history.ts';
import { type Evidence, judge, type Verdict } from './judge/index.ts';
import { type Line, parseLedger } from './ledger.ts';
import type { Plan } from './plan.ts';

/** How long a member may take to finish what it began and to drain, ms. */
const END_LIMIT_MS = 60_000;

export interface CycleReport extends Verdict {
  readonly plan: Plan;
  readonly ms: number;
  /** Where ledgers and evidence are; only where something was wrong. */
  readonly folder?: string;
}

/** Lets processes write while servers and processes fail, then drains everything and has it judged. */
export async function runCycle(plan: Plan, ground: Ground, runFolder: string): Promise<CycleReport> {
  const startedAt = performance.now();
  const folder = join(runFolder, `${plan.kind.name}-${plan.seed}`);
  mkdirSync(folder);
  const { evidence, audit } = await perform(plan, ground, folder);
  const history = historyOf(ledgersIn(folder), plan.kind.late === true);
  const verdict = judge(history, evidence, { survives: new Set(plan.kind.survives) });
  const report = { ...verdict, plan, ms: performance.now() - startedAt };
  if (verdict.violations.length === 0) {
    rmSync(folder, { recursive: true });
    return report;
  }
  writeFileSync(join(folder, 'verdict.json'), JSON.stringify({ plan, verdict }, undefined, 1));
  writeFileSync(join(folder, 'audit'), audit.map((row) => JSON.stringify(row)).join('\n'));
  return { ...report, folder };
}

async function perform(plan: Plan, ground: Ground, folder: string): Promise<Findings> {
  await using arena = await Arena.open(plan, ground, folder);
  const random = new Prng(plan.seed + 1);
  await arena.startMembers();
  for (const ms of plan.pausesMs) {
    await arena.underLoad();
    await arena.pause(ms);
    await plan.kind.inflict(arena, random);
  }
  await arena.underLoad();
  if (plan.endsByKill) await Promise.all(arena.members.map((member) => member.kill9()));
  else await endAll(arena);
  await arena.drainer().ends(END_LIMIT_MS);
  return await findingsIn(arena.table);
}

/** Writers first: who flushes for them stays until they are done. */
async function endAll({ members }: Arena): Promise<void> {
  for (const roles of [['writer'], ['worker']]) {
    const ending = members.filter(({ spec }) => roles.includes(spec.role));
    await Promise.all(
      ending.map(async (member) => {
        await member.ready;
        member.signal('SIGTERM');
        await member.ends(END_LIMIT_MS);
      }),
    );
  }
}

function ledgersIn(folder: string): Map<string, Line[]> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.ledger'));
  return new Map(
    files.map((file) => [file.slice(0, -'.ledger'.length), parseLedger(readFileSync(join(folder, file), 'utf8'))]),
  );
}

interface Findings {
  readonly evidence: Evidence;
  /** The audit as it is, for who looks into a failure. */
  readonly audit: readonly Record<string, unknown>[];
}

async function findingsIn(table: AuditedTable): Promise<Findings> {
  const audit = await table.query(
    "select at, transaction, id, doc ->> 'id' as version from {{schema}}.versions order by at",
  );
  const versions = new Map<string, (string | null)[]>();
  for (const { id, version } of audit) {
    const known = versions.get(id as string);
    if (known === undefined) versions.set(id as string, [version as string | null]);
    else known.push(version as string | null);
  }
  const rows = await table.query("select id, doc ->> 'id' as version from {{schema}}.docs");
  const counts = await table.query('select key, count::text from {{schema}}.counts');
  const scores = await table.query('select member, score from {{schema}}.scores');
  const events = await table.query("select event ->> 'id' as id, o::float8 from {{schema}}.events order by at");
  const evidence: Evidence = {
    versions,
    stored: new Map(rows.map(({ id, version }) => [id as string, version as string])),
    counts: new Map(counts.map(({ key, count }) => [key as string, BigInt(count as string)])),
    scores: new Map(scores.map(({ member, score }) => [member as string, BigInt(score as number)])),
    events: events.map(({ id, o }) => ({ id: id as string, order: o as number })),
  };
  return { evidence, audit };
}
