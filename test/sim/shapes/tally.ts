import type { Findings } from '../violation.ts';

/** So many increments of unknown outcome give too many sums to tell any by. */
const UNKNOWN_MAX = 12;

interface Sums {
  executed: bigint;
  acknowledged: bigint;
  /** Executed once, or not at all. */
  readonly unknown: bigint[];
}

/** What each process added to each counter, against what the front executed for it: each increment once, none twice. */
export class Tally {
  readonly #findings: Findings;
  readonly #sums = new Map<string, Sums>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  #of(process: string, key: string): Sums {
    const name = `${process} ${key}`;
    let sums = this.#sums.get(name);
    if (sums === undefined) this.#sums.set(name, (sums = { executed: 0n, acknowledged: 0n, unknown: [] }));
    return sums;
  }

  executed(process: string, key: string, sum: bigint): void {
    this.#of(process, key).executed += sum;
  }

  acknowledged(process: string, key: string, by: bigint): void {
    this.#of(process, key).acknowledged += by;
  }

  unknown(process: string, key: string, by: bigint): void {
    this.#of(process, key).unknown.push(by);
  }

  /** Nothing is under way any more. */
  check(): void {
    for (const [name, { executed, acknowledged, unknown }] of this.#sums) {
      if (unknown.length > UNKNOWN_MAX) continue;
      let possible = new Set([acknowledged]);
      for (const by of unknown) possible = new Set([...possible].flatMap((sum) => [sum, sum + by]));
      if (!possible.has(executed))
        this.#findings.fail(
          3,
          `of ${name} the front executed ${executed}; ${acknowledged} was acknowledged, ` +
            `and ${unknown.join(', ') || 'nothing'} is not known`,
        );
    }
  }
}
