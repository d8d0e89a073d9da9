import { FINISHED_KEPT_MS } from '../../src/core/letter.ts';
import { isMillraceError } from '../../src/index.ts';
import { Client, isExpected } from './client.ts';
import { AMBUSHES, FAULTS, type Stage } from './faults.ts';
import { Journal } from './journal.ts';
import { Oracle } from './oracle.ts';
import { Prng } from './prng.ts';
import type { Report } from './report.ts';
import { Scheduler } from './scheduler.ts';
import { SimConnection } from './sim-front.ts';
import { SimProcess } from './sim-process.ts';
import { SimServer } from './sim-server.ts';
import { SimDatabase, SimSession } from './sim-store.ts';
import { WAITERS_MAX, type Setup } from './surroundings.ts';
import { Violation } from './violation.ts';

/** How long the workload and its faults last, and how long draining may take after them, in simulated ms. */
const WORK_MS = 1_200;
const DRAIN_MS = 120_000;
const FAULTS_MIN = 5;
const FAULTS_MAX = 9;
/** So many of ten faults lie in wait for a step instead of coming at a time. */
const AMBUSH_CHANCE = 0.4;
const LATE_RECEIPTS = 10;
/** How many schedules end with a store that was restored. */
const ROLL_BACK_CHANCE = 0.1;

/** One schedule: several processes on one front and one store, faults at moments that the seed decides. */
export class World implements Stage {
  readonly prng: Prng;
  readonly scheduler: Scheduler;
  readonly journal: Journal;
  readonly setup: Setup;
  readonly oracle: Oracle;
  readonly server: SimServer;
  readonly database: SimDatabase;
  readonly #clients: Client[] = [];
  readonly #ambushes: { readonly step: string; readonly fault: string }[] = [];
  #violation: Error | undefined;
  #isRolledBack = false;
  #values = 0;
  #names = 0;
  ending = false;
  mayLose = false;
  mayLoseSynced = false;

  constructor(seed: number, linesMax = 0) {
    this.prng = new Prng(seed);
    this.scheduler = new Scheduler(this.prng);
    this.journal = new Journal(() => this.scheduler.nowMs, linesMax);
    this.setup = this.#draw();
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
    };
  }

  /** Runs the schedule; throws a Violation when a promise was broken. */
  run(): Report {
    const processes = this.prng.between(2, 3);
    for (let i = 0; i < processes; i++) this.spawn(i === 0 || undefined);
    const faults = this.prng.between(FAULTS_MIN, FAULTS_MAX);
    for (let i = 0; i < faults; i++) this.scheduler.after(this.prng.between(0, WORK_MS), () => this.#strike());
    this.#until(() => false, WORK_MS);
    this.ending = true;
    this.#heal();
    this.#drain();
    const { commits, losses, refusals } = this.oracle;
    Object.assign(this.journal.counts, { steps: this.scheduler.steps, commits, losses, refusals, [`policy: ${this.setup.policy}`]: 1 });
    return { schedules: 1, counts: this.journal.counts };
  }

  // For the parts of the world.

  /** A new process; `flushes` decides for sure whether it works on the lanes. */
  spawn(flushes = this.prng.chance(0.8)): void {
    const name = `process ${++this.#names}`;
    this.journal.note(() => `${name} begins${flushes ? ', and flushes' : ''}`);
    const process = new SimProcess(name, this.scheduler);
    const connection = new SimConnection(this, this.server, process, this.setup.lanes);
    this.#clients.push(new Client(this, process, connection, new SimSession(this, this.database, process), flushes));
  }

  later(ms: number, task: () => void): void {
    this.scheduler.after(ms, () => (this.ending ? undefined : task()));
  }

  token(): string {
    return `t${this.prng.between(0, 2 ** 31)}-${this.#values++}`;
  }

  value(): unknown {
    return { n: ++this.#values, ...(this.prng.chance(0.02) ? { poison: true } : {}) };
  }

  expect(error: unknown): void {
    if (!isExpected(error) && !(this.#isRolledBack && isMillraceError(error) && error.code === 'MILLRACE_LANE_STOPPED')) this.#violation ??= error as Error;
  }

  reached(step: string, result: unknown, process: SimProcess): void {
    for (const name of namesOf(step, result)) this.journal.count(name);
    if (this.#ambushes.length === 0 || this.ending) return;
    const at = this.#ambushes.findIndex((ambush) => ambush.step === step);
    const client = this.#clients.find((each) => each.process === process);
    if (at < 0 || client === undefined || !client.isUsable) return;
    const [ambush] = this.#ambushes.splice(at, 1);
    this.#do(ambush?.fault as string, client, ` after ${step}`);
  }

  // Faults.

  #strike(): void {
    const living = this.#clients.filter(({ isUsable }) => isUsable);
    const fault = this.prng.pick(Object.keys(FAULTS));
    if (this.prng.chance(AMBUSH_CHANCE)) {
      const step = this.prng.pick(AMBUSHES[this.setup.policy === 'write-behind' ? 'write-behind' : 'direct']);
      this.#ambushes.push({ step, fault });
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
    for (const { process } of this.#clients) process.thaw();
    this.spawn(true);
    this.#last.cache.ready().catch((error: unknown) => this.expect(error));
  }

  get #last(): Client {
    return this.#clients.at(-1) as Client;
  }

  // What must hold when faults are over.

  #drain(): void {
    const beganMs = this.scheduler.nowMs;
    const living = this.#clients.filter(({ isUsable }) => isUsable);
    this.#within(() => `an operation did not end: ${this.#clients.flatMap(({ process, busy }) => (process.alive ? [...busy].map((doing) => `${process.name}: ${doing}`) : [])).join(', ')}`, () => this.#clients.every(({ busy, process }) => !process.alive || busy.size === 0));
    this.#within(() => 'a request never arrived', () => this.server.strays === 0);
    // Everybody flushes, and learns on the way what it had been acknowledged and is lost.
    this.#all('the lanes were not drained', living, (client) => client.drain());
    this.journal.counts['drain ms'] = this.scheduler.nowMs - beganMs;
    if (this.setup.policy === 'write-behind') {
      this.oracle.checkDrained(this.server.tables, this.setup.ttlMs !== undefined, this.database.rows, this.scheduler.nowMs < FINISHED_KEPT_MS ? this.database.letters.all.length : undefined);
      this.#checkLosses();
      this.#all('a receipt never settled', living, (client) => client.askLate(LATE_RECEIPTS));
    }
    this.#all('a read never returned', [this.#last], (client) => client.readAll());
    this.#all('a read never returned', [this.#last], (client) => client.readSettled());
    if (this.setup.policy === 'write-behind' && this.database.letters.all.length === 0 && this.prng.chance(ROLL_BACK_CHANCE)) this.#rollBack();
    this.#all('a cache was not closed', living, (client) => client.close(5_000));
    if (this.scheduler.until(() => false, DRAIN_MS) || !this.scheduler.isEmpty) this.#fail(7, 'something goes on after every cache was closed');
    if (this.#found !== undefined) throw this.#found;
  }

  /** The store comes back without its last commits: the lanes that know of them stop and name them, until an operator goes on. */
  #rollBack(): void {
    const last = this.#last;
    const stored = this.server.tables.map(({ header }) => header?.generation ?? 0);
    if (!this.database.restore()) return;
    const lost = stored.map((generation, lane) => generation - (this.database.fences[lane]?.generation ?? 0));
    this.journal.note(() => `the store is restored without ${lost.join(', ')} generations`);
    const isStopped = lost.some((generations) => generations > 0);
    this.journal.count(isStopped ? 'rolled back: stopped' : 'rolled back: nothing lost');
    this.#isRolledBack = isStopped;
    const flushed = { reason: 'nothing' };
    this.#all('a write never ended', [last], (client) => client.touchAll());
    this.#all('a flush over a restored store never ended', [last], (client) => client.cache.flush().catch((error: Error) => void (flushed.reason = error.message)));
    if (isStopped !== /the store lost generations \d+ to \d+/.test(flushed.reason)) this.#fail(12, `the store lost ${lost.join(', ')} generations of its lanes, and a flush said ${flushed.reason}`);
    if (!isStopped) return;
    this.#all('an operator did not get the lanes to go on', [last], (client) => client.cache.resume({ acceptStoreRollback: true }));
    this.#all('the lanes were not drained after an operator went on', [last], (client) => client.drain());
    this.oracle.checkDrained(this.server.tables, this.setup.ttlMs !== undefined, this.database.rows, undefined);
  }

  #all(late: string, clients: readonly Client[], task: (client: Client) => Promise<void>): void {
    const left = new Set(clients);
    for (const client of clients) void task(client).catch((error: unknown) => this.expect(error)).finally(() => left.delete(client));
    this.#within(() => `${late} for ${[...left].map(({ process }) => process.name).join(', ')}`, () => left.size === 0);
  }

  #within(late: () => string, done: () => boolean): void {
    if (!this.#until(done, DRAIN_MS)) this.#fail(8, `${late()} within ${DRAIN_MS} ms after the last fault`);
  }

  /** Loss is never silent, and never reported where there is none. */
  #checkLosses(): void {
    for (const { process, acknowledged, losses, isUsable } of this.#clients) {
      // By lane; a write that was sent again and one that took its place have a position together.
      const lost = new Map<number, Set<string>>();
      for (const { position, key, synced } of acknowledged) {
        const fate = this.oracle.fateOf(position, key);
        if (fate === 'pending') this.#fail(1, `the acknowledged write of ${key} at ${position.epoch}/${position.seq} is neither stored nor lost`);
        if (fate !== 'lost') continue;
        if (synced && !this.mayLoseSynced) this.#fail(1, `the write of ${key} at ${position.epoch}/${position.seq} was acknowledged as fsynced, and is lost`);
        lost.set(position.lane, (lost.get(position.lane) ?? new Set()).add(`${position.epoch}/${position.seq}`));
      }
      for (const [lane, { size: count }] of lost) {
        const told = losses.get(lane);
        if (isUsable && told === undefined) this.#fail(1, `${process.name} was never told that its writes on lane ${lane} are lost`);
        // A client that slept through more than is remembered is told of a loss of unknown extent.
        if (isUsable && told !== 0 && (told as number) < count) this.#fail(1, `${process.name} was told that ${told} of its writes on lane ${lane} are lost; it lost ${count}`);
      }
      for (const lane of losses.keys()) if (!this.mayLose || !this.oracle.lossy.has(lane)) this.#fail(1, `${process.name} was told of a loss on lane ${lane} that was none`);
    }
  }

  #fail(invariant: number, message: string): never {
    throw this.#found ?? new Violation(invariant, message);
  }

  get #found(): Error | undefined {
    return this.oracle.violation ?? this.#violation;
  }

  #until(done: () => boolean, limitMs: number): boolean {
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

/** Runs one schedule, between two tasks of the event loop: that is where promise callbacks can be run to their end. */
export function simulate(seed: number, linesMax = 0): Promise<Report> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      const world = new World(seed, linesMax);
      try {
        resolve(world.run());
      } catch (error) {
        reject(new Broken(error as Error, world.journal.lines));
      }
    });
  });
}
