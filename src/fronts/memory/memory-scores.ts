import type { BoardLoad, Change, Doubt, ScoreTable } from '../../core/score-table.ts';
import { Ranking } from './ranking.ts';

const NOT_LOADED: BoardLoad = { complete: false, cursor: '' };

/** A leaderboard in plain maps, with a ranking beside them. */
export class MemoryScores implements ScoreTable {
  #load = NOT_LOADED;
  #weights = new Map<string, number>();
  #ranking = new Ranking();
  #pending = new Map<string, Change>();
  #flight = new Map<string, Change>();
  /** The flight in the order of the scan. */
  #scanned: (readonly [string, Change])[] | undefined;
  readonly #doubts = new Map<string, string>();
  #tokens = 0;

  readLoad(): BoardLoad {
    return this.#load;
  }

  writeLoad(load: BoardLoad): void {
    this.#load = load;
  }

  readWeight(member: string): number | undefined {
    return this.#weights.get(member);
  }

  writeWeight(member: string, weight: number | undefined): void {
    const before = this.#weights.get(member);
    if (before === weight) return;
    if (before !== undefined) this.#ranking.remove(member, before);
    if (weight === undefined) {
      this.#weights.delete(member);
      return;
    }
    this.#weights.set(member, weight);
    this.#ranking.insert(member, weight);
  }

  writeWeights(rows: readonly (readonly [string, number])[]): void {
    for (const [member, weight] of rows) this.writeWeight(member, weight);
  }

  rankOf(member: string): number {
    return this.#ranking.rankOf(member, this.#weights.get(member) as number);
  }

  range(from: number, count: number): readonly (readonly [string, number])[] {
    return this.#ranking.range(from, count);
  }

  readPending(member: string): Change | undefined {
    return this.#pending.get(member);
  }

  hasPending(member: string): boolean {
    return this.#pending.has(member);
  }

  writePending(member: string, change: Change): void {
    this.#pending.set(member, change);
  }

  cut(): void {
    this.#flight = this.#pending;
    this.#pending = new Map();
    this.#scanned = undefined;
  }

  readFlight(member: string): Change | undefined {
    return this.#flight.get(member);
  }

  hasFlight(member: string): boolean {
    return this.#flight.has(member);
  }

  scanFlight(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [string, Change])[]; readonly next: string } {
    this.#scanned ??= [...this.#flight];
    const from = Number(cursor);
    const rows = this.#scanned.slice(from, from + limit);
    return { rows, next: rows.length < limit ? '' : String(from + limit) };
  }

  dropFlight(): void {
    this.#flight = new Map();
    this.#scanned = undefined;
  }

  addDoubt(member: string): void {
    this.#doubts.set(member, String((this.#tokens += 1)));
  }

  readDoubts(limit: number): readonly Doubt[] {
    return this.#doubts.size === 0 ? [] : [...this.#doubts].slice(0, limit);
  }

  settleDoubt(member: string, token: string): boolean {
    return this.#doubts.get(member) === token && this.#doubts.delete(member);
  }

  forgetClean(): void {
    this.#load = NOT_LOADED;
    this.#weights = new Map();
    this.#ranking = new Ranking();
    this.#doubts.clear();
    for (const changes of [this.#flight, this.#pending])
      for (const [member, change] of changes) this.writeWeight(member, change ?? undefined);
  }

  clear(): void {
    this.#pending = new Map();
    this.dropFlight();
    this.forgetClean();
  }
}
