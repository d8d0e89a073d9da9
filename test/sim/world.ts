import { createCache, isMillraceError, type Cache } from '../../src/index.ts';
import { Oracle, Violation, type Pos } from './oracle.ts';
import { Prng } from './prng.ts';
import type { Report } from './report.ts';
import { Scheduler } from './scheduler.ts';
import { SimConnection, SimServer, STEPS, type Steps } from './sim-front.ts';
import { SimProcess } from './sim-process.ts';
import { judge, SimDatabase, SimSession } from './sim-store.ts';

const LANES = 2;
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
/** How long the workload and its faults last, and how long draining may take after them, in simulated ms. */
const WORK_MS = 2_500;
const DRAIN_MS = 600_000;
const FAULTS_MIN = 5;
const FAULTS_MAX = 12;

/** What a mutant changes. */
export interface Mutation {
  readonly steps?: Partial<Steps>;
  readonly judge?: typeof judge;
}

interface Client {
  readonly process: SimProcess;
  readonly connection: SimConnection;
  readonly cache: Cache<unknown>;
  /** Loss that it was told of, by lane. */
  readonly losses: Map<number, number>;
  /** Writes that were acknowledged to it. */
  /** Operations under way: what each is, and since when. */
  readonly busy: Set<string>;
  readonly acknowledged: { readonly position: Pos; readonly key: string; readonly synced: boolean }[];
}

/** One schedule: several processes on one front and one store, faults at moments that the seed decides. */
export class World {
  readonly #prng: Prng;
  readonly #scheduler: Scheduler;
  readonly #oracle = new Oracle(LANES);
  readonly #server: SimServer;
  readonly #database: SimDatabase;
  readonly #clients: Client[] = [];
  readonly #faults: { readonly atMs: number; readonly name: string }[] = [];
  #violation: Error | undefined;
  #values = 0;
  #operations = 0;
  #names = 0;
  #ending = false;
  #mayLose = false;
  #emptied = false;

  constructor(seed: number, mutation: Mutation = {}) {
    this.#prng = new Prng(seed);
    this.#scheduler = new Scheduler(this.#prng);
    this.#server = new SimServer(LANES, this.#scheduler, this.#prng, this.#oracle, { ...STEPS, ...mutation.steps });
    this.#database = new SimDatabase(LANES, this.#scheduler, this.#prng, this.#oracle, mutation.judge ?? judge);
  }

  /** Runs the schedule; throws a Violation when a promise was broken. */
  run(): Report {
    const processes = this.#prng.between(2, 3);
    for (let i = 0; i < processes; i++) this.#spawn(i === 0 || undefined);
    const faults = this.#prng.between(FAULTS_MIN, FAULTS_MAX);
    for (let i = 0; i < faults; i++) this.#scheduler.after(this.#prng.between(0, WORK_MS), () => this.#fault());
    this.#until(() => false, WORK_MS);
    this.#ending = true;
    this.#heal();
    this.#drain();
    const { commits, losses } = this.#oracle;
    const counts: Record<string, number> = { steps: this.#scheduler.steps, operations: this.#operations, commits, losses };
    for (const { name } of this.#faults) counts[`fault: ${name}`] = (counts[`fault: ${name}`] ?? 0) + 1;
    return { schedules: 1, counts };
  }

  // Processes.

  /** A new process; `flushes` decides for sure that it works on the lanes. */
  #spawn(flushes = this.#prng.chance(0.8)): void {
    const process = new SimProcess(`process ${++this.#names}`, this.#scheduler);
    const connection = new SimConnection(this.#server, process);
    const cache = createCache<unknown>({
      name: 'sim',
      front: connection,
      store: new SimSession(this.#database, process),
      lanes: LANES,
      ttl: this.#prng.pick([20, 200, 2_000]),
      ack: 'buffered',
      flush: flushes ? { maxDelay: this.#prng.pick([5, 50, 300]), batchSize: this.#prng.between(1, 5), concurrency: this.#prng.between(1, 2), lease: '400ms' } : false,
      retry: { minDelay: 5, maxDelay: 200 },
      clock: process.clock,
      random: { fraction: () => this.#prng.fraction(), token: () => `t${this.#prng.between(0, 2 ** 31)}-${this.#values++}` },
    });
    const client: Client = { process, connection, cache, losses: new Map(), acknowledged: [], busy: new Set() };
    cache.on('loss', ({ lane, count }) => void client.losses.set(lane, (client.losses.get(lane) ?? 0) + count));
    cache.on('error', ({ error }) => this.#catch(error));
    this.#clients.push(client);
    for (let i = 0; i < 3; i++) void this.#work(client);
  }

  async #work(client: Client): Promise<void> {
    const { process } = client;
    while (!this.#ending && process.alive) {
      await new Promise<void>((resolve) => process.clock.after(this.#prng.between(0, this.#prng.chance(0.1) ? 400 : 40), resolve));
      if (this.#ending || this.#found !== undefined) return;
      this.#operations++;
      const key = this.#prng.pick(KEYS);
      const choice = this.#prng.fraction();
      const doing = `${choice < 0.55 ? 'write' : choice < 0.9 ? 'get' : 'other'} ${key} since ${Math.round(this.#scheduler.nowMs)} ms`;
      client.busy.add(doing);
      try {
        await this.#operate(client, key, choice);
      } catch (error) {
        this.#catch(error);
      }
      client.busy.delete(doing);
    }
  }

  async #operate(client: Client, key: string, choice: number): Promise<void> {
    const { cache, process } = client;
    if (choice < 0.45) await this.#write(client, key, () => this.#value());
    else if (choice < 0.55) await this.#write(client, key, () => undefined);
    else if (choice < 0.9) {
      const fromMs = this.#scheduler.nowMs;
      const value = await cache.get(key);
      this.#oracle.checkRead(process.name, key, value === undefined ? undefined : JSON.stringify(value), fromMs, this.#scheduler.nowMs);
    } else if (choice < 0.95) {
      const fromMs = this.#scheduler.nowMs;
      const values = await cache.getMany(KEYS);
      for (const wanted of KEYS) {
        const value = values.get(wanted);
        this.#oracle.checkRead(process.name, wanted, value === undefined ? undefined : JSON.stringify(value), fromMs, this.#scheduler.nowMs);
      }
    } else if (choice < 0.97) await cache.flush();
    else await cache.inspect(key);
  }

  async #write(client: Client, key: string, make: () => unknown): Promise<void> {
    const { cache, process } = client;
    const value = make();
    const ack = this.#prng.pick(['buffered', 'buffered', 'buffered', 'fsynced', 'stored'] as const);
    const options = { ack: ack === 'stored' ? ('buffered' as const) : ack, ...(this.#prng.chance(0.2) ? { ttl: this.#prng.between(1, 300) } : {}) };
    const burst = this.#prng.chance(0.2) ? this.#prng.between(2, 4) : 1;
    const writes = Array.from({ length: burst }, (_, i) => (value === undefined && i === burst - 1 ? cache.delete(key, options) : cache.set(key, i === burst - 1 ? value : this.#value(), options)));
    const settled = await Promise.allSettled(writes);
    const last = settled.at(-1) as (typeof settled)[number];
    if (last.status === 'rejected') throw last.reason;
    const receipt = last.value;
    const position = receipt as unknown as Pos;
    this.#oracle.checkAcknowledged(process.name, position, key);
    client.acknowledged.push({ position, key, synced: ack === 'fsynced' });
    if (ack !== 'stored') return;
    try {
      await receipt.stored();
      this.#oracle.checkStored(process.name, position, key);
    } catch (error) {
      if (isMillraceError(error) && error.code === 'MILLRACE_LOST') this.#oracle.checkLost(process.name, position, key);
      else throw error;
    }
  }

  #value(): unknown {
    return { n: ++this.#values, ...(this.#prng.chance(0.02) ? { poison: true } : {}) };
  }

  /** Errors that a client has to expect are part of life; anything else is a finding. */
  #catch(error: unknown): void {
    if (isMillraceError(error) && ['MILLRACE_FRONT_UNAVAILABLE', 'MILLRACE_STORE_UNAVAILABLE', 'MILLRACE_REJECTED', 'MILLRACE_LOST', 'MILLRACE_CLOSED'].includes(error.code)) return;
    this.#violation ??= error as Error;
  }

  // Faults.

  #fault(): void {
    const living = this.#clients.filter(({ process }) => process.alive);
    if (living.length === 0) return;
    const client = this.#prng.pick(living);
    const ms = this.#prng.between(20, 1_500);
    const faults: Record<string, () => void> = {
      kill: () => {
        client.process.kill();
        client.connection.cut();
        this.#scheduler.after(this.#prng.between(0, 500), () => (this.#ending ? undefined : this.#spawn()));
      },
      suspend: () => {
        client.process.freeze();
        this.#scheduler.after(ms, () => client.process.thaw());
      },
      'cut connection': () => client.connection.cut(),
      'restart front': () => this.#server.restart(false),
      'restart front without its tail': () => {
        this.#mayLose = true;
        this.#server.restart(true);
      },
      FLUSHALL: () => {
        this.#mayLose = true;
        this.#emptied = true;
        this.#server.flushAll();
      },
      'store down': () => {
        this.#database.down = true;
        this.#scheduler.after(ms, () => void (this.#database.down = false));
      },
      'store slow': () => {
        this.#database.slowMs = this.#prng.between(20, 600);
        this.#scheduler.after(ms, () => void (this.#database.slowMs = 0));
      },
      deadlocks: () => void (this.#database.deadlocks += this.#prng.between(1, 3)),
      'silent commits': () => void (this.#database.silentCommits += this.#prng.between(1, 3)),
      'clock jump': () => client.process.jumpClock(this.#prng.between(-100_000, 100_000)),
    };
    const name = this.#prng.pick(Object.keys(faults));
    this.#faults.push({ atMs: Math.round(this.#scheduler.nowMs), name });
    faults[name]?.();
  }

  /** Faults stop: what is suspended goes on, what is down comes back, somebody flushes. */
  #heal(): void {
    this.#database.down = false;
    this.#database.slowMs = 0;
    this.#database.deadlocks = 0;
    this.#database.silentCommits = 0;
    for (const { process } of this.#clients) process.thaw();
    this.#spawn(true);
    this.#clients.at(-1)?.cache.ready().catch((error: unknown) => this.#catch(error));
  }

  #drain(): void {
    const client = this.#clients.at(-1) as Client;
    const living = this.#clients.filter(({ process }) => process.alive);
    if (!(this.#until(() => living.every(({ busy }) => busy.size === 0), DRAIN_MS))) throw new Violation(`an operation did not end within ${DRAIN_MS} ms after the last fault`);
    // Everybody flushes, and learns on the way what it had been acknowledged and is lost.
    const flushing = { left: living.length };
    for (const each of living) void this.#flushAtLast(each).then(() => void flushing.left--);
    if (!(this.#until(() => flushing.left === 0, DRAIN_MS))) throw new Violation(`the lanes were not drained within ${DRAIN_MS} ms after the last fault`);
    this.#oracle.checkDrained(this.#server.tables, this.#database.rows);
    this.#checkLosses();
    const reads = { left: KEYS.length };
    for (const key of KEYS) void this.#readBack(client, key).finally(() => void reads.left--);
    if (!(this.#until(() => reads.left === 0, DRAIN_MS))) throw new Violation('a read never returned');
    if (this.#found !== undefined) throw this.#found;
  }

  async #flushAtLast({ cache, process }: Client): Promise<void> {
    for (;;) {
      try {
        await cache.flush();
        return;
      } catch (error) {
        this.#catch(error);
        await new Promise<void>((resolve) => process.clock.after(50, resolve));
      }
    }
  }

  async #readBack(client: Client, key: string): Promise<void> {
    try {
      const fromMs = this.#scheduler.nowMs;
      const value = await client.cache.get(key);
      this.#oracle.checkRead('the last reader', key, value === undefined ? undefined : JSON.stringify(value), fromMs, this.#scheduler.nowMs);
    } catch (error) {
      this.#catch(error);
    }
  }

  /** Loss is never silent, and never reported where there is none. */
  #checkLosses(): void {
    for (const { process, acknowledged, losses } of this.#clients) {
      for (const { position, key, synced } of acknowledged) {
        const fate = this.#oracle.fateOf(position, key);
        if (fate === 'pending') throw new Violation(`the acknowledged write of ${key} at ${position.epoch}/${position.seq} is neither stored nor lost`);
        if (fate !== 'lost') continue;
        if (synced && !this.#emptied) throw new Violation(`the write of ${key} at ${position.epoch}/${position.seq} was acknowledged as fsynced, and is lost`);
        if (process.alive && !losses.has(position.lane)) throw new Violation(`${process.name} was never told that its write of ${key} on lane ${position.lane} is lost`);
      }
      if (!this.#mayLose && losses.size > 0) throw new Violation(`${process.name} was told of a loss that was none`);
    }
  }

  /** What a failure is looked into with. */
  debug(): unknown {
    return {
      nowMs: this.#scheduler.nowMs,
      faults: this.#faults,
      headers: this.#server.tables.map(({ header, pending, flight }) => ({ ...header, epochs: undefined, pending: [...pending], marks: [...flight] })),
      runId: this.#server.runId,
      fences: this.#database.fences,
      tenures: Object.fromEntries(KEYS.map((key) => [key, this.#oracle.tenuresOf(key)])),
      rows: Object.fromEntries(this.#database.rows),
      clients: this.#clients.map(({ process: { name, alive }, losses, busy }) => ({ name, alive, losses, busy })),
    };
  }

  get #found(): Error | undefined {
    return this.#oracle.violation ?? this.#violation;
  }

  #until(done: () => boolean, limitMs: number): boolean {
    const reached = this.#scheduler.until(() => this.#found !== undefined || done(), limitMs);
    if (this.#found !== undefined) throw this.#found;
    return reached;
  }
}

/** Runs one schedule, between two tasks of the event loop: that is where promise callbacks can be run to their end. */
export function simulate(seed: number, mutation?: Mutation): Promise<Report> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(new World(seed, mutation).run());
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}
