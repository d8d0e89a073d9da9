import type { LaneHeader } from '../../../src/core/lane.ts';
import type { ScoreBatch, ScoreOp, ScoreOutcome, ScoreResult } from '../../../src/core/lane-scores.ts';
import type { DeadLetter, Mutation } from '../../../src/ports/store.ts';
import type { Pos } from '../oracle/executed.ts';
import type { Prng } from '../prng.ts';
import type { SimTable } from '../sim-table.ts';
import { answerOf, type BoardQuery, Boards } from './boards.ts';
import type { Entry, LetterOf } from './entries.ts';
import { ShapeOracle } from './shape-oracle.ts';
import { Tally } from './tally.ts';

/** Members; the order of their UTF-8 is not that of their UTF-16. */
export const MEMBERS = ['a', 'b', 'c', 'ｚ', '\u{1f600}'] as const;
/** An operation with a score above this is the only one with it; up to it, scores are often the same. */
export const TIED_MAX = 3;

/** Whether the store refuses a row with this score. */
export const isRefusedScore = (json: string): boolean => Number(json) % 13 === 0;

/** A score, or none. */
type Score = number | undefined;

/** What an accepted step made of one member. */
interface Change {
  readonly seq: number;
  readonly score: Score;
}

/** A row that was refused, and which the front shows until it has heard of it. */
interface Ghost {
  readonly score: Score;
  readonly cutSeq: number;
}

/** A letter that was stored: until the front is told, it may show what was there before. */
interface Redeemed {
  readonly before: Set<Score>;
  toldStep: number;
}

const scoreIn = (json: string | undefined): Score => (json === undefined || json === '' ? undefined : Number(json));

/**
 * Knows the score of every member at every step: what the store has, and what the front has that the store does not.
 * The front must have just that, where it does not say that it must look first, and each read shows one board that it
 * had.
 */
export class ScoresOracle extends ShapeOracle {
  readonly isDescending: boolean;
  readonly tally = new Tally(this.findings);
  readonly #step: () => number;
  readonly #boards: Boards;
  readonly #changes = new Map<string, Change[]>();
  readonly #ghosts = new Map<string, Ghost[]>();
  readonly #redeemed = new Map<string, Redeemed>();
  /** Rows that a restored store has lost, and which the front shows until it has forgotten them. */
  readonly #vanished = new Map<string, Score>();
  /** Letters whose row is the last of its member. */
  readonly #letters = new Map<string, { readonly json: string; readonly entries: readonly Entry[] }>();
  /** Places that were given, also to what changed nothing. */
  readonly #places = new Set<string>();
  /**
   * Operations that were asked for, by the score that no other has: whose they are, in which order, what they came to.
   */
  readonly #asked = new Map<number, { readonly process: string; readonly order: number; outcome: Score }>();
  readonly #last = new Map<string, number>();

  constructor(entriesMax: number, step: () => number, prng: Prng) {
    super(1, entriesMax);
    this.#step = step;
    this.isDescending = prng.chance(0.5);
    this.#boards = new Boards(this.isDescending);
  }

  #scoreOf(weight: number): number {
    return this.isDescending && weight !== 0 ? -weight : weight;
  }

  asked(process: string, score: number): void {
    if (Math.abs(score) > TIED_MAX)
      this.#asked.set(Math.abs(score), { process, order: this.#asked.size, outcome: undefined });
  }

  // What the front executes.

  override scored(
    batch: ScoreBatch,
    { epoch, seq, accepted, outcomes }: Extract<ScoreResult, { kind: 'accepted' }>,
    table: SimTable,
    process: string,
    isLate: boolean,
  ): void {
    const isUnloaded = !isKnown(table);
    const after = new Map<string, ReadonlySet<Score>>();
    const changed = new Set<string>();
    let mutations = 0;
    let perhaps = 0;
    batch.ops.forEach((op, i) => {
      const member = batch.members[i] as string;
      const by = this.#scoreOf(batch.weights[i] as number);
      const outcome = this.#outcome(outcomes[i]);
      const before = after.get(member) ?? this.#possible(member, table.header as LaneHeader);
      this.#places.add(`${epoch}/${seq}/${member}`);
      this.#executed(op, member, by, outcome, process, isLate);
      // A board that must be loaded first has no scores to begin at, and then the operation may not need one.
      const fitting = [...before].filter((score) => this.#came(op, score, by) === outcome);
      if (fitting.length === 0)
        this.findings.fail(
          3,
          `${process}: ${op} ${by} of ${member}, which has ${[...before].join(' or ')}, came to ${outcome}`,
        );
      const isSure = op === 'set' || (op === 'remove' && isUnloaded) || fitting.every((score) => score !== outcome);
      if (isSure) mutations++;
      else if (fitting.some((score) => score !== outcome)) perhaps++;
      if (isSure || perhaps > 0) changed.add(member);
      after.set(member, new Set([outcome]));
    });
    if (accepted < mutations || accepted > mutations + perhaps)
      this.findings.fail(
        11,
        `${process}: ${accepted} of ${batch.ops.length} operations were counted as mutations, which are ${mutations}`,
      );
    for (const member of changed) {
      const score = [...(after.get(member) as ReadonlySet<Score>)][0];
      if (table.shapes.scores.readPending(member) === undefined) {
        if (perhaps === 0)
          this.findings.fail(
            1,
            `${process} was acknowledged a change of ${member} that the front does not have as pending`,
          );
        continue;
      }
      const entry: Entry = {
        lane: 0,
        key: member,
        json: score === undefined ? '' : String(score),
        epoch,
        fromSeq: seq - accepted + 1,
        seq,
        fate: 'pending',
        wasDead: false,
      };
      this.history.executed(entry);
      this.#changes.set(member, [...(this.#changes.get(member) ?? []), { seq, score }]);
    }
  }

  #outcome(outcome: ScoreOutcome): Score {
    if (outcome === 'beyond') this.findings.fail(3, 'a small score was refused as too large');
    return typeof outcome === 'number' ? this.#scoreOf(outcome) : undefined;
  }

  #came(op: ScoreOp, before: Score, by: number): Score {
    switch (op) {
      case 'set':
        return by;
      case 'remove':
        return undefined;
      case 'add':
        return (before ?? 0) + by;
      case 'best':
        return before === undefined ? by : this.isDescending ? Math.max(before, by) : Math.min(before, by);
    }
  }

  #executed(op: ScoreOp, member: string, by: number, outcome: Score, process: string, isLate: boolean): void {
    if (op === 'add') this.tally.executed(process, member, BigInt(by));
    if (op === 'remove' || Math.abs(by) <= TIED_MAX) return;
    const asked = this.#asked.get(Math.abs(by));
    if (asked?.process !== process) return this.findings.fail(3, `${process} did not ask for ${op} ${by} of ${member}`);
    if (asked.outcome !== undefined) return this.findings.fail(3, `${op} ${by} of ${member} was executed twice`);
    asked.outcome = outcome;
    if (isLate) return;
    if (asked.order <= (this.#last.get(process) ?? -1))
      this.findings.fail(3, `${op} ${by} of ${member} by ${process} was executed after a later one`);
    this.#last.set(process, asked.order);
  }

  override rewound(before: readonly SimTable[], tables: readonly SimTable[]): void {
    super.rewound(before, tables);
    const seq = tables[0]?.header?.seq ?? 0;
    for (const [member, changes] of this.#changes)
      this.#changes.set(
        member,
        changes.filter((change) => change.seq <= seq),
      );
    // The front may be as it was before it was told, unless it is empty: then all that it shows was read since.
    if (tables[0]?.header === undefined) this.#redeemed.clear();
    for (const redeemed of this.#redeemed.values()) redeemed.toldStep = Number.POSITIVE_INFINITY;
    this.#boards.became(undefined, this.#step());
  }

  override copy(): () => void {
    const restore = super.copy();
    const letters = new Map(this.#letters);
    return () => {
      for (const member of MEMBERS) this.#vanished.set(member, scoreIn(this.rows.get(member)));
      restore();
      this.#letters.clear();
      for (const [member, letter] of letters) this.#letters.set(member, letter);
    };
  }

  protected override forgotten(): void {
    this.#vanished.clear();
    this.#redeemed.clear();
  }

  /** The front was told that the rows of these members have changed. */
  override invalidated(members: readonly string[]): void {
    for (const member of members) {
      const redeemed = this.#redeemed.get(member);
      if (redeemed !== undefined) redeemed.toldStep = this.#step();
    }
  }

  /** What the front may show of a member: what is pending, or else what the store has. */
  #possible(member: string, { storedSeq, seq, flight }: LaneHeader): Set<Score> {
    const pending = this.#changes.get(member)?.findLast((change) => change.seq <= seq && change.seq > storedSeq);
    // A flight that was refused, of which the front has not heard: a row that was read since is as good.
    const isRefused =
      flight !== undefined && this.#ghosts.get(member)?.some(({ cutSeq }) => cutSeq === flight.cutSeq) === true;
    if (pending !== undefined)
      return new Set(
        isRefused && pending.seq <= flight.cutSeq ? [pending.score, scoreIn(this.rows.get(member))] : [pending.score],
      );
    const possible = new Set([scoreIn(this.rows.get(member))]);
    if (this.#vanished.has(member)) possible.add(this.#vanished.get(member));
    const redeemed = this.#redeemed.get(member);
    if (redeemed?.toldStep === Number.POSITIVE_INFINITY) for (const score of redeemed.before) possible.add(score);
    for (const { score, cutSeq } of this.#ghosts.get(member) ?? []) if (flight?.cutSeq === cutSeq) possible.add(score);
    return possible;
  }

  protected checkLane(_lane: number, table: SimTable, header: LaneHeader, isCurrent: boolean): void {
    if (!isCurrent) return this.#boards.became(undefined, this.#step());
    const { scores } = table.shapes;
    const { complete } = scores.readLoad();
    for (const member of MEMBERS) {
      const weight = scores.readWeight(member);
      const isPending =
        scores.readPending(member) !== undefined ||
        (header.flight?.state === 'cut' && scores.readFlight(member) !== undefined);
      if (!isPending && (scores.doubts.has(member) || (!complete && weight === undefined))) continue;
      const score = weight === undefined ? undefined : this.#scoreOf(weight);
      const possible = this.#possible(member, header);
      if (!possible.has(score))
        this.findings.fail(
          3,
          `the front has ${score} as the score of ${member}, which is ${[...possible].join(' or ')}`,
        );
    }
    this.#boards.became(
      isKnown(table)
        ? new Map([...scores.weights].map(([member, weight]) => [member, this.#scoreOf(weight)]))
        : undefined,
      this.#step(),
    );
  }

  // What the store commits.

  protected store(_lane: number, taken: readonly Entry[], cutSeq: number): void {
    const members = new Map<string, Entry[]>();
    for (const entry of taken) members.set(entry.key, [...(members.get(entry.key) ?? []), entry]);
    for (const [member, entries] of members) {
      this.#supersede(member);
      this.#vanished.delete(member);
      const { json } = entries.at(-1) as Entry;
      const isRefused = json !== '' && isRefusedScore(json);
      for (const entry of entries) entry.fate = isRefused ? 'refused' : 'stored';
      if (isRefused) {
        this.refusals++;
        this.#letters.set(member, { json, entries });
        this.#ghosts.set(member, [...(this.#ghosts.get(member) ?? []), { score: Number(json), cutSeq }]);
      } else this.#write(member, json);
    }
  }

  #supersede(member: string): void {
    for (const entry of this.#letters.get(member)?.entries ?? []) entry.fate = 'stored';
    this.#letters.delete(member);
    this.#redeemed.delete(member);
  }

  #write(member: string, json: string): void {
    if (json === '') this.rows.delete(member);
    else this.rows.set(member, json);
  }

  protected storeLate({ key, json = '' }: DeadLetter): void {
    const letter = this.#letters.get(key);
    if (letter?.json !== json)
      this.findings.fail(2, `a letter of ${key} was stored with ${json}; the last is ${letter?.json}`);
    const before = this.#redeemed.get(key)?.before ?? new Set<Score>();
    this.#redeemed.set(key, { before: before.add(scoreIn(this.rows.get(key))), toldStep: Number.POSITIVE_INFINITY });
    this.#letters.delete(key);
    this.#write(key, json);
  }

  override checkSuperseded(process: string, { key, cutSeq }: LetterOf): void {
    if (this.#letters.get(key)?.entries.some(({ seq }) => seq <= cutSeq) === true)
      this.findings.fail(
        9,
        `${process} was told that a later score has replaced the letter of ${key}, which is the last`,
      );
  }

  checkBatches(batches: readonly (readonly Mutation[])[]): void {
    const members = batches.flat().map(({ key }) => key);
    if (new Set(members).size < members.length)
      this.findings.fail(3, `a member comes twice in a flush: ${members.join(', ')}`);
  }

  protected laneOfRow(): number {
    return 0;
  }

  protected entriesIn({ shapes: { scores } }: SimTable): number {
    return scores.pending.size;
  }

  // What callers are told.

  override checkAcknowledged(process: string, { epoch, seq }: Pos, member: string): void {
    if (!this.#places.has(`${epoch}/${seq}/${member}`))
      this.findings.fail(1, `${process} was given ${epoch}/${seq} for ${member}, which the front never executed`);
  }

  /** An operation with a score of its own was told this. */
  checkOutcome(process: string, asked: number, told: number): void {
    const outcome = this.#asked.get(Math.abs(asked))?.outcome;
    if (Math.abs(asked) > TIED_MAX && outcome !== told)
      this.findings.fail(6, `${process} was told ${told} after ${asked}, which came to ${outcome}`);
  }

  /** A read that began at `fromStep` gave this. */
  checkRead(process: string, query: BoardQuery, told: unknown, fromStep: number): void {
    const possible = this.#boards.answers(query, fromStep).map((answer) => JSON.stringify(answer));
    if (!possible.includes(JSON.stringify(told)))
      this.findings.fail(
        6,
        `${process} read ${JSON.stringify(query)} since step ${fromStep} as ${JSON.stringify(told)}; ` +
          `it was ${[...new Set(possible)].join(' or ')}`,
      );
  }

  /**
   * Nothing changes any more, unless a letter was stored just now, of which the front had not been told at `fromStep`.
   */
  checkSettled(query: BoardQuery, told: unknown, fromStep: number): void {
    if ([...this.#redeemed.values()].some(({ toldStep }) => toldStep >= fromStep)) return;
    const rows = this.#boards.ranked(new Map([...this.rows].map(([member, json]) => [member, Number(json)])));
    const stored = JSON.stringify(answerOf(rows, query));
    if (JSON.stringify(told) !== stored)
      this.findings.fail(
        6,
        `at the end ${JSON.stringify(query)} is read as ${JSON.stringify(told)}, and stored as ${stored}`,
      );
  }
}

/** Whether the board can answer. */
function isKnown({ shapes: { scores } }: SimTable): boolean {
  return scores.readLoad().complete && scores.doubts.size === 0;
}
