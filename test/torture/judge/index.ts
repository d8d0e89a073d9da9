import { judgeCounts, judgeScores } from './counts.ts';
import { judgeDocs } from './docs.ts';
import { judgeEvents } from './events.ts';
import type { History } from './history.ts';
import { falseAlarms, reportedLost } from './losses.ts';
import type { Evidence, Terms, Violation } from './verdict.ts';

export { type Evidence, OFFENCES, type Offence, type Violation } from './verdict.ts';

export interface Verdict {
  readonly acknowledged: number;
  /** How many of them are increments, events, and additions to scores. */
  readonly increments: number;
  readonly events: number;
  readonly scores: number;
  /** Sequence numbers that `loss` events counted. */
  readonly reportedLosses: number;
  readonly violations: readonly Violation[];
}

/** Decides what became of every acknowledged write and whether a history explains all that was stored and read. */
export function judge(history: History, evidence: Evidence, { survives }: Terms): Verdict {
  const excused = reportedLost(history);
  for (const write of excused) if (survives.has(write.level) || write.stored) excused.delete(write);
  const writes = [...history.writes.values()];
  const canLose = writes.some(({ level }) => !survives.has(level));
  const matter = { history, evidence, excused, forgets: canLose };
  const violations = [...judgeDocs(matter), ...judgeCounts(matter), ...judgeEvents(matter), ...judgeScores(matter)];
  // Where every level survives there is nothing to report; elsewhere the last writes must be missing.
  for (const { member, cache, lane, count, t } of canLose
    ? falseAlarms(history, everStored(history, evidence))
    : history.losses) {
    violations.push({
      offence: 'falseAlarms',
      what:
        `${member} reported ${count} lost in lane ${lane} of ${cache} at ${t}, ` +
        (canLose ? 'but its last writes there are stored' : 'where nothing can be lost'),
    });
  }
  for (const why of history.stuck) violations.push({ offence: 'stuck', what: why });
  const acknowledged = writes.filter(({ acked }) => acked !== undefined);
  return {
    acknowledged: acknowledged.length,
    increments: acknowledged.filter(({ mutation }) => mutation === 'delta').length,
    events: acknowledged.filter(({ mutation }) => mutation === 'append').length,
    scores: acknowledged.filter(({ mutation }) => mutation === 'score').length,
    reportedLosses: history.losses.reduce((sum, { count }) => sum + count, 0),
    violations,
  };
}

/** The ids of the writes that the store has, or had. */
function everStored({ writes }: History, { versions, counts, scores, events }: Evidence): Set<string> {
  const added = [...writes.values()].filter(
    ({ key, mutation, digit }) =>
      digit !== undefined && (((mutation === 'score' ? scores : counts).get(key) ?? 0n) >> BigInt(2 * digit)) % 4n > 0n,
  );
  return new Set([
    ...[...versions.values()].flat().filter((id) => id !== null),
    ...added.map(({ id }) => id),
    ...events.map(({ id }) => id),
  ]);
}
