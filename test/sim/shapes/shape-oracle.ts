import { entriesOf, type LaneHeader } from '../../../src/core/lane.ts';
import type { IncrementBatch } from '../../../src/core/lane-deltas.ts';
import type { AppendBatch } from '../../../src/core/lane-log.ts';
import { laneOf } from '../../../src/core/lane-of.ts';
import type { ScoreBatch, ScoreResult } from '../../../src/core/lane-scores.ts';
import type { DeadLetter, LaneGeneration, Mutation } from '../../../src/ports/store.ts';
import type { Pos } from '../oracle/executed.ts';
import type { SimTable } from '../sim-table.ts';
import type { ShapeWitness } from '../surroundings.ts';
import { Findings } from '../violation.ts';
import { Entries, type Entry, type LetterOf } from './entries.ts';

/**
 * What counters and logs have in common: everything that the front executed takes effect in the store once, as a prefix
 * of its lane.
 */
export abstract class ShapeOracle implements ShapeWitness {
  readonly findings = new Findings();
  readonly history: Entries;
  protected readonly lanes: number;
  /** Rows as they must be after the last commit. */
  protected readonly rows = new Map<string, string>();
  readonly #entriesMax: number;
  readonly #commits = new Set<string>();
  commits = 0;
  refusals = 0;

  constructor(lanes: number, entriesMax: number) {
    this.lanes = lanes;
    this.#entriesMax = entriesMax;
    this.history = new Entries(lanes);
  }

  incremented(_lane: number, { keys }: IncrementBatch, _epoch: number, _seq: number, process: string): void {
    this.findings.fail(12, `${process} incremented ${keys.join(', ')} in a log`);
  }

  appended(lane: number, { entries }: AppendBatch, _epoch: number, _seq: number, _isLate: boolean): void {
    this.findings.fail(12, `${entries.length} events were appended to counters in lane ${lane}`);
  }

  scored(
    { members }: ScoreBatch,
    _result: Extract<ScoreResult, { kind: 'accepted' }>,
    _table: SimTable,
    process: string,
    _isLate: boolean,
  ): void {
    this.findings.fail(12, `${process} gave scores to ${members.join(', ')} where there is no leaderboard`);
  }

  invalidated(_keys: readonly string[]): void {
    // Of a log the front has nothing that could be old.
  }

  /** Makes the rows what they must be after a commit of these entries. */
  protected abstract store(lane: number, taken: readonly Entry[], cutSeq: number): void;
  /** Makes the rows what they must be after these entries were stored, which had been refused. */
  protected abstract storeLate(letter: DeadLetter, entries: readonly Entry[]): void;
  /** The lane whose part of the rows this is. */
  protected abstract laneOfRow(key: string): number;
  /** What must hold of a lane in the front after any step. */
  protected abstract checkLane(lane: number, table: SimTable, header: LaneHeader, isCurrent: boolean): void;
  protected abstract entriesIn(table: SimTable): number;
  abstract checkBatches(batches: readonly (readonly Mutation[])[]): void;

  rewound(before: readonly SimTable[], tables: readonly SimTable[]): void {
    tables.forEach((table, lane) => this.history.rewound(lane, before[lane], table.header?.seq ?? 0));
  }

  /**
   * Remembers what the store has. What is returned restores that: everything was drained, and what was stored since is
   * lost.
   */
  copy(): () => void {
    const rows = new Map(this.rows);
    const fates = this.history.copy();
    return () => {
      this.rows.clear();
      for (const [key, row] of rows) this.rows.set(key, row);
      fates();
    };
  }

  /** The front has forgotten what it had of a lane, but for what is pending. */
  protected forgotten(_lane: number): void {
    // Of a log it has nothing else.
  }

  checkStep(lane: number, table: SimTable, before: LaneHeader | undefined, isCurrent: boolean): void {
    const { header } = table;
    if (header === undefined) return;
    if (header.pendingEntries !== this.entriesIn(table))
      this.findings.fail(
        11,
        `lane ${lane} counts ${header.pendingEntries} pending entries and has ${this.entriesIn(table)}`,
      );
    if (before?.incarnation !== header.incarnation) this.forgotten(lane);
    this.checkLane(lane, table, header, isCurrent);
    if (before === undefined) return;
    const flight = acknowledgedIn(before, header);
    if (flight !== undefined && !this.#commits.has(nameOf(lane, flight.generation, flight.cutSeq, flight.digest))) {
      this.findings.fail(
        5,
        `generation ${flight.generation} of lane ${lane} was acknowledged, and the store never had it`,
      );
    }
    if (entriesOf(header) > Math.max(this.#entriesMax, entriesOf(before)))
      this.findings.fail(7, `lane ${lane} holds ${entriesOf(header)} entries, more than its capacity`);
    if (header.epochs.length > 32) this.findings.fail(7, `lane ${lane} remembers ${header.epochs.length} epochs`);
  }

  epochRaised(lane: number, epoch: number): void {
    this.history.epochRaised(lane, epoch);
  }

  committed({ lane, generation, cutSeq, digest }: LaneGeneration, rows: ReadonlyMap<string, string>): void {
    this.commits++;
    this.#commits.add(nameOf(lane, generation, cutSeq, digest));
    this.store(lane, this.history.take(lane, cutSeq), cutSeq);
    this.#compare(rows, lane, 3, `generation ${generation} of lane ${lane} was committed up to seq ${cutSeq}`);
  }

  /** Rows that were refused are stored after all. */
  retried(lane: number, letters: readonly DeadLetter[], rows: ReadonlyMap<string, string>): void {
    for (const letter of letters) {
      const entries = this.history.ofLetter(letter);
      const found = entries.find(({ fate }) => fate !== 'refused');
      if (entries.length === 0 || found !== undefined)
        this.findings.fail(
          3,
          `${letter.key} was stored on another try as ${letter.json}; it is ${found?.fate ?? 'nothing'}`,
        );
      for (const entry of entries) entry.fate = 'stored';
      this.storeLate(letter, entries);
    }
    this.#compare(rows, lane, 3, `${letters.length} letters of lane ${lane} were stored`);
  }

  /** A row was refused for the last time, unless somebody has it tried again. */
  buried(letter: LetterOf): void {
    for (const entry of this.history.ofLetter(letter)) entry.wasDead = true;
  }

  /** A redrive was told that the letter is stored. */
  checkRedriven(process: string, letter: LetterOf): void {
    const entry = this.history.ofLetter(letter).find(({ fate }) => fate !== 'stored');
    if (entry !== undefined)
      this.findings.fail(9, `${process} was told that the letter of ${letter.key} is stored; it is ${entry.fate}`);
  }

  /** A redrive was told that a later write has replaced the letter: there are none that do. */
  checkSuperseded(process: string, { key }: LetterOf): void {
    this.findings.fail(9, `${process} was told that a later write has replaced ${key}`);
  }

  checkDrained(tables: readonly SimTable[], rows: ReadonlyMap<string, string>, letters: number | undefined): void {
    tables.forEach((table, lane) => {
      const left = this.history.pending(lane).length;
      if (left > 0) this.findings.fail(8, `lane ${lane} is drained, and ${left} entries are not in the store`);
      if (this.entriesIn(table) > 0 || table.header?.flight?.state === 'cut')
        this.findings.fail(8, `lane ${lane} is not drained`);
      this.#compare(rows, lane, 1, 'everything is drained');
    });
    if (letters !== undefined && letters !== this.refusals)
      this.findings.fail(9, `${this.refusals} rows were refused, and there are ${letters} dead letters`);
  }

  #compare(rows: ReadonlyMap<string, string>, lane: number, invariant: number, when: string): void {
    for (const key of new Set([...rows.keys(), ...this.rows.keys()])) {
      if (this.laneOfRow(key) === lane && rows.get(key) !== this.rows.get(key))
        this.findings.fail(
          invariant,
          `${when}, and ${key} is ${rows.get(key)} in the store; it should be ${this.rows.get(key)}`,
        );
    }
  }

  protected laneOfKey(key: string): number {
    return laneOf(key, this.lanes);
  }

  // What callers are told.

  fateOf(position: Pos, key: string): Entry['fate'] | undefined {
    return this.history.find(position, key)?.fate;
  }

  checkAcknowledged(process: string, position: Pos, key: string): void {
    if (this.history.find(position, key) === undefined)
      this.findings.fail(
        1,
        `${process} was given ${position.epoch}/${position.seq} for ${key}, which the front never executed`,
      );
  }

  /** A receipt settled in a way that only this fate explains. */
  checkFate(process: string, position: Pos, key: string, told: Entry['fate']): void {
    const entry = this.history.find(position, key);
    if (entry === undefined || entry.fate === told || (told === 'refused' && entry.wasDead)) return;
    this.findings.fail(
      told === 'refused' ? 9 : 1,
      `${process} was told that ${key} at ${position.epoch}/${position.seq} is ${told}; it is ${entry.fate}`,
    );
  }
}

/** The generation that a step acknowledged, if it did. */
function acknowledgedIn(before: LaneHeader, { flight, generation, storedSeq }: LaneHeader): LaneHeader['flight'] {
  const was = before.flight;
  return was?.state === 'cut' && flight?.state !== 'cut' && generation === was.generation && storedSeq === was.cutSeq
    ? was
    : undefined;
}

const nameOf = (lane: number, generation: number, cutSeq: number, digest: string): string =>
  `${lane}/${generation}/${cutSeq}/${digest}`;
