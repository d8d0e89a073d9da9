import { cacheOf } from '../ledger.ts';
import type { History, Loss, Write } from './history.ts';

/**
 * The acknowledged writes whose loss was reported by the process that was given the acknowledgement: by the write's own
 * receipt, or by a `loss` event of its lane, which counts sequence numbers from the lane's last backwards.
 */
export function reportedLost(history: History): Set<Write> {
  const reported = new Set<Write>();
  for (const write of history.writes.values()) {
    if (write.acked === undefined) continue;
    const acked = write.acked;
    const later = history.losses.filter((loss) => isOf(loss, write) && loss.t >= acked);
    const count = later.reduce((sum, loss) => sum + loss.count, 0);
    // A count of 0 says that the number is not known any more.
    const all = later.some((loss) => loss.count === 0);
    if (write.toldLost || all || (count > 0 && write.seq > lastSeq(history, write, later.at(-1)!) - count))
      reported.add(write);
  }
  return reported;
}

const isOf = (loss: Loss, write: Write): boolean =>
  loss.member === write.member && loss.lane === write.lane && loss.cache === cacheOf(write.mutation);

/** The highest seq that the write's process was given in the loss's lane and the write's epoch until then. */
function lastSeq(history: History, { epoch }: Write, loss: Loss): number {
  return Math.max(
    ...ackedIn(history, loss)
      .filter((write) => write.epoch === epoch)
      .map((write) => write.seq),
  );
}

/** What the loss's process was given in the loss's lane until then. */
const ackedIn = (history: History, loss: Loss): Write[] =>
  [...history.writes.values()].filter(
    (write) => isOf(loss, write) && write.acked !== undefined && write.acked <= loss.t,
  );

/**
 * Reports of losses that were none: a lane that loses something loses its last write, so a report is false if the last
 * write that the process was given in each epoch until then has been stored. A report also counts writes that the front
 * took and could not acknowledge at their level; their callers are told each, and the lane's last may be one of them.
 */
export function falseAlarms(history: History, stored: ReadonlySet<string>): Loss[] {
  const taken = [...history.writes.values()].filter(
    (write) =>
      write.acked === undefined && (write.toldLost || write.level === 'fsynced' || write.level === 'replicated'),
  );
  return history.losses.filter((loss) => {
    if (
      loss.cause === 'value-removed' ||
      taken.some(
        (write) => write.member === loss.member && cacheOf(write.mutation) === loss.cache && write.asked < loss.t,
      )
    )
      return false;
    const last = new Map<number, Write>();
    for (const write of ackedIn(history, loss)) {
      if (write.seq > (last.get(write.epoch)?.seq ?? -1)) last.set(write.epoch, write);
    }
    return last.size > 0 && [...last.values()].every((write) => stored.has(write.id));
  });
}
