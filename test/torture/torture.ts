import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../servers/index.ts';
import type { Ground } from './arena.ts';
import { runCycle, type CycleReport } from './cycle.ts';
import type { Kind } from './faults/index.ts';
import { planOf } from './plan.ts';
import { buildProgram } from './program.ts';

export interface TortureOptions {
  readonly cycles: number;
  /** Of the first cycle; each further one has the next. */
  readonly seed: number;
  /** Taken in turn. */
  readonly kinds: readonly Kind[];
  readonly subject?: Ground['subject'];
  onCycle?(report: CycleReport): void;
  /** No further cycle begins when this says so. */
  enough?(): boolean;
}

/** Runs cycles one after the other, on servers of its own. */
export async function torture({ cycles, seed, kinds, subject = 'millrace', onCycle, enough = () => false }: TortureOptions): Promise<CycleReport[]> {
  const program = await buildProgram();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-torture-'));
  const reports: CycleReport[] = [];
  try {
    await using postgres = await startPostgres();
    for (let i = 0; i < cycles && !enough(); i++) {
      const plan = planOf(kinds[i % kinds.length]!, seed + i);
      const report = await runCycle(plan, { program: program.path, postgres, subject }, folder);
      reports.push(report);
      onCycle?.(report);
    }
  } finally {
    program.remove();
    // What is left in it is evidence.
    if (reports.every((report) => report.folder === undefined)) rmdirSync(folder);
  }
  return reports;
}
