import { type Cache, isMillraceError } from '../../src/index.ts';
import type { AuditedTable } from './audited-table.ts';

/** Counts up a few keys without a pause, each key's next write after the answer to its last, and keeps a ledger. */
export class Load {
  readonly #asked: number[];
  readonly #acked: number[];
  readonly #misread: string[] = [];
  readonly #state = { done: false };
  readonly #work: Promise<unknown>;
  /** Codes of what writes were refused with. */
  readonly refusals = new Set<string>();

  constructor(cache: Cache<number>, keys: number) {
    this.#asked = Array.from({ length: keys }, () => 0);
    this.#acked = Array.from({ length: keys }, () => 0);
    this.#work = Promise.all(this.#asked.map((_, k) => this.#write(cache, k)));
  }

  async #write(cache: Cache<number>, k: number): Promise<void> {
    while (!this.#state.done) {
      const n = (this.#asked[k] as number) + 1;
      this.#asked[k] = n;
      try {
        await cache.set(`k${k}`, n);
        this.#acked[k] = n;
      } catch (error) {
        this.refusals.add(isMillraceError(error) ? error.code : String(error));
      }
      const seen = await cache.get(`k${k}`).catch(() => undefined);
      // A write whose answer was lost may have happened.
      if (seen !== undefined && seen < (this.#acked[k] as number))
        this.#misread.push(`k${k}: read ${seen} after ${this.#acked[k]} was acknowledged`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Writes that were acknowledged so far. */
  get total(): number {
    return this.#acked.reduce((sum, n) => sum + n, 0);
  }

  async stop(): Promise<void> {
    this.#state.done = true;
    await this.#work;
  }

  /** What the table should not hold after a flush, what it went back from, and what readers should not have seen. */
  async faultsIn(table: AuditedTable): Promise<string[]> {
    const faults = [...this.#misread];
    const stored = await table.stored();
    for (const [k, acked] of this.#acked.entries()) {
      const asked = this.#asked[k] as number;
      const n = Number(stored[`k${k}`]);
      if (!(n >= acked && n <= asked)) faults.push(`k${k}: stored ${n}, acknowledged ${acked}, asked ${asked}`);
      const versions = (await table.versions(`k${k}`)).map(Number);
      if (versions.some((version, i) => version < (versions[i - 1] ?? 0)))
        faults.push(`k${k}: went back, ${versions.join(' ')}`);
    }
    return faults;
  }
}
