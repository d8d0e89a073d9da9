import type { Findings } from '../violation.ts';
import type { Pos } from './executed.ts';
import type { Entry, History } from './history.ts';
import type { ReceiptJudge, Told } from './receipt-judge.ts';

/** What callers are told of their writes, held against what became of them. */
export class Receipts implements ReceiptJudge {
  readonly #history: History;
  readonly #findings: Findings;

  constructor(history: History, findings: Findings) {
    this.#history = history;
    this.#findings = findings;
  }

  /** A write was acknowledged: the front has executed it (or a later one of its key in the same batch). */
  checkAcknowledged(process: string, position: Pos, key: string): void {
    if (this.#history.find(position, key) === undefined)
      this.#findings.fail(
        1,
        `${process} was given ${position.epoch}/${position.seq} for key ${key}, which the front never executed`,
      );
  }

  /** Several writes of a key at the same time: the last of them is the one that counts. */
  checkLast(process: string, position: Pos, key: string, earlier: readonly (string | undefined)[]): void {
    const entry = this.#history.find(position, key);
    if (entry?.json !== undefined && earlier.includes(entry.json))
      this.#findings.fail(
        6,
        `${process} wrote key ${key} several times at once, ` +
          `and an earlier value took the place of the last: ${entry.json}`,
      );
  }

  /** `stored()` resolved, or rejected: then the store has it, or it is lost, or was refused. */
  checkFate(process: string, position: Pos, key: string, told: Told): void {
    const entry = this.#history.find(position, key);
    if (entry === undefined || this.#became(told, entry, position.lane, key)) return;
    this.#findings.fail(
      told === 'refused' ? 9 : 1,
      `${process} was told that its write of ${key} at ${position.epoch}/${position.seq} is ${told}; ` +
        `it is ${entry.fate}`,
    );
  }

  #became(told: Told, { fate, wasRefused }: Entry, lane: number, key: string): boolean {
    switch (told) {
      case 'stored':
        // Or a later write of its key is.
        return fate === 'committed' || fate === 'superseded';
      case 'lost':
        return fate === 'lost';
      case 'refused':
        // Or a later one of its key in the same batch was.
        return (
          wasRefused || (fate === 'superseded' && this.#history.ofKey(lane, key).some((other) => other.wasRefused))
        );
    }
  }

  fateOf(position: Pos, key: string): Entry['fate'] | undefined {
    return this.#history.find(position, key)?.fate;
  }
}
