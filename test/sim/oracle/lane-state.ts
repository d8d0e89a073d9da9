import { entriesOf, type LaneHeader } from '../../../src/core/lane.ts';
import { TOMBSTONE } from '../../../src/core/slot.ts';
import type { SimTable } from '../sim-table.ts';
import type { Findings } from '../violation.ts';

/** What must hold of a lane in the front after any step, whatever the step was. */
export function checkLane(lane: number, table: SimTable, findings: Findings): void {
  const { header } = table;
  if (header === undefined) return;
  if (header.pendingEntries !== table.pending.size)
    findings.fail(11, `lane ${lane} counts ${header.pendingEntries} pending entries and has ${table.pending.size}`);
  for (const key of table.pending) {
    const slot = table.slots.get(key);
    if (slot === undefined) findings.fail(1, `dirty key ${key} has no value`);
    if (slot.expiresAtMs !== undefined) findings.fail(7, `dirty key ${key} has an expiry`);
    if (table.flight.has(key)) findings.fail(4, `key ${key} is pending and unfrozen in flight`);
  }
  if (header.flight?.state === 'cut') {
    for (const key of table.flight)
      if (table.slots.get(key)?.expiresAtMs !== undefined) findings.fail(7, `key ${key} in flight has an expiry`);
  }
  if (header.epochs.length > 32) findings.fail(7, `lane ${lane} remembers ${header.epochs.length} epochs`);
}

/** What must hold of a step that found the lane with `before`. */
export function checkChange(
  lane: number,
  table: SimTable,
  before: LaneHeader,
  entriesMax: number,
  findings: Findings,
): void {
  const { header } = table;
  if (header === undefined) return;
  if (entriesOf(header) > Math.max(entriesMax, entriesOf(before)))
    findings.fail(7, `lane ${lane} holds ${entriesOf(header)} entries, more than its capacity`);
  if (header.flight === undefined && (table.flight.size > 0 || table.frozen.size > 0))
    findings.fail(7, `lane ${lane} keeps marks or values of a generation that is over`);
}

/** The generation that a step acknowledged, if it did. */
export function acknowledgedIn(
  before: LaneHeader,
  { flight, generation, storedSeq }: LaneHeader,
): LaneHeader['flight'] {
  const was = before.flight;
  return was?.state === 'cut' && flight?.state !== 'cut' && generation === was.generation && storedSeq === was.cutSeq
    ? was
    : undefined;
}

/** Nothing is pending any more, and nothing stays for ever that should not. */
export function checkDrainedLane(lane: number, table: SimTable, expires: boolean, findings: Findings): void {
  if (table.pending.size > 0 || table.header?.flight?.state === 'cut') findings.fail(8, `lane ${lane} is not drained`);
  for (const [key, { raw, expiresAtMs }] of table.slots) {
    // Its generation is stored, and yet to be cleaned.
    if (table.flight.has(key)) continue;
    if (raw === TOMBSTONE) findings.fail(7, `lane ${lane} is drained, and keeps a tombstone of key ${key}`);
    if (expires && expiresAtMs === undefined) findings.fail(7, `lane ${lane} is drained, and key ${key} never expires`);
  }
}
