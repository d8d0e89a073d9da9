import { isMillraceError } from '../../../src/index.ts';
import { isExpected } from '../client.ts';
import { FAULTS } from '../faults.ts';
import { Journal } from '../journal.ts';
import { Oracle } from '../oracle/oracle.ts';
import { Prng } from '../prng.ts';
import type { Report } from '../report.ts';
import { Scheduler } from '../scheduler.ts';
import { SimConnection } from '../sim-front.ts';
import { SimProcess } from '../sim-process.ts';
import { SimServer } from '../sim-server.ts';
import type { Setup } from '../surroundings.ts';
import type { Cast } from './cast.ts';
import { ShapeDatabase } from './database.ts';
import { ShapeEnding } from './ending.ts';
import type { ShapeClient } from './shape-client.ts';
import type { ShapeCalm } from './settling.ts';
import type { ShapeOracle } from './shape-oracle.ts';

/** How long the workload and its faults last, in simulated ms. */
const WORK_MS = 1_200;
const FAULTS_MIN = 5;
const FAULTS_MAX = 12;

/** One schedule of counters or of a log: several processes on one front and one store, faults at moments that the seed decides. */
export class ShapeWorld<O extends ShapeOracle> implements ShapeCalm<O> {
  readonly prng: Prng;
  readonly scheduler: Scheduler;
  readonly journal: Journal;
  readonly setup: Setup;
  readonly shapes: O;
  /** Of documents, of which there are none. */
  readonly oracle: Oracle;
  readonly server: SimServer;
  readonly database: ShapeDatabase;
  readonly #cast: Cast<O>;
  /** What goes wrong in this schedule: anything, or a few kinds of faults again and again. */
  readonly #faults: readonly string[];
  readonly #ambushChance: number;
  readonly clients: ShapeClient<O>[] = [];
  readonly #ambushes: { readonly step: string; readonly fault: string }[] = [];
  #violation: Error | undefined;
  #values = 0;
  #names = 0;
  ending = false;
  mayLose = false;
  mayLoseSynced = false;
  isRolledBack = false;

  constructor(cast: Cast<O>, seed: number, linesMax: number) {
    this.#cast = cast;
    this.prng = new Prng(seed);
    this.scheduler = new Scheduler(this.prng);
    this.journal = new Journal(() => this.scheduler.nowMs, linesMax);
    this.setup = this.#draw();
    const all = Object.keys(FAULTS);
    this.#faults = this.prng.chance(0.5) ? all : Array.from({ length: this.prng.between(1, 3) }, () => this.prng.pick(all));
    this.#ambushChance = this.prng.pick([0.3, 0.5, 0.7]);
    const { lanes, maxEntries } = this.setup;
    const step = (): number => this.scheduler.steps;
    this.shapes = cast.oracle(lanes, maxEntries, step, this.prng);
    this.oracle = new Oracle(lanes, maxEntries, step);
    this.server = new SimServer(lanes, this.scheduler, this.prng, this.journal, {
      stepped: (lane, _step, table, before) => this.shapes.checkStep(lane, table, before, this.server.isCurrent(lane)),
      rewound: (before, tables) => this.shapes.rewound(before, tables),
    });
    this.database = new ShapeDatabase(this, lanes, this.shapes, cast.table);
  }

  #draw(): Setup {
    const { prng } = this;
    return {
      policy: 'write-behind',
      lanes: this.#cast.lanes ?? (prng.chance(0.8) ? 2 : 1),
      ttlMs: prng.pick([20, 200, 2_000, undefined]),
      maxEntries: prng.chance(0.15) ? prng.between(2, 6) : 1_000,
      onFull: prng.pick(['wait', 'reject']),
      poisonChance: prng.chance(0.3) ? 0.25 : 0.02,
      attempts: prng.pick([1, 3]),
      workers: prng.pick([2, 3, 3, 5]),
      keysPerStep: prng.pick([1, 2, 2, 3]),
      lateMsMax: prng.pick([50, 50, 500]),
    };
  }

  /** Runs the schedule; throws a Violation when a promise was broken. */
  run(): Report {
    const processes = this.prng.between(2, 3);
    for (let i = 0; i < processes; i++) this.spawn(i === 0 || undefined);
    const faults = this.prng.between(FAULTS_MIN, FAULTS_MAX);
    for (let i = 0; i < faults; i++) this.scheduler.after(this.prng.between(0, WORK_MS), () => this.#strike());
    this.until(() => false, WORK_MS);
    this.ending = true;
    this.#heal();
    new ShapeEnding(this).run();
    const { commits, refusals, history } = this.shapes;
    Object.assign(this.journal.counts, { steps: this.scheduler.steps, commits, refusals, losses: history.losses });
    return { schedules: 1, counts: this.journal.counts };
  }

  // For the parts of the world.

  /** A new process; `flushes` decides for sure whether it works on the lanes. */
  spawn(flushes = this.prng.chance(0.8)): void {
    const name = `process ${++this.#names}`;
    this.journal.note(() => `${name} begins${flushes ? ', and flushes' : ''}`);
    const process = new SimProcess(name, this.scheduler);
    const connection = new SimConnection(this, this.server, process, this.setup.lanes);
    this.clients.push(this.#cast.client(this, process, connection, this.database, flushes));
  }

  later(ms: number, task: () => void): void {
    this.scheduler.after(ms, () => (this.ending ? undefined : task()));
  }

  token(): string {
    return `t${this.prng.between(0, 2 ** 31)}-${this.#values++}`;
  }

  value(): object {
    return { n: ++this.#values, ...(this.prng.chance(this.setup.poisonChance) ? { poison: true } : {}) };
  }

  expect(error: unknown): void {
    if (!isExpected(error) && !(this.isRolledBack && isMillraceError(error) && error.code === 'MILLRACE_LANE_STOPPED')) this.#violation ??= error as Error;
  }

  reached(step: string, answer: unknown, process: SimProcess): void {
    this.journal.count(nameOf(step, answer));
    if (this.#ambushes.length === 0 || this.ending) return;
    const at = this.#ambushes.findIndex((ambush) => ambush.step === step);
    const client = this.clients.find((each) => each.process === process);
    if (at < 0 || client === undefined || !client.isUsable) return;
    const [ambush] = this.#ambushes.splice(at, 1);
    this.#do(ambush?.fault as string, client, ` after ${step}`);
  }

  // Faults.

  #strike(): void {
    const living = this.clients.filter(({ isUsable }) => isUsable);
    const fault = this.prng.pick(this.#faults);
    if (this.prng.chance(this.#ambushChance)) this.#ambushes.push({ step: this.prng.pick(this.#cast.ambushes), fault });
    else if (living.length > 0) this.#do(fault, this.prng.pick(living), '');
  }

  #do(fault: string, client: ShapeClient<O>, when: string): void {
    this.journal.count(`fault: ${fault}`);
    this.journal.note(() => `FAULT ${fault} (${client.process.name})${when}`);
    FAULTS[fault]?.(this, client);
  }

  /** Faults stop: what is suspended goes on, what is down comes back, somebody flushes. */
  #heal(): void {
    this.journal.note(() => 'faults are over');
    this.#ambushes.length = 0;
    this.server.down = false;
    this.database.down = false;
    this.database.slowMs = 0;
    this.database.commitFaults.length = 0;
    for (const { process } of this.clients) process.thaw();
    this.spawn(true);
    (this.clients.at(-1) as ShapeClient<O>).cache.ready().catch((error: unknown) => this.expect(error));
  }

  get #found(): Error | undefined {
    return this.shapes.findings.first ?? this.oracle.findings.first ?? this.#violation;
  }

  until(done: () => boolean, limitMs: number): boolean {
    const reached = this.scheduler.until(() => this.#found !== undefined || done(), limitMs);
    if (this.#found !== undefined) throw this.#found;
    return reached;
  }
}

/** What a step's answer is counted as. */
function nameOf(step: string, answer: unknown): string {
  // A step of the front comes with the header that was found.
  const { result = answer } = (answer ?? {}) as { readonly result?: unknown };
  const { kind } = (result ?? {}) as { readonly kind?: unknown };
  return typeof kind === 'string' ? `${step}: ${kind}` : step;
}
