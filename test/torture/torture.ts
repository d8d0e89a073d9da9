import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../servers/index.ts';
import type { Ground } from './arena.ts';
import { type CycleReport, runCycle } from './cycle.ts';
import type { Kind } from './faults/index.ts';
import { planOf } from './plan.ts';
import { buildProgram } from './program.ts';

export interface TortureOptions {
  readonly cycles: number;
  /** Of the first cycle; each further one has the next. */
  readonly seed: number;
  /** Taken in turn. */
  readonly kinds: readonly Kind[];
  /** How many cycles are under way at once, each with servers of its own; 1 unless it is given. */
  readonly jobs?: number;
  readonly subject?: Ground['subject'];
  onCycle?(report: CycleReport): void;
  /** No further cycle begins when this says so. */
  enough?(): boolean;
}

/** Runs cycles on servers of its own; those of a job one after the other. */
export async function torture({
  cycles,
  seed,
  kinds,
  jobs = 1,
  subject = 'millrace',
  onCycle,
  enough = () => false,
}: TortureOptions): Promise<CycleReport[]> {
  const program = await buildProgram();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-torture-'));
  const reports: CycleReport[] = [];
  let begun = 0;
  const faults: unknown[] = [];
  const job = async (): Promise<void> => {
    await using postgres = await startPostgres();
    while (begun < cycles && faults.length === 0 && !enough()) {
      const i = begun++;
      const plan = planOf(kinds[i % kinds.length]!, seed + i);
      const report = await runCycle(plan, { program: program.path, postgres, subject }, folder);
      reports.push(report);
      onCycle?.(report);
    }
  };
  // One that cannot go on lets the others end in good order.
  await Promise.all(
    Array.from({ length: Math.min(jobs, cycles) }, () => job().catch((error: unknown) => faults.push(error))),
  );
  program.remove();
  if (faults.length > 0) throw faults[0];
  // What is left in it is evidence.
  if (reports.every((report) => report.folder === undefined)) rmdirSync(folder);
  return reports;
}
