import type { Findings } from '../violation.ts';
import type { Pos } from './executed.ts';
import type { Entry, History } from './history.ts';

/** What callers are told of their writes, held against what became of them. */
export class Receipts {
  readonly #history: History;
  readonly #findings: Findings;

  constructor(history: History, findings: Findings) {
    this.#history = history;
    this.#findings = findings;
  }

  /** A write was acknowledged: the front has executed it (or a later one of its key in the same batch). */
  checkAcknowledged(process: string, position: Pos, key: string): void {
    if (this.#history.find(position, key) === undefined) this.#findings.fail(1, `${process} was given ${position.epoch}/${position.seq} for key ${key}, which the front never executed`);
  }

  /** Several writes of a key at the same time: the last of them is the one that counts. */
  checkLast(process: string, position: Pos, key: string, earlier: readonly (string | undefined)[]): void {
    const entry = this.#history.find(position, key);
    if (entry?.json !== undefined && earlier.includes(entry.json)) this.#findings.fail(6, `${process} wrote key ${key} several times at once, and an earlier value took the place of the last: ${entry.json}`);
  }

  /** `stored()` resolved for a write: then the store has it, or has a later write of its key. */
  checkStored(process: string, position: Pos, key: string): void {
    const entry = this.#history.find(position, key);
    if (entry === undefined || entry.fate === 'committed' || entry.fate === 'superseded') return;
    this.#findings.fail(1, `${process} was told that its write of ${key} at ${position.epoch}/${position.seq} is stored; it is ${entry.fate}`);
  }

  /** `stored()` rejected as lost: then it is. */
  checkLost(process: string, position: Pos, key: string): void {
    const entry = this.#history.find(position, key);
    if (entry === undefined || entry.fate === 'lost') return;
    this.#findings.fail(1, `${process} was told that its write of ${key} at ${position.epoch}/${position.seq} is lost; it is ${entry.fate}`);
  }

  /** `stored()` rejected as refused: then it was, or a later one of its key in the same generation. */
  checkRefused(process: string, position: Pos, key: string): void {
    const entry = this.#history.find(position, key);
    if (entry === undefined || entry.wasRefused) return;
    // A later one of its key in the same batch was.
    if (entry.fate === 'superseded' && this.#history.ofKey(position.lane, key).some(({ wasRefused }) => wasRefused)) return;
    this.#findings.fail(9, `${process} was told that its write of ${key} at ${position.epoch}/${position.seq} was refused; it is ${entry.fate}`);
  }

  fateOf(position: Pos, key: string): Entry['fate'] | undefined {
    return this.#history.find(position, key)?.fate;
  }
}
