/** What a schedule did, by name: steps, operations, faults by kind, answers of the protocol by kind. */
export interface Report {
  readonly schedules: number;
  readonly counts: Readonly<Record<string, number>>;
}

export const NO_REPORT: Report = { schedules: 0, counts: {} };

export function addReports(a: Report, b: Report): Report {
  const counts: Record<string, number> = { ...a.counts };
  for (const [name, count] of Object.entries(b.counts)) counts[name] = (counts[name] ?? 0) + count;
  return { schedules: a.schedules + b.schedules, counts };
}
