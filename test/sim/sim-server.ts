import { entriesOf, type LaneEnv, type LaneHeader } from '../../src/core/lane.ts';
import { type Journal, shown } from './journal.ts';
import type { Prng } from './prng.ts';
import type { Scheduler } from './scheduler.ts';
import { SimTable } from './sim-table.ts';

/** What a server tells of what it executes. */
export interface ServerWatch {
  /** After each step. */
  stepped(lane: number, step: string, table: SimTable, before: LaneHeader | undefined): void;
  /** The state was replaced by an earlier one, or by nothing. */
  rewound(before: readonly SimTable[], tables: readonly SimTable[]): void;
}

/** A copy of the lanes' tables at one step. */
interface Snapshot {
  readonly tables: readonly SimTable[];
  readonly step: number;
}

/** How much of its last steps a server can lose, and how many older copies of itself are kept. */
const SNAPSHOTS_KEPT = 40;
const COPIES_KEPT = 12;
const COPY_EVERY_STEPS = 60;
/** Half of the tails that are lost are short: no more changes than these. */
const SHORT_TAIL = 4;

/** The simulated server of a front: lanes in tables, a disk that may be behind, older copies, a clock of its own. */
export class SimServer {
  readonly #scheduler: Scheduler;
  readonly #prng: Prng;
  readonly #journal: Journal;
  readonly #watch: ServerWatch;
  tables: SimTable[];
  runId = 'run0';
  down = false;
  clockOffsetMs = 0;
  #runs = 0;
  #step = 0;
  #durableStep = 0;
  #snapshots: Snapshot[] = [];
  /** Versions of the tables that the last snapshot has. */
  #copied: number[] = [];
  #copies: Snapshot[] = [];
  /** Requests of connections that were cut which have not arrived: each may still be executed. */
  strays = 0;
  /** Cuts every connection. */
  readonly connections = new Set<{ cut(): void }>();

  constructor(lanes: number, scheduler: Scheduler, prng: Prng, journal: Journal, watch: ServerWatch) {
    this.#scheduler = scheduler;
    this.#prng = prng;
    this.#journal = journal;
    this.#watch = watch;
    this.tables = Array.from({ length: lanes }, () => new SimTable());
    this.#remember();
  }

  isCurrent(lane: number): boolean {
    return this.tables[lane]?.header?.runId === this.runId;
  }

  /**
   * Runs a step for somebody who has seen this incarnation. A script is loaded anew in each run, so it always knows the
   * run.
   */
  execute<T>(
    lane: number,
    name: string,
    step: (table: SimTable, env: LaneEnv) => T,
    incarnation: string,
    process: string,
  ): T {
    const table = this.tables[lane] as SimTable;
    table.nowMs = Math.round(1_700_000_000_000 + this.#scheduler.nowMs + this.clockOffsetMs);
    const before = table.header;
    const result = step(table, { runId: this.runId, incarnation });
    this.#remember();
    this.#journal.note(
      () =>
        `  front ${lane} ${name} by ${process} ${shown(result)}` +
        (before === table.header ? '' : ` ${headerText(table.header)}`),
    );
    this.#watch.stepped(lane, name, table, before);
    return result;
  }

  #remember(): void {
    const last = this.#snapshots.at(-1);
    this.#step++;
    if (last !== undefined && this.tables.every((table, lane) => table.version === this.#copied[lane])) return;
    const tables = this.tables.map((table, lane) =>
      last !== undefined && table.version === this.#copied[lane] ? (last.tables[lane] as SimTable) : table.copy(),
    );
    this.#copied = this.tables.map(({ version }) => version);
    const snapshot = { tables, step: this.#step };
    this.#snapshots.push(snapshot);
    if (this.#snapshots.length > SNAPSHOTS_KEPT) this.#snapshots.shift();
    if (this.#step - (this.#copies.at(-1)?.step ?? 0) >= COPY_EVERY_STEPS) {
      this.#copies.push(snapshot);
      if (this.#copies.length > COPIES_KEPT) this.#copies.splice(this.#prng.between(0, COPIES_KEPT - 1), 1);
    }
  }

  /** What was executed before is on the disk. */
  sync(): void {
    this.#durableStep = this.#step;
  }

  /** Restarts with everything, or without what happened last and was not synced. */
  restart(loseTail: boolean): void {
    const candidates = this.#snapshots.filter(({ step }) => step >= this.#durableStep);
    if (!loseTail || candidates.length === 0) return this.#begin(undefined);
    // The last one has everything.
    const short = candidates.slice(-1 - SHORT_TAIL, -1);
    this.#begin(this.#prng.pick(short.length > 0 && this.#prng.chance(0.5) ? short : candidates));
  }

  /** A replica takes over that had not received the last steps, synced on the primary's disk or not. */
  failOver(): void {
    this.#begin(this.#prng.pick(this.#snapshots));
  }

  /** An old copy of the data is restored. */
  restore(): void {
    this.#begin(this.#copies.length > 0 ? this.#prng.pick(this.#copies) : this.#snapshots[0]);
  }

  #begin(from: Snapshot | undefined): void {
    const before = this.tables;
    this.runId = `run${++this.#runs}`;
    if (from !== undefined) {
      this.tables = from.tables.map((table) => table.copy());
      // What came after has never been, so it is not restored either.
      this.#copies = this.#copies.filter(({ step }) => step <= from.step);
    }
    this.#rewound(before);
    for (const connection of this.connections) connection.cut();
  }

  flushAll(): void {
    const before = this.tables;
    this.tables = before.map(() => new SimTable());
    this.#copies = [];
    this.#rewound(before);
  }

  #rewound(before: readonly SimTable[]): void {
    this.#snapshots = [];
    this.#remember();
    this.#durableStep = this.#step;
    this.#journal.note(
      () => `  front is now ${this.runId}: ${this.tables.map(({ header }) => headerText(header)).join(' | ')}`,
    );
    this.#watch.rewound(before, this.tables);
  }
}

export function headerText(header: LaneHeader | undefined): string {
  if (header === undefined) return 'no header';
  const { epoch, seq, storedSeq, generation, flight, runId, stopped, epochs } = header;
  const parts = [
    `${runId} e${epoch} seq ${seq} stored ${storedSeq} g${generation}`,
    flight === undefined ? '' : `flight ${flight.state} to ${flight.cutSeq} ${flight.digest}`,
    `entries ${entriesOf(header)} epochs ${epochs.map((start) => `${start.epoch}@${start.seq}`).join(',')}`,
    stopped === '' ? '' : 'STOPPED',
  ];
  return `[${parts.filter((part) => part !== '').join(' ')}]`;
}
