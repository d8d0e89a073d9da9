import type { EntryTable } from '../../core/entry-table.ts';
import { after, entryName } from './keys.ts';
import type { RowPart } from './row-part.ts';
import type { Tables } from './tables.ts';

/** What a lane's row holds of a log: the sets of its entries. '' for one that is empty. */
export interface LogRow {
  readonly log: string;
  /** Entries in it. */
  readonly logCount: number;
  readonly flightLog: string;
}

export const NO_LOG: LogRow = { log: '', logCount: 0, flightLog: '' };

/** Events of a log among the slots of an environment, by number. */
export class LmdbLog implements EntryTable {
  readonly #tables: Tables;
  readonly #lane: RowPart<LogRow>;

  constructor(tables: Tables, lane: RowPart<LogRow>) {
    this.#tables = tables;
    this.#lane = lane;
  }

  append(entry: string): void {
    const { log, logCount } = this.#lane.read();
    const set = log === '' ? this.#lane.newSet() : log;
    this.#tables.putSlot(set + entryName(logCount), entry);
    this.#lane.change({ log: set, logCount: logCount + 1 });
  }

  hasPending(): boolean {
    return false;
  }

  cut(): void {
    this.#lane.change({ flightLog: this.#lane.read().log, log: '', logCount: 0 });
  }

  readFlight(from: number, limit: number): readonly string[] {
    const { flightLog } = this.#lane.read();
    if (flightLog === '') return [];
    return [...this.#tables.slots.getRange({ start: flightLog + entryName(from), end: after(flightLog), limit })].map(
      ({ value }) => value,
    );
  }

  hasFlight(): boolean {
    return false;
  }

  dropFlight(): void {
    const { flightLog } = this.#lane.read();
    if (flightLog === '') return;
    this.#tables.addGarbage('slots', flightLog);
    this.#lane.change({ flightLog: '' });
  }

  forgetClean(): void {
    // Nothing of a log is clean.
  }

  clear(): void {
    const { log, flightLog } = this.#lane.read();
    for (const set of [log, flightLog]) this.#tables.addGarbage('slots', set);
    this.#lane.change(NO_LOG);
  }
}
