import type { EntryTable } from '../../src/core/entry-table.ts';

/** The part of a lane's table that a log is in. Its lists are replaced, never changed, so that a copy costs nothing. */
export class SimLog implements EntryTable {
  readonly #changed: () => void;
  #log: readonly string[] = [];
  #flightLog: readonly string[] = [];

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  copy(changed: () => void): SimLog {
    const copy = new SimLog(changed);
    copy.#log = this.#log;
    copy.#flightLog = this.#flightLog;
    return copy;
  }

  get pending(): readonly string[] {
    return this.#log;
  }

  append(entry: string): void {
    this.#changed();
    this.#log = [...this.#log, entry];
  }

  hasPending(): boolean {
    return false;
  }

  cut(): void {
    this.#changed();
    this.#flightLog = this.#log;
    this.#log = [];
  }

  readFlight(from: number, limit: number): readonly string[] {
    return this.#flightLog.slice(from, from + limit);
  }

  hasFlight(): boolean {
    return false;
  }

  dropFlight(): void {
    this.#changed();
    this.#flightLog = [];
  }

  forgetClean(): void {
    // Nothing of a log is clean.
  }

  clear(): void {
    this.#log = [];
    this.dropFlight();
  }
}
