import type { BoardLoad, Change, Doubt, ScoreTable } from '../../src/core/score-table.ts';
import { compareBytes } from '../../src/fronts/embedded/byte-order.ts';

type Rows<V> = ReadonlyMap<string, V>;

const NOTHING: Rows<never> = new Map<string, never>();
const NOT_LOADED: BoardLoad = { complete: false, cursor: '' };

function withRow<V>(rows: Rows<V>, key: string, value: V | undefined): Rows<V> {
  const changed = new Map(rows);
  if (value === undefined) changed.delete(key);
  else changed.set(key, value);
  return changed;
}

/**
 * The part of a lane's table that a leaderboard is in. Its maps are replaced, never changed, so that a copy costs
 * nothing.
 */
export class SimScores implements ScoreTable {
  readonly #changed: () => void;
  #load = NOT_LOADED;
  #weights: Rows<number> = NOTHING;
  #pending: Rows<Change> = NOTHING;
  #flight: Rows<Change> = NOTHING;
  #doubts: Rows<string> = NOTHING;
  /** Part of the table, like the counter of a server: it goes back with it. */
  #tokens = 0;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  copy(changed: () => void): SimScores {
    const copy = new SimScores(changed);
    copy.#load = this.#load;
    copy.#weights = this.#weights;
    copy.#pending = this.#pending;
    copy.#flight = this.#flight;
    copy.#doubts = this.#doubts;
    copy.#tokens = this.#tokens;
    return copy;
  }

  get weights(): Rows<number> {
    return this.#weights;
  }

  get pending(): Rows<Change> {
    return this.#pending;
  }

  get doubts(): Rows<string> {
    return this.#doubts;
  }

  get ranking(): readonly (readonly [string, number])[] {
    return [...this.#weights].sort(([a, weight], [b, other]) => weight - other || compareBytes(a, b));
  }

  readLoad(): BoardLoad {
    return this.#load;
  }

  writeLoad(load: BoardLoad): void {
    this.#changed();
    this.#load = load;
  }

  readWeight(member: string): number | undefined {
    return this.#weights.get(member);
  }

  writeWeight(member: string, weight: number | undefined): void {
    this.#changed();
    this.#weights = withRow(this.#weights, member, weight);
  }

  writeWeights(rows: readonly (readonly [string, number])[]): void {
    for (const [member, weight] of rows) this.writeWeight(member, weight);
  }

  rankOf(member: string): number {
    return this.ranking.findIndex(([other]) => other === member);
  }

  range(from: number, count: number): readonly (readonly [string, number])[] {
    return this.ranking.slice(from, from + count);
  }

  readPending(member: string): Change | undefined {
    return this.#pending.get(member);
  }

  hasPending(member: string): boolean {
    return this.#pending.has(member);
  }

  writePending(member: string, change: Change): void {
    this.#changed();
    this.#pending = withRow(this.#pending, member, change);
  }

  cut(): void {
    this.#changed();
    this.#flight = this.#pending;
    this.#pending = NOTHING;
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
    const rows = [...this.#flight]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .filter(([member]) => cursor === '' || member > cursor);
    return { rows: rows.slice(0, limit), next: rows.length > limit ? (rows[limit - 1]?.[0] as string) : '' };
  }

  dropFlight(): void {
    this.#changed();
    this.#flight = NOTHING;
  }

  addDoubt(member: string): void {
    this.#changed();
    this.#doubts = withRow(this.#doubts, member, String((this.#tokens += 1)));
  }

  readDoubts(limit: number): readonly Doubt[] {
    return [...this.#doubts].slice(0, limit);
  }

  settleDoubt(member: string, token: string): boolean {
    if (this.#doubts.get(member) !== token) return false;
    this.#changed();
    this.#doubts = withRow(this.#doubts, member, undefined);
    return true;
  }

  forgetClean(): void {
    this.#changed();
    this.#load = NOT_LOADED;
    this.#weights = NOTHING;
    this.#doubts = NOTHING;
    for (const changes of [this.#flight, this.#pending])
      for (const [member, change] of changes) this.writeWeight(member, change ?? undefined);
  }

  clear(): void {
    this.#pending = NOTHING;
    this.#flight = NOTHING;
    this.forgetClean();
  }
}
