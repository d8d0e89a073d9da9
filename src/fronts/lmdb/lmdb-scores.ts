import type { BoardLoad, Change, Doubt, ScoreTable } from '../../core/score-table.ts';
import { after, keyOf } from './keys.ts';
import { RANKED_SETS, RankedSet } from './ranked-set.ts';
import type { RowPart } from './row-part.ts';
import type { Tables } from './tables.ts';

/** What a lane's row holds of a leaderboard: how far it is loaded, and its sets. '' for one that is empty. */
export interface ScoresRow extends BoardLoad {
  /** Weights by member. */
  readonly weights: string;
  /** Of the ranked set. */
  readonly ranked: readonly string[];
  readonly pending: string;
  readonly flight: string;
  readonly doubts: string;
  readonly doubtCount: number;
}

export const NO_SCORES: ScoresRow = {
  complete: false,
  cursor: '',
  weights: '',
  ranked: [],
  pending: '',
  flight: '',
  doubts: '',
  doubtCount: 0,
};

/** A leaderboard among the marks of an environment. */
export class LmdbScores implements ScoreTable {
  readonly #tables: Tables;
  readonly #lane: RowPart<ScoresRow>;
  #ranked: { readonly sets: readonly string[]; readonly set: RankedSet } | undefined;

  constructor(tables: Tables, lane: RowPart<ScoresRow>) {
    this.#tables = tables;
    this.#lane = lane;
  }

  readLoad(): BoardLoad {
    const { complete, cursor } = this.#lane.read();
    return { complete, cursor };
  }

  writeLoad({ complete, cursor }: BoardLoad): void {
    this.#lane.change({ complete, cursor });
  }

  readWeight(member: string): number | undefined {
    const text = this.#get(this.#lane.read().weights, member);
    return text === undefined ? undefined : Number(text);
  }

  writeWeight(member: string, weight: number | undefined): void {
    const before = this.readWeight(member);
    if (before === weight) return;
    if (before !== undefined) this.#ranking().remove(member, before);
    if (weight === undefined) {
      this.#tables.marks.removeSync(this.#lane.read().weights + member);
      return;
    }
    void this.#tables.marks.put(this.#weights() + member, String(weight));
    this.#ranking().insert(member, weight);
  }

  writeWeights(rows: readonly (readonly [string, number])[]): void {
    const set = this.#weights();
    const added: (readonly [string, number])[] = [];
    for (const row of rows) {
      const [member, weight] = row;
      if (this.readWeight(member) === undefined) {
        void this.#tables.marks.put(set + member, String(weight));
        added.push(row);
      } else this.writeWeight(member, weight);
    }
    this.#ranking().insertAll(added);
  }

  /** The set of the weights, which is there with its ranking from now on. */
  #weights(): string {
    if (this.#lane.read().weights === '') {
      this.#lane.change({
        weights: this.#lane.newSet(),
        ranked: Array.from({ length: RANKED_SETS }, () => this.#lane.newSet()),
      });
    }
    return this.#lane.read().weights;
  }

  rankOf(member: string): number {
    return this.#ranking().rankOf(member, this.readWeight(member) as number);
  }

  range(from: number, count: number): readonly (readonly [string, number])[] {
    return this.#lane.read().weights === '' ? [] : this.#ranking().range(from, count);
  }

  #ranking(): RankedSet {
    const { ranked } = this.#lane.read();
    // Rows are read anew when somebody else has changed them, so the names tell.
    if (this.#ranked?.sets[0] !== ranked[0])
      this.#ranked = { sets: ranked, set: new RankedSet(this.#tables.marks, ranked) };
    return (this.#ranked as { readonly set: RankedSet }).set;
  }

  readPending(member: string): Change | undefined {
    return this.#changeIn(this.#lane.read().pending, member);
  }

  hasPending(member: string): boolean {
    return this.readPending(member) !== undefined;
  }

  writePending(member: string, change: Change): void {
    if (this.#lane.read().pending === '') this.#lane.change({ pending: this.#lane.newSet() });
    void this.#tables.marks.put(this.#lane.read().pending + member, textOf(change));
  }

  cut(): void {
    const { pending } = this.#lane.read();
    this.#lane.change({ flight: pending, pending: '' });
  }

  readFlight(member: string): Change | undefined {
    return this.#changeIn(this.#lane.read().flight, member);
  }

  hasFlight(member: string): boolean {
    return this.readFlight(member) !== undefined;
  }

  scanFlight(
    cursor: string,
    limit: number,
  ): { readonly rows: readonly (readonly [string, Change])[]; readonly next: string } {
    const { flight } = this.#lane.read();
    if (flight === '') return { rows: [], next: '' };
    const range = this.#tables.marks.getRange({
      start: flight + cursor,
      end: after(flight),
      exclusiveStart: cursor !== '',
      limit,
    });
    const rows = [...range].map(({ key, value }) => [keyOf(key), changeOf(value)] as const);
    return { rows, next: rows.length < limit ? '' : (rows.at(-1) as readonly [string, Change])[0] };
  }

  dropFlight(): void {
    const { flight } = this.#lane.read();
    if (flight === '') return;
    this.#tables.addGarbage('marks', flight);
    this.#lane.change({ flight: '' });
  }

  addDoubt(member: string): void {
    const { doubts, doubtCount } = this.#lane.read();
    const set = doubts === '' ? this.#lane.newSet() : doubts;
    const isNew = this.#get(set, member) === undefined;
    void this.#tables.marks.put(set + member, String(this.#tables.takeNumber()));
    this.#lane.change({ doubts: set, doubtCount: doubtCount + (isNew ? 1 : 0) });
  }

  readDoubts(limit: number): readonly Doubt[] {
    const { doubts, doubtCount } = this.#lane.read();
    if (doubtCount === 0) return [];
    return [...this.#tables.marks.getRange({ start: doubts, end: after(doubts), limit })].map(
      ({ key, value }) => [keyOf(key), value] as const,
    );
  }

  settleDoubt(member: string, token: string): boolean {
    const { doubts, doubtCount } = this.#lane.read();
    if (this.#get(doubts, member) !== token) return false;
    this.#tables.marks.removeSync(doubts + member);
    this.#lane.change({ doubtCount: doubtCount - 1 });
    return true;
  }

  forgetClean(): void {
    const { weights, ranked, pending, flight, doubts } = this.#lane.read();
    for (const set of [weights, ...ranked, doubts]) this.#tables.addGarbage('marks', set);
    this.#lane.change({ ...NO_SCORES, pending, flight });
    for (const set of [flight, pending]) {
      for (const { key, value } of set === '' ? [] : [...this.#tables.marks.getRange({ start: set, end: after(set) })])
        this.writeWeight(keyOf(key), changeOf(value) ?? undefined);
    }
  }

  clear(): void {
    const { pending, flight } = this.#lane.read();
    for (const set of [pending, flight]) this.#tables.addGarbage('marks', set);
    this.#lane.change({ pending: '', flight: '' });
    this.forgetClean();
  }

  #get(set: string, member: string): string | undefined {
    return set === '' ? undefined : this.#tables.marks.get(set + member);
  }

  #changeIn(set: string, member: string): Change | undefined {
    const text = this.#get(set, member);
    return text === undefined ? undefined : changeOf(text);
  }
}

const REMOVED = '-';
const textOf = (change: Change): string => (change === null ? REMOVED : String(change));
const changeOf = (text: string): Change => (text === REMOVED ? null : Number(text));
