import { bundle } from '../bundle.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { type Finding, runSchedules } from '../pool.ts';
import { entryOf, type ShapeName } from './entry.ts';

export interface ShapeMutant extends Mutant {
  /** In whose schedules it must be found. */
  readonly shape: ShapeName;
  /** Of a rare one: the schedule that found it, which is tried first. */
  readonly seed?: number;
}

const DELTAS = 'src/core/lane-deltas.ts';
const SCORES = 'src/core/lane-scores.ts';
const TABLES = 'src/core/shape-tables.ts';
const RECOVER = 'src/core/lane-recover.ts';
const INCREMENTS = 'src/engine/shapes/increments.ts';
const APPENDS = 'src/engine/shapes/appends.ts';
const QUEUE = 'src/engine/writing/lane-queue.ts';
const PAGES = 'src/engine/shapes/pages.ts';
const READER = 'src/engine/flushing/generation-reader.ts';

const REPEATED = {
  file: QUEUE,
  find: 'this.#fail(batch, error); this.#goOn();',
  replace: 'void error; this.#putBack(batch); this.#held--; this.#goOn();',
};
const KEPT = { file: RECOVER, find: "if (forgets) forgetClean(table, current.flight?.state !== 'cut');", replace: '' };
const BEHIND = { file: RECOVER, find: 'clear(table);\n    const behind', replace: 'const behind' };

/** Planted bugs of counters, logs and leaderboards, each with the shape in whose schedules it must be found. */
export const SHAPE_MUTANTS: readonly ShapeMutant[] = [
  { name: 'increments sent again', shape: 'counters', ...REPEATED, why: 'a step whose answer was lost is added twice' },
  {
    name: 'flight not in a loaded total',
    shape: 'counters',
    file: DELTAS,
    find: 'isBefore ? (counters.readFlight(key) ?? 0n) : 0n',
    replace: '0n',
    why: 'a total that is loaded during a flush lacks it',
  },
  {
    name: 'flight in a loaded total twice',
    shape: 'counters',
    file: DELTAS,
    find: 'isBefore ? (counters.readFlight(key) ?? 0n) : 0n',
    replace: '(counters.readFlight(key) ?? 0n)',
    why: 'a total that is loaded after the commit has the flush twice',
  },
  {
    name: 'pending not in a loaded total',
    shape: 'counters',
    file: DELTAS,
    find: 'const pending = counters.readPending(key) ?? 0n;',
    replace: 'const pending = 0n;',
    why: 'a total that is loaded lacks what is pending',
  },
  {
    name: 'load of another generation',
    shape: 'counters',
    file: DELTAS,
    find: 'if (!isBefore && loaded.generation !== header.generation) return staleOr(header);',
    replace: '',
    why: 'what was loaded before a flush that is over makes a total without it',
  },
  {
    name: 'load from before an invalidation',
    shape: 'counters',
    file: DELTAS,
    find:
      'if (loaded.epoch !== header.epoch || loaded.invalidations !== header.invalidations) ' +
      "return { kind: 'stale' };",
    replace: '',
    why: 'a load that is late makes a total without what was stored on a later try',
  },
  {
    name: 'invalidation not counted',
    shape: 'counters',
    file: 'src/core/lane-slots.ts',
    find: 'if (next !== header) table.writeHeader(next);',
    replace: 'void next;',
    why: 'a load that is late makes a total without what was stored on a later try',
  },
  {
    name: 'total not forgotten for a letter',
    shape: 'counters',
    file: 'src/engine/flushing/letter-retry.ts',
    find: 'lane.letters.stale.push(key);',
    replace: '',
    why: 'the total lacks what was stored on a later try',
  },
  {
    name: 'late retry of a redriven letter',
    shape: 'counters',
    seed: 500_018_733,
    file: 'src/testing/memory-letters.ts',
    find: ' || before.tries !== tries',
    replace: '',
    why: 'what a late commit stored is not told to the front, because a later attempt was answered',
  },
  {
    name: 'backoff of a breaker that tries',
    shape: 'counters',
    seed: 800_019_001,
    file: 'src/engine/flushing/generation-flush.ts',
    find: 'lane.retryAt = clock.monotonic() + backoff;',
    replace: 'lane.retryAt = clock.monotonic() + retryInMs;',
    why: 'a lane sits out the time after which a probe is given up',
  },
  {
    name: 'total passed by',
    shape: 'counters',
    file: DELTAS,
    find: 'String(total + sum), table.readExpiry',
    replace: 'String(total), table.readExpiry',
    why: 'a total that is known is not raised',
  },
  {
    name: 'expired total comes back',
    shape: 'counters',
    file: DELTAS,
    find: 'table.removeSlot(key);\n      return undefined;',
    replace: 'return undefined;',
    why: 'a clock that is set back brings back a total without later increments',
  },
  {
    name: 'refused sum stays in the total',
    shape: 'counters',
    file: TABLES,
    find: 'return counters.hasFlight(key);',
    replace: 'return false;',
    why: 'the total counts what the store refused',
  },
  {
    name: 'sums of a front that is behind',
    shape: 'counters',
    ...BEHIND,
    why: 'what the store has already is added again',
  },
  {
    name: 'total of the whole step and more',
    shape: 'counters',
    file: INCREMENTS,
    find: 'total - BigInt(sums[i] as Whole)',
    replace: 'total',
    why: 'a caller is told more than was added',
  },
  {
    name: 'increments of a step count as one',
    shape: 'counters',
    file: INCREMENTS,
    find: 'accepted, keys, sums',
    replace: 'accepted: 1, keys, sums',
    why: 'a loss of many is reported as one',
  },
  {
    name: 'first page of sums',
    shape: 'counters',
    file: PAGES,
    find: 'rows.push(rowOf(row)); } yield rows;',
    replace: 'rows.push(rowOf(row)); } yield rows; return;',
    why: 'sums beyond the first page are acknowledged and not stored',
  },
  {
    name: 'sums go on after the cut',
    shape: 'counters',
    file: 'test/sim/sim-counters.ts',
    find: 'this.#flightDeltas = this.#deltas;\n    this.#deltas = NOTHING;',
    replace: 'this.#flightDeltas = this.#deltas;',
    why: 'a front that does not take sums out at the cut adds them again',
  },
  {
    name: 'appends sent again',
    shape: 'log',
    ...REPEATED,
    why: 'events of a step whose answer was lost are there twice',
  },
  {
    name: 'events of a front that is behind',
    shape: 'log',
    ...BEHIND,
    why: 'what the store has already is stored again',
  },
  {
    name: 'two steps of appends at a time',
    shape: 'log',
    file: APPENDS,
    find: 'readonly inFlightMax = 1;',
    replace: 'readonly inFlightMax = 2;',
    why: 'a step that is sent again comes after a later one',
  },
  {
    name: 'what waits is overtaken',
    shape: 'log',
    file: QUEUE,
    find: 'const at = this.#queue.findIndex((other) => other.order > batch.order);',
    replace: 'const at = -1;',
    why: 'events for which there was no room come after later ones',
  },
  {
    name: 'two steps of a log at once',
    shape: 'log',
    file: APPENDS,
    find: 'readonly inFlightMax = 1;',
    replace: 'readonly inFlightMax = 2;',
    why: 'a step that is refused is sent again behind the one that came after it',
  },
  {
    name: 'events sorted by name',
    shape: 'log',
    file: READER,
    find: 'this.#pages.isSorted ? sorted : (batch: Mutation[]) => batch',
    replace: 'sorted',
    why: 'the tenth event is stored before the second',
  },
  {
    name: 'events named without their lane',
    shape: 'log',
    file: APPENDS,
    find: '`#${lane}:${seq}`',
    replace: '`#${seq}`',
    why: 'the letter of an event in one lane is taken for that of another',
  },
  {
    name: 'each waits at a place of its own',
    shape: 'log',
    file: 'src/engine/shapes/queued-ways.ts',
    find: 'placeOf: (lane) => String(lane),',
    replace: 'placeOf: (_, { bytes }) => String(bytes),',
    why: 'events that need room are overtaken by shorter ones',
  },
  {
    name: 'events of a step share a place',
    shape: 'log',
    file: APPENDS,
    find: 'eventName(lane, first + i), lane, epoch, first + i)',
    replace: 'eventName(lane, first), lane, epoch, first)',
    why: 'a receipt tells the fate of another event',
  },
  {
    name: 'time alone orders events',
    shape: 'log',
    file: 'src/log.ts',
    find: 'Math.max(this.#order + 1, Math.floor(this.options.clock.now() * 1_000))',
    replace: 'Math.floor(this.options.clock.now() * 1_000)',
    why: 'events of one moment have no order, and a clock that is set back turns it round',
  },
  {
    name: 'log goes on after the cut',
    shape: 'log',
    file: 'test/sim/sim-log.ts',
    find: 'return this.#flightLog.slice(from, from + limit);',
    replace: 'return [...this.#flightLog, ...this.#log].slice(from, from + limit);',
    why: 'a front whose log has no end at the cut stores what follows twice',
  },
  { name: 'scores sent again', shape: 'scores', ...REPEATED, why: 'a step whose answer was lost is added twice' },
  {
    name: 'scores of a front that is behind',
    shape: 'scores',
    ...BEHIND,
    why: 'scores that the store has replaced are stored again',
  },
  {
    name: 'doubts ignored',
    shape: 'scores',
    file: SCORES,
    find: 'progress.complete && progress.doubts.length === 0 ? undefined',
    replace: 'progress.complete ? undefined',
    why: 'a board shows scores that the store refused',
  },
  {
    name: 'nothing in doubt after a refusal',
    shape: 'scores',
    file: TABLES,
    find: 'if (scores.hasFlight(key) && !scores.hasPending(key)) scores.addDoubt(key);',
    replace: 'void scores;',
    why: 'the board keeps a score that the store refused',
  },
  {
    name: 'nothing in doubt after a letter',
    shape: 'scores',
    file: SCORES,
    find:
      'if (scores.readPending(member) === undefined && scores.readFlight(member) === undefined) ' +
      'scores.addDoubt(member);',
    replace: 'void scores.readPending(member);',
    why: 'a score whose letter was stored never comes to the board',
  },
  {
    name: 'any token settles a doubt',
    shape: 'scores',
    file: 'test/sim/sim-scores.ts',
    find: 'if (this.#doubts.get(member) !== token) return false;',
    replace: 'if (!this.#doubts.has(member)) return false;',
    why: 'a row from before the second doubt settles it',
  },
  {
    name: 'fill over pending',
    shape: 'scores',
    file: SCORES,
    find: 'scores.readPending(member) !== undefined || (isBefore',
    replace: '(isBefore',
    why: 'a loaded row takes the place of a newer score',
  },
  {
    name: 'fill over a flight',
    shape: 'scores',
    file: SCORES,
    find: ' || (isBefore && scores.readFlight(member) !== undefined);',
    replace: ';',
    why: 'a row from before the flush takes the place of a score in flight',
  },
  {
    name: 'page of another generation',
    shape: 'scores',
    file: SCORES,
    find: 'if (!isBefore && loaded.generation !== header.generation) return staleOr(header);',
    replace: '',
    why: 'a row from before a flush that is over comes to the board',
  },
  {
    name: 'half a board taken for whole',
    shape: 'scores',
    file: SCORES,
    find: 'complete: page.next === undefined',
    replace: 'complete: true',
    why: 'members beyond the first page have no rank',
  },
  {
    name: 'addition to an unloaded board',
    shape: 'scores',
    file: SCORES,
    find: "unloaded !== undefined && ops.some((op) => op === 'add' || op === 'best')",
    replace: "unloaded !== undefined && ops.some((op) => op === 'best')",
    why: 'an addition begins at 0 where the store has a score',
  },
  {
    name: 'best of an unloaded board',
    shape: 'scores',
    file: SCORES,
    find: "unloaded !== undefined && ops.some((op) => op === 'add' || op === 'best')",
    replace: "unloaded !== undefined && ops.some((op) => op === 'add')",
    why: 'a worse score takes the place of a better one in the store',
  },
  {
    name: 'best not kept',
    shape: 'scores',
    file: SCORES,
    find: 'Math.min(before, weight)',
    replace: 'weight',
    why: 'a worse score takes the place of a better one',
  },
  {
    name: 'removed from an incomplete board only',
    shape: 'scores',
    file: SCORES,
    find: " || (op === 'remove' && unloaded !== undefined)",
    replace: '',
    why: 'the row of a member that is not loaded stays',
  },
  {
    name: 'each of a step from the beginning',
    shape: 'scores',
    file: SCORES,
    find: 'changes.has(member) ? (changes.get(member) as Change) : (scores.readWeight(member) ?? null)',
    replace: 'scores.readWeight(member) ?? null',
    why: 'of several additions in one step the last counts alone',
  },
  {
    name: 'ties in the order of UTF-16',
    shape: 'scores',
    file: 'test/sim/sim-scores.ts',
    find: 'compareBytes(a, b)',
    replace: '(a < b ? -1 : 1)',
    why: 'fronts disagree on who is before whom',
  },
  {
    name: 'rank of the neighbour',
    shape: 'scores',
    file: SCORES,
    find: 'const first = Math.max(0, rank - query.count);',
    replace: 'const first = rank - query.count < 0 ? 1 : rank - query.count;',
    why: 'around a leader begins at the second',
  },
  {
    name: 'two steps of scores at a time',
    shape: 'scores',
    file: 'src/engine/shapes/scores.ts',
    find: 'readonly inFlightMax = 1;',
    replace: 'readonly inFlightMax = 2;',
    why: 'an operation that waits for the board comes after a later one',
  },
  {
    name: 'totals kept after a rollback',
    shape: 'counters',
    ...KEPT,
    why: 'the front goes on to count what the store has lost',
  },
  {
    name: 'rollback counted as no loss',
    shape: 'counters',
    file: 'src/engine/flushing/recovery.ts',
    find: 'this.#watermark(lane).gaveUp(header.storedSeq - fence.seq);',
    replace: '',
    why: 'nobody is told what a restored store has lost',
  },
  {
    name: 'fence moved past what is in flight',
    shape: 'log',
    file: 'src/engine/flushing/recovery.ts',
    find: "const generation = flight?.state === 'cut' ? flight.generation - 1 : header.generation;\n      if (fence",
    replace: 'const { generation } = header;\n      void flight;\n      if (fence',
    why: 'what the store never had is taken for stored when an operator goes on',
  },
  {
    name: 'scores kept after a rollback',
    shape: 'scores',
    ...KEPT,
    why: 'the board goes on to show what the store has lost',
  },
  {
    name: 'page from before a restore',
    shape: 'scores',
    file: SCORES,
    find: "if (loaded.epoch !== header.epoch) return { kind: 'stale' };",
    replace: '',
    why: 'a page that is late brings scores that the store has lost',
  },
  {
    name: 'redrive of a replaced score',
    shape: 'scores',
    file: 'src/testing/memory-letters.ts',
    find: 'if (letter.supersededAt !== undefined) {',
    replace: 'if (letter.cache === undefined) {',
    why: 'a dead score takes the place of a later one',
  },
  {
    name: 'redriven before it is stored',
    shape: 'counters',
    file: 'src/dead-letters.ts',
    find: "if (state === 'stored') return",
    replace: "if (state !== 'superseded') return",
    why: 'an operator is told that a letter is stored which waits',
  },
  {
    name: 'first page of scores',
    shape: 'scores',
    file: PAGES,
    find: 'rows.push(rowOf(row)); } yield rows;',
    replace: 'rows.push(rowOf(row)); } yield rows; return;',
    why: 'scores beyond the first page are acknowledged and not stored',
  },
];

/** A mutant that makes a schedule go round in circles is found by that. */
const STALL_MS = 60_000;

/** Looks for planted bugs in the first schedules of their shapes, several at a time. */
export async function huntShapes(
  mutants: readonly ShapeMutant[],
  { threads, schedules }: { readonly threads: number; readonly schedules: number },
  onHunted: (mutant: ShapeMutant, finding: Finding | undefined) => void,
): Promise<void> {
  const left = [...mutants];
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      await using planted = await bundle(mutant, entryOf(mutant.shape));
      const run = (firstSeed: number, count: number) =>
        runSchedules({ file: planted.file, firstSeed, schedules: count, threads: 1, stallMs: STALL_MS });
      const hinted = mutant.seed === undefined ? undefined : (await run(mutant.seed, 1)).finding;
      onHunted(mutant, hinted ?? (await run(1, schedules)).finding);
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
}
