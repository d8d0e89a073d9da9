import { isMillraceError } from '../../src/index.ts';
import { Client, isExpected } from './client.ts';
import { Ending, type Calm } from './ending.ts';
import { FAULTS } from './faults.ts';
import { Journal } from './journal.ts';
import { Oracle } from './oracle/oracle.ts';
import { Prng } from './prng.ts';
import { NO_REPORT, type Report } from './report.ts';
import { Scheduler } from './scheduler.ts';
import { SimConnection } from './sim-front.ts';
import { SimProcess } from './sim-process.ts';
import { SimServer } from './sim-server.ts';
import { SimDatabase } from './sim-database.ts';
import { SimSession } from './sim-session.ts';
import { WAITERS_MAX, type Setup } from './surroundings.ts';
import { drawTheme, type Theme } from './theme.ts';

/** How long the workload and its faults last, in simulated ms. */
const WORK_MS = 1_200;

/** One schedule: several processes on one front and one store, faults at moments that the seed decides. */
export class World implements Calm {
  readonly prng: Prng;
  readonly scheduler: Scheduler;
  readonly journal: Journal;
  readonly setup: Setup;
  readonly theme: Theme;
  readonly oracle: Oracle;
  readonly server: SimServer;
  readonly database: SimDatabase;
  readonly clients: Client[] = [];
  /** Whose last write was not accepted. */
  readonly #refused = new Set<SimProcess>();
  readonly #ambushes: { readonly step: string; readonly fault: string }[] = [];
  #violation: Error | undefined;
  #values = 0;
  #names = 0;
  ending = false;
  mayLose = false;
  mayLoseSynced = false;
  isRolledBack = false;

  constructor(seed: number, linesMax = 0) {
    this.prng = new Prng(seed);
    this.scheduler = new Scheduler(this.prng);
    this.journal = new Journal(() => this.scheduler.nowMs, linesMax);
    this.setup = this.#draw();
    this.theme = drawTheme(this.prng, this.setup.policy);
    const { lanes, maxEntries, onFull } = this.setup;
    this.oracle = new Oracle(lanes, maxEntries + (onFull === 'write-through' ? WAITERS_MAX : 0), () => this.scheduler.steps);
    this.server = new SimServer(lanes, this.scheduler, this.prng, this.journal, {
      stepped: (lane, _step, table, before) => this.oracle.checkStep(lane, table, before, this.server.isCurrent(lane)),
      rewound: (before, tables) => this.oracle.rewound(before, tables),
    });
    this.database = new SimDatabase(this, lanes);
  }

  #draw(): Setup {
    const { prng } = this;
    const policy = prng.chance(0.8) ? 'write-behind' : prng.pick(['write-through', 'cache-aside'] as const);
    const isSmall = policy === 'write-behind' && prng.chance(0.15);
    return {
      policy,
      lanes: prng.chance(0.8) ? 2 : 1,
      ttlMs: prng.pick([20, 200, 2_000, undefined]),
      maxEntries: isSmall ? prng.between(2, 6) : 1_000,
      onFull: prng.pick(['wait', 'reject', 'write-through']),
      poisonChance: prng.chance(0.3) ? 0.25 : 0.02,
      attempts: prng.pick([1, 3, 3]),
      workers: prng.pick([1, 2, 3, 3, 5]),
      keysPerStep: prng.pick([1, 2, 2, 3]),
      lateMsMax: prng.pick([50, 50, 500]),
    };
  }

  /** Runs the schedule; throws a Violation when a promise was broken. */
  run(): Report {
    const processes = this.prng.between(1, 3);
    for (let i = 0; i < processes; i++) this.spawn(i === 0 || undefined);
    const faults = this.prng.between(this.theme.faultsMin, this.theme.faultsMax);
    for (let i = 0; i < faults; i++) this.scheduler.after(this.prng.between(0, WORK_MS), () => this.#strike());
    this.until(() => false, WORK_MS);
    this.ending = true;
    this.#heal();
    new Ending(this).run();
    const { commits, refusals, history: { losses } } = this.oracle;
    Object.assign(this.journal.counts, { steps: this.scheduler.steps, commits, losses, refusals, [`policy: ${this.setup.policy}`]: 1, [`theme: ${this.theme.name}`]: 1 });
    return { schedules: 1, counts: this.journal.counts };
  }

  // For the parts of the world.

  get redrives(): boolean {
    return this.theme.name === 'letters';
  }

  /** A new process; `flushes` decides for sure whether it works on the lanes. */
  spawn(flushes = this.prng.chance(0.8)): void {
    const name = `process ${++this.#names}`;
    this.journal.note(() => `${name} begins${flushes ? ', and flushes' : ''}`);
    const process = new SimProcess(name, this.scheduler);
    const connection = new SimConnection(this, this.server, process, this.setup.lanes);
    this.clients.push(new Client(this, process, connection, new SimSession(this, this.database, process), flushes));
  }

  later(ms: number, task: () => void): void {
    this.scheduler.after(ms, () => (this.ending ? undefined : task()));
  }

  token(): string {
    return `t${this.prng.between(0, 2 ** 31)}-${this.#values++}`;
  }

  value(): unknown {
    return { n: ++this.#values, ...(this.prng.chance(this.setup.poisonChance) ? { poison: true } : {}) };
  }

  expect(error: unknown): void {
    if (!isExpected(error) && !(this.isRolledBack && isMillraceError(error) && error.code === 'MILLRACE_LANE_STOPPED')) this.#violation ??= error as Error;
  }

  reached(step: string, result: unknown, process: SimProcess): void {
    const names = namesOf(step, result);
    if (step === 'write') names.push(...this.#overtaking(names, process));
    for (const name of names) this.journal.count(name);
    if (this.#ambushes.length === 0 || this.ending) return;
    const at = this.#ambushes.findIndex((ambush) => ambush.step === step || names.includes(ambush.step));
    const client = this.clients.find((each) => each.process === process);
    if (at < 0 || client === undefined || !client.isUsable) return;
    const [ambush] = this.#ambushes.splice(at, 1);
    const strike = (): void => this.#do(ambush?.fault as string, client, ` after ${step}`);
    const { ambushMsMax } = this.theme;
    if (ambushMsMax === 0) strike();
    else this.later(this.prng.between(0, ambushMsMax), strike);
  }

  /** A write that is accepted right after one that is not was sent before it was known that the first has to be repeated. */
  #overtaking(names: readonly string[], process: SimProcess): string[] {
    const isRefused = names.includes('write: full') || names.includes('write: unrecovered');
    const isOvertaking = names.includes('write: accepted') && this.#refused.delete(process);
    if (isRefused) this.#refused.add(process);
    return isOvertaking ? ['write: overtaking'] : [];
  }

  // Faults.

  #strike(): void {
    const living = this.clients.filter(({ isUsable }) => isUsable);
    const { faults, ambushes, ambushChance } = this.theme;
    const fault = this.prng.pick(faults);
    if (this.prng.chance(ambushChance)) {
      this.#ambushes.push({ step: this.prng.pick(ambushes), fault });
    } else if (living.length > 0) this.#do(fault, this.prng.pick(living), '');
  }

  #do(fault: string, client: Client, when: string): void {
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
    (this.clients.at(-1) as Client).cache.ready().catch((error: unknown) => this.expect(error));
  }

  get #found(): Error | undefined {
    return this.oracle.findings.first ?? this.#violation;
  }

  until(done: () => boolean, limitMs: number): boolean {
    const reached = this.scheduler.until(() => this.#found !== undefined || done(), limitMs);
    if (this.#found !== undefined) throw this.#found;
    return reached;
  }
}

/** What a step's answer is counted as. */
function namesOf(step: string, answer: unknown): string[] {
  // A step of the front comes with the header that was found.
  const result = isObject(answer) && isObject(answer['result']) ? answer['result'] : answer;
  if (typeof result === 'boolean') return [`${step}: ${result}`];
  if (!isObject(result) || typeof result['kind'] !== 'string') return [step];
  const verdicts = 'lanes' in result && result['kind'] === 'fenced' ? (result['lanes'] as { verdict: string }[]) : [];
  return [`${step}: ${result['kind']}`, ...verdicts.map(({ verdict }) => `fenced: ${verdict}`)];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** A promise was broken; `lines` are the last things that happened before. */
export class Broken extends Error {
  readonly lines: readonly string[];

  constructor(cause: Error, lines: readonly string[]) {
    super(cause.message, { cause });
    this.lines = lines;
  }
}

/**
 * Runs one schedule, between two tasks of the event loop: that is where promise callbacks can be run to their end. With
 * `theme` only if it has that one.
 */
export function simulate(seed: number, linesMax = 0, theme = ''): Promise<Report> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      const world = new World(seed, linesMax);
      if (theme !== '' && world.theme.name !== theme) return resolve(NO_REPORT);
      try {
        resolve(world.run());
      } catch (error) {
        reject(new Broken(error as Error, world.journal.lines));
      }
    });
  });
}
