import { bundle } from '../bundle.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { runSchedules, type Finding } from '../pool.ts';
import { entryOf, type ShapeName } from './entry.ts';

export interface ShapeMutant extends Mutant {
  /** In whose schedules it must be found. */
  readonly shape: ShapeName;
}

const DELTAS = 'src/core/lane-deltas.ts';
const FLUSH = 'src/core/lane-flush.ts';
const RECOVER = 'src/core/lane-recover.ts';
const INCREMENTS = 'src/engine/increments.ts';
const APPENDS = 'src/engine/appends.ts';
const STEPS = 'src/engine/step-writer.ts';
const PAGES = 'src/engine/shape-pages.ts';
const READER = 'src/engine/generation-reader.ts';
const TABLE = 'test/sim/sim-table.ts';

const REPEATED = { file: STEPS, find: 'for (const asked of batch) asked.reject(error);\n      this.#pump();', replace: 'void error;\n      this.#queue.unshift(...batch);\n      this.#pump();' };
const BEHIND = { file: RECOVER, find: 'table.clear();\n    const behind', replace: 'const behind' };

/** Planted bugs of counters and logs, each with the shape in whose schedules it must be found. */
export const SHAPE_MUTANTS: readonly ShapeMutant[] = [
  { name: 'increments sent again', shape: 'counters', ...REPEATED, why: 'a step whose answer was lost is added twice' },
  { name: 'flight not in a loaded total', shape: 'counters', file: DELTAS, find: 'isBefore ? (table.readFlightDelta(key) ?? 0n) : 0n', replace: '0n', why: 'a total that is loaded during a flush lacks it' },
  { name: 'flight in a loaded total twice', shape: 'counters', file: DELTAS, find: 'isBefore ? (table.readFlightDelta(key) ?? 0n) : 0n', replace: '(table.readFlightDelta(key) ?? 0n)', why: 'a total that is loaded after the commit has the flush twice' },
  { name: 'pending not in a loaded total', shape: 'counters', file: DELTAS, find: 'const pending = table.readDelta(key) ?? 0n;', replace: 'const pending = 0n;', why: 'a total that is loaded lacks what is pending' },
  { name: 'load of another generation', shape: 'counters', file: DELTAS, find: "if (!isBefore && loaded.generation !== header.generation) return { kind: 'stale' };", replace: '', why: 'what was loaded before a flush that is over makes a total without it' },
  { name: 'total passed by', shape: 'counters', file: DELTAS, find: 'String(total + sum), table.readExpiry', replace: 'String(total), table.readExpiry', why: 'a total that is known is not raised' },
  { name: 'expired total comes back', shape: 'counters', file: DELTAS, find: 'table.removeSlot(key);\n      return undefined;', replace: 'return undefined;', why: 'a clock that is set back brings back a total without later increments' },
  { name: 'refused sum stays in the total', shape: 'counters', file: FLUSH, find: '!table.takeFlight(key) && table.readFlightDelta(key) === undefined', replace: '!table.takeFlight(key)', why: 'the total counts what the store refused' },
  { name: 'sums of a front that is behind', shape: 'counters', ...BEHIND, why: 'what the store has already is added again' },
  { name: 'total of the whole step and more', shape: 'counters', file: INCREMENTS, find: 'total - BigInt(sums[i] as Whole)', replace: 'total', why: 'a caller is told more than was added' },
  { name: 'increments of a step count as one', shape: 'counters', file: INCREMENTS, find: 'accepted: batch.length,', replace: 'accepted: 1,', why: 'a loss of many is reported as one' },
  { name: 'first page of sums', shape: 'counters', file: PAGES, find: 'mutationOf(key, value));\n    }\n    yield rows;', replace: 'mutationOf(key, value));\n    }\n    yield rows;\n    return;', why: 'sums beyond the first page are acknowledged and not stored' },
  { name: 'sums go on after the cut', shape: 'counters', file: TABLE, find: 'this.#flightDeltas = this.#deltas;\n    this.#deltas = new Map();', replace: 'this.#flightDeltas = this.#deltas;', why: 'a front that does not take sums out at the cut adds them again' },
  { name: 'appends sent again', shape: 'log', ...REPEATED, why: 'events of a step whose answer was lost are there twice' },
  { name: 'events of a front that is behind', shape: 'log', ...BEHIND, why: 'what the store has already is stored again' },
  { name: 'two steps of appends at a time', shape: 'log', file: APPENDS, find: 'readonly inFlightMax = 1;', replace: 'readonly inFlightMax = 2;', why: 'a step that is sent again comes after a later one' },
  { name: 'what waits is overtaken', shape: 'log', file: STEPS, find: 'this.#held++;\n    this.#queue.unshift(...batch);', replace: 'this.#held++;\n    this.#queue.push(...batch);', why: 'events for which there was no room come after later ones' },
  { name: 'nobody is held back', shape: 'log', file: STEPS, find: 'this.#held++;\n    this.#queue', replace: 'this.#queue', why: 'later events go while earlier ones wait' },
  { name: 'events sorted by name', shape: 'log', file: READER, find: "shape === 'log' ? (batch: Mutation[]) => batch : sorted", replace: 'sorted', why: 'the tenth event is stored before the second' },
  { name: 'events named without their lane', shape: 'log', file: APPENDS, find: '`#${lane}:${seq}`', replace: '`#${seq}`', why: 'the letter of an event in one lane is taken for that of another' },
  { name: 'events of a step share a place', shape: 'log', file: APPENDS, find: 'eventName(lane, first + i), seq: first + i', replace: 'eventName(lane, first), seq: first', why: 'a receipt tells the fate of another event' },
  { name: 'time alone orders events', shape: 'log', file: 'src/log.ts', find: 'Math.max(this.#order + 1, Math.floor(this.options.clock.now() * 1_000))', replace: 'Math.floor(this.options.clock.now() * 1_000)', why: 'events of one moment have no order, and a clock that is set back turns it round' },
  { name: 'log goes on after the cut', shape: 'log', file: TABLE, find: 'return this.#flightLog.slice(from, from + limit);', replace: 'return [...this.#flightLog, ...this.#log].slice(from, from + limit);', why: 'a front whose log has no end at the cut stores what follows twice' },
];

/** A mutant that makes a schedule go round in circles is found by that. */
const STALL_MS = 60_000;

/** Looks for planted bugs in the first schedules of their shapes, several at a time. */
export async function huntShapes(mutants: readonly ShapeMutant[], { threads, schedules }: { readonly threads: number; readonly schedules: number }, onHunted: (mutant: ShapeMutant, finding: Finding | undefined) => void): Promise<void> {
  const left = [...mutants];
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      await using planted = await bundle(mutant, entryOf(mutant.shape));
      const { finding } = await runSchedules({ file: planted.file, firstSeed: 1, schedules, threads: 1, stallMs: STALL_MS });
      onHunted(mutant, finding);
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
}
