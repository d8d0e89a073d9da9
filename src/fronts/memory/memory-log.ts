import type { EntryTable } from '../../core/entry-table.ts';

/** Events of a log in plain lists. */
export class MemoryLog implements EntryTable {
  #pending: string[] = [];
  #flight: string[] = [];

  append(entry: string): void {
    this.#pending.push(entry);
  }

  hasPending(): boolean {
    return false;
  }

  cut(): void {
    this.#flight = this.#pending;
    this.#pending = [];
  }

  readFlight(from: number, limit: number): readonly string[] {
    return this.#flight.slice(from, from + limit);
  }

  hasFlight(): boolean {
    return false;
  }

  dropFlight(): void {
    this.#flight = [];
  }

  forgetClean(): void {
    // Nothing of a log is clean.
  }

  clear(): void {
    this.#pending = [];
    this.dropFlight();
  }
}
