import { isMillraceError, type MillraceErrorCode } from '../../src/index.ts';
import { FAULTS, type Stage, type Victim } from './faults.ts';
import { Journal } from './journal.ts';
import type { Oracle } from './oracle/oracle.ts';
import { Prng } from './prng.ts';
import type { Report } from './report.ts';
import { Scheduler } from './scheduler.ts';
import type { SimDatabase } from './sim-database.ts';
import { SimConnection } from './sim-front.ts';
import { SimProcess } from './sim-process.ts';
import type { SimServer } from './sim-server.ts';
import type { Setup } from './surroundings.ts';
import type { Plan } from './theme.ts';

/** How long the workload and its faults last, in simulated ms. */
const WORK_MS = 1_200;
const PROCESSES_MAX = 3;

/** What a caller has to live with. */
const EXPECTED: ReadonlySet<MillraceErrorCode> = new Set([
  'MILLRACE_FRONT_UNAVAILABLE',
  'MILLRACE_STORE_UNAVAILABLE',
  'MILLRACE_REJECTED',
  'MILLRACE_LOST',
  'MILLRACE_CLOSED',
  'MILLRACE_FULL',
]);

/** How a schedule is run, which its seed does not decide. */
export interface Manner {
  /** How much to tell of what happened before a promise was broken. */
  readonly linesMax: number;
  /** Whether processes send at the end of a turn of their event loop, as to a front over a connection. */
  readonly turns: boolean;
}

/** One who lives in a world: a process with a cache. */
interface Inhabitant extends Victim {
  readonly isUsable: boolean;
  readonly cache: { ready(): Promise<unknown> };
}

/**
 * One schedule of whatever the caches hold: processes on one front and one store, faults at moments that the seed
 * decides.
 */
export abstract class BaseWorld<C extends Inhabitant> implements Stage {
  readonly prng: Prng;
  readonly scheduler: Scheduler;
  readonly journal: Journal;
  readonly clients: C[] = [];
  readonly #ambushes: { readonly step: string; readonly fault: string }[] = [];
  #violation: Error | undefined;
  readonly #turns: boolean;
  #values = 0;
  #names = 0;
  ending = false;
  mayLose = false;
  mayLoseSynced = false;
  isRolledBack = false;

  abstract readonly setup: Setup;
  abstract readonly oracle: Oracle;
  abstract readonly server: SimServer;
  abstract readonly database: SimDatabase;
  protected abstract readonly plan: Plan;
  protected abstract readonly processesMin: number;

  constructor(seed: number, { linesMax, turns }: Manner) {
    this.#turns = turns;
    this.prng = new Prng(seed);
    this.scheduler = new Scheduler(this.prng);
    this.journal = new Journal(() => this.scheduler.nowMs, linesMax);
  }

  protected abstract enter(process: SimProcess, connection: SimConnection, flushes: boolean): C;
  /** What must hold when faults are over. */
  protected abstract end(): void;
  /** What is counted of the whole schedule. */
  protected abstract tally(): Readonly<Record<string, number>>;
  /** The first promise that an oracle has seen broken. */
  protected abstract get broken(): Error | undefined;

  /** Runs the schedule; throws a Violation when a promise was broken. */
  run(): Report {
    const processes = this.prng.between(this.processesMin, PROCESSES_MAX);
    for (let i = 0; i < processes; i++) this.spawn(i === 0 || undefined);
    const faults = this.prng.between(this.plan.faultsMin, this.plan.faultsMax);
    for (let i = 0; i < faults; i++) this.scheduler.after(this.prng.between(0, WORK_MS), () => this.#strike());
    this.until(() => false, WORK_MS);
    this.ending = true;
    this.#heal();
    this.end();
    Object.assign(this.journal.counts, { steps: this.scheduler.steps }, this.tally());
    return { schedules: 1, counts: this.journal.counts };
  }

  // For the parts of the world.

  /** A new process; `flushes` decides for sure whether it works on the lanes. */
  spawn(flushes = this.prng.chance(0.8)): void {
    const name = `process ${++this.#names}`;
    this.journal.note(() => `${name} begins${flushes ? ', and flushes' : ''}`);
    const process = new SimProcess(name, this.scheduler, this.#turns);
    this.clients.push(this.enter(process, new SimConnection(this, this.server, process, this.setup.lanes), flushes));
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
    const isExpected =
      isMillraceError(error) &&
      (EXPECTED.has(error.code) || (this.isRolledBack && error.code === 'MILLRACE_LANE_STOPPED'));
    if (!isExpected) this.#violation ??= error as Error;
  }

  reached(step: string, answer: unknown, process: SimProcess): void {
    const names = this.namesOf(step, answer, process);
    for (const name of names) this.journal.count(name);
    if (this.#ambushes.length === 0 || this.ending) return;
    const at = this.#ambushes.findIndex((ambush) => ambush.step === step || names.includes(ambush.step));
    const client = this.clients.find((each) => each.process === process);
    if (at < 0 || client === undefined || !client.isUsable) return;
    const [ambush] = this.#ambushes.splice(at, 1);
    const strike = (): void => this.#do(ambush?.fault as string, client, ` after ${step}`);
    const { ambushMsMax } = this.plan;
    if (ambushMsMax === 0) strike();
    else this.later(this.prng.between(0, ambushMsMax), strike);
  }

  /** What a step's answer is counted as, and waited for. */
  protected namesOf(step: string, answer: unknown, _process: SimProcess): string[] {
    // A step of the front comes with the header that was found.
    const result = isObject(answer) && isObject(answer['result']) ? answer['result'] : answer;
    if (typeof result === 'boolean') return [`${step}: ${result}`];
    if (!isObject(result) || typeof result['kind'] !== 'string') return [step];
    const verdicts = 'lanes' in result && result['kind'] === 'fenced' ? (result['lanes'] as { verdict: string }[]) : [];
    return [`${step}: ${result['kind']}`, ...verdicts.map(({ verdict }) => `fenced: ${verdict}`)];
  }

  until(done: () => boolean, limitMs: number): boolean {
    const reached = this.scheduler.until(() => this.#found !== undefined || done(), limitMs);
    if (this.#found !== undefined) throw this.#found;
    return reached;
  }

  get #found(): Error | undefined {
    return this.broken ?? this.#violation;
  }

  // Faults.

  #strike(): void {
    const living = this.clients.filter(({ isUsable }) => isUsable);
    const { faults, ambushes, ambushChance } = this.plan;
    const fault = this.prng.pick(faults);
    if (this.prng.chance(ambushChance)) this.#ambushes.push({ step: this.prng.pick(ambushes), fault });
    else if (living.length > 0) this.#do(fault, this.prng.pick(living), '');
  }

  #do(fault: string, client: C, when: string): void {
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
    (this.clients.at(-1) as C).cache.ready().catch((error: unknown) => this.expect(error));
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
