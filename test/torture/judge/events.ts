import { isRefusedKey } from '../ledger.ts';
import { before, show, type Write } from './history.ts';
import { Accuser, type Case, grouped, type Violation } from './verdict.ts';

/** Whether every event is in the table, once and in its place. */
export const judgeEvents = (matter: Case): Violation[] => new EventsJudge(matter).violations();

/** A row of the log that somebody wrote, and where the store has it. */
interface Row {
  readonly write: Write;
  readonly order: number;
}

class EventsJudge extends Accuser {
  violations(): Violation[] {
    const { history, evidence } = this.matter;
    const writes = [...history.writes.values()].filter(({ mutation }) => mutation === 'append');
    const rows: Row[] = [];
    const stored = new Map<Write, number>();
    for (const { id, order } of evidence.events) {
      const write = history.writes.get(id);
      if (write === undefined || write.mutation !== 'append') {
        this.accuse('misread', `the store has the event ${id}, which nobody appended`);
        continue;
      }
      rows.push({ write, order });
      stored.set(write, (stored.get(write) ?? 0) + 1);
    }
    for (const write of writes) this.#judgeEvent(write, stored.get(write) ?? 0);
    for (const ofLane of grouped(
      rows.filter(({ write }) => write.seq >= 0),
      ({ write }) => String(write.lane),
    ).values())
      this.#judgeLane(ofLane);
    for (const ofKey of grouped(rows, ({ write }) => write.key).values()) this.#judgeKey(ofKey);
    return this.accusations;
  }

  #judgeEvent(write: Write, times: number): void {
    if (isRefusedKey(write.key)) {
      this.judgeRefused('events', write);
      if (times > 0) this.accuse('misread', `${show(write)} was stored, which the store refuses`);
      return;
    }
    if (times > 1) this.accuse('duplicated', `${show(write)} was stored ${times} times`);
    if (times === 0 && this.isPromised(write))
      this.accuse(
        'lost',
        `${show(write)} was acknowledged${write.stored ? ' and stored' : ''}, and is not in the table; ` +
          'no loss of it was reported or allowed',
      );
  }

  /**
   * A lane's events are stored in the order of their sequence numbers; those of a process have order keys in that
   * order.
   */
  #judgeLane(rows: readonly Row[]): void {
    let last: Write | undefined;
    const orders = new Map<string, Row>();
    for (const row of rows) {
      const { write } = row;
      if (last !== undefined && (write.epoch < last.epoch || (write.epoch === last.epoch && write.seq < last.seq)))
        this.accuse('reordered', `${show(write)} (${at(write)}) was stored after ${show(last)} (${at(last)})`);
      last = write;
      const earlier = orders.get(write.member);
      if (earlier !== undefined && earlier.order >= row.order)
        this.accuse(
          'reordered',
          `${show(write)} has the order key ${row.order}, ` +
            `and was stored after ${show(earlier.write)} with ${earlier.order}`,
        );
      orders.set(write.member, row);
    }
  }

  /** Events of a key are stored in their order, whoever appended them and whether they were acknowledged or not. */
  #judgeKey(rows: readonly Row[]): void {
    let latest: Write | undefined;
    for (const { write } of rows) {
      if (latest !== undefined && before(write, latest))
        this.accuse('reordered', `${show(write)} was stored after ${show(latest)}`);
      if (latest === undefined || write.asked > latest.asked) latest = write;
    }
  }
}

const at = ({ lane, epoch, seq }: Write): string => `lane ${lane}, epoch ${epoch}, seq ${seq}`;
