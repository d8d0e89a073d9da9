import { laneOf } from '../../src/core/lane-of.ts';
import { createCache, isMillraceError, type Cache, type Receipt, type WriteOptions } from '../../src/index.ts';
import { DirectWrites } from './direct-writes.ts';
import type { Pos } from './oracle/executed.ts';
import { redriveOne } from './redrive.ts';
import type { SimConnection } from './sim-front.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimSession } from './sim-session.ts';
import { RETRY_MS_MAX, WAITERS_MAX, type Surroundings } from './surroundings.ts';
import type { Theme } from './theme.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

/** Between two dead letters that a process has tried again. */
const REDRIVE_MS_MAX = 150;

interface Acknowledged {
  readonly position: Pos;
  readonly key: string;
  readonly synced: boolean;
  readonly receipt: Receipt;
}

const jsonOf = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));

type ThemedSurroundings = Surroundings & { readonly theme: Theme };

/** One process of the simulated world, with a cache and those who use it. */
export class Client {
  readonly #world: ThemedSurroundings;
  readonly process: SimProcess;
  readonly connection: SimConnection;
  readonly cache: Cache<unknown>;
  /** Loss that it was told of, by lane. */
  readonly losses = new Map<number, number>();
  /** Operations under way: what each is, and since when. */
  readonly busy = new Set<string>();
  /** Writes that were acknowledged to it. */
  readonly acknowledged: Acknowledged[] = [];
  readonly #writes: DirectWrites;
  /** What its loaders have made: whoever joins one is given it, written or not. */
  readonly #loaded = new Set<string>();
  closed = false;
  /** Until it is closed, what was asked of it may still happen, also when one of many has failed and the operation with it. */
  isClosing = false;

  constructor(world: ThemedSurroundings, process: SimProcess, connection: SimConnection, session: SimSession, flushes: boolean) {
    const { prng, setup } = world;
    this.#world = world;
    this.process = process;
    this.connection = connection;
    this.#writes = new DirectWrites(world, connection);
    const writeBehind = setup.policy === 'write-behind';
    this.cache = createCache<unknown>({
      name: 'sim',
      policy: setup.policy,
      front: connection,
      store: session,
      lanes: setup.lanes,
      ...(setup.ttlMs === undefined ? {} : { ttl: setup.ttlMs }),
      ...(setup.ttlMs !== undefined && prng.chance(0.3) ? { refreshAhead: 0.5 } : {}),
      ...(writeBehind
        ? {
            ack: prng.chance(0.2) ? 'fsynced' : 'buffered',
            flush: flushes ? { maxDelay: prng.pick([5, 50, 300]), batchSize: prng.between(1, 5), concurrency: prng.between(1, 2), lease: '400ms' } : false,
            backpressure: { maxEntries: setup.maxEntries, onFull: setup.onFull, maxWaiters: WAITERS_MAX },
          }
        : {}),
      retry: { attempts: setup.attempts, minDelay: 5, maxDelay: RETRY_MS_MAX },
      clock: process.clock,
      random: { fraction: () => prng.fraction(), token: () => world.token() },
    });
    this.cache.on('loss', ({ lane, count }) => {
      world.journal.note(() => `${process.name} is told of the loss of ${count} on lane ${lane}`);
      this.losses.set(lane, (this.losses.get(lane) ?? 0) + count);
    });
    this.cache.on('error', ({ error }) => world.expect(error));
    this.cache.on('stopped', ({ error }) => world.expect(error));
    for (let i = 0; i < setup.workers; i++) void this.#work();
    if (world.redrives === true) void this.#operate();
  }

  get isUsable(): boolean {
    return this.process.alive && !this.closed;
  }

  /** Its process ends without a word. */
  kill(): void {
    this.#writes.kill();
    this.process.kill();
    this.connection.cut();
  }

  async close(timeoutMs: number): Promise<void> {
    this.closed = true;
    this.isClosing = true;
    await this.cache.close({ timeout: timeoutMs });
    this.isClosing = false;
  }

  async #work(): Promise<void> {
    const { prng, scheduler } = this.#world;
    for (;;) {
      await new Promise<void>((resolve) => this.process.clock.after(prng.between(0, prng.chance(0.1) ? 400 : this.#world.theme.pauseMsMax), resolve));
      if (this.#world.ending || this.closed) return;
      this.#world.journal.count('operations');
      const key = prng.pick(KEYS);
      const [name, operation] = this.#choose(key);
      const doing = `${name} ${key} since ${Math.round(scheduler.nowMs)} ms`;
      this.#world.journal.note(() => `${this.process.name} ${name} ${key}`);
      this.busy.add(doing);
      try {
        await operation();
      } catch (error) {
        this.#world.expect(error);
      }
      this.busy.delete(doing);
    }
  }

  /** Somebody has seen to what the store refused, again and again. */
  async #operate(): Promise<void> {
    const { prng } = this.#world;
    for (;;) {
      await new Promise<void>((resolve) => this.process.clock.after(prng.between(0, REDRIVE_MS_MAX), resolve));
      if (this.#world.ending || this.closed) return;
      const doing = `redrive since ${Math.round(this.#world.scheduler.nowMs)} ms`;
      this.busy.add(doing);
      try {
        const redriven = await redriveOne(this.cache.deadLetters, prng, this.#world.journal);
        if (redriven !== undefined && redriven.outcome !== 'scheduled') this.#world.oracle.checkRedriven(this.process.name, redriven.letter, redriven.outcome);
      } catch (error) {
        this.#world.expect(error);
      }
      this.busy.delete(doing);
    }
  }

  #choose(key: string): [string, () => Promise<unknown>] {
    const { prng } = this.#world;
    const choice = prng.fraction();
    if (choice < 0.4) return ['set', () => this.#write([[key, this.#world.value()]])];
    if (choice < 0.5) return ['delete', () => this.#write([[key, undefined]])];
    if (choice < 0.55) return ['setMany', () => this.#writeMany(this.#some())];
    if (choice < 0.82) return ['get', () => this.read(key)];
    if (choice < 0.85) return ['has', () => this.#has(key)];
    if (choice < 0.9) return ['getMany', () => this.#readMany()];
    if (choice < 0.94) return ['getOrLoad', () => this.#getOrLoad(key)];
    if (choice < 0.97) return ['flush', () => this.cache.flush()];
    return ['inspect', () => this.cache.inspect(key)];
  }

  #some(): string[] {
    return KEYS.filter(() => this.#world.prng.chance(0.4));
  }

  /** Several writes of one key at the same time, the last as given. */
  async #write([[key, value]]: [[string, unknown]]): Promise<void> {
    const { prng } = this.#world;
    const options = this.#options();
    const burst = prng.chance(0.2) ? prng.between(2, 4) : 1;
    const values = Array.from({ length: burst }, (_, i) => (i === burst - 1 ? value : this.#world.value()));
    const writes = this.#writes.track(key, jsonOf(values.at(-1)), () => values.map((each) => this.#ask(key, each, options)));
    const [last] = (await writes).slice(-1);
    if (last === undefined) return;
    if (!this.#policyIsDirect && options.ack !== 'stored') this.#world.oracle.receipts.checkLast(this.process.name, last as unknown as Pos, key, values.slice(0, -1).map(jsonOf));
    await this.#acknowledge(key, last, options.ack);
  }

  async #writeMany(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const options = this.#options();
    const deletes = this.#world.prng.chance(0.3);
    const values = new Map(keys.map((key) => [key, deletes ? undefined : this.#world.value()]));
    if (!this.#policyIsDirect) for (const [key, value] of values) this.#world.oracle.asked(this.process.name, key, jsonOf(value));
    const receipts = this.#policyIsDirect
      ? await Promise.all(keys.map(async (key) => (await this.#writes.track(key, jsonOf(values.get(key)), () => [this.#ask(key, values.get(key), options)]))[0]))
      : await (deletes ? this.cache.deleteMany(keys, options) : this.cache.setMany([...values], options));
    for (const [i, key] of keys.entries()) await this.#acknowledge(key, receipts[i] as Receipt, options.ack);
  }

  /** One write; undefined deletes. */
  #ask(key: string, value: unknown, options: WriteOptions): Promise<Receipt> {
    this.#world.oracle.asked(this.process.name, key, jsonOf(value));
    return value === undefined ? this.cache.delete(key, options) : this.cache.set(key, value, options);
  }

  get #policyIsDirect(): boolean {
    return this.#world.setup.policy !== 'write-behind';
  }

  #options(): WriteOptions {
    const { prng, setup } = this.#world;
    const ttl = prng.chance(0.2) ? { ttl: prng.between(1, 300) } : {};
    if (setup.policy !== 'write-behind') return ttl;
    return { ...ttl, ack: prng.pick(['buffered', 'buffered', 'buffered', 'fsynced', 'stored']) };
  }

  async #acknowledge(key: string, receipt: Receipt, ack: WriteOptions['ack']): Promise<void> {
    const { oracle, journal } = this.#world;
    if (this.#policyIsDirect) return;
    journal.count(`acknowledged: ${ack}`);
    // `stored` is tried with a receipt, whose position tells what it is about.
    const position = receipt as unknown as Pos;
    if (ack === 'stored') return;
    oracle.receipts.checkAcknowledged(this.process.name, position, key);
    this.acknowledged.push({ position, key, synced: ack === 'fsynced', receipt });
    if (this.#world.prng.chance(0.2)) await this.#stored(position, key, receipt);
  }

  /** Waits for a receipt, and checks what it says. */
  async #stored(position: Pos, key: string, receipt: Receipt): Promise<void> {
    const { oracle, journal } = this.#world;
    try {
      await receipt.stored();
      journal.count('receipt: stored');
      oracle.receipts.checkStored(this.process.name, position, key);
    } catch (error) {
      const code = isMillraceError(error) ? error.code : '';
      journal.count(`receipt: ${code}`);
      if (code === 'MILLRACE_LOST') oracle.receipts.checkLost(this.process.name, position, key);
      else if (code === 'MILLRACE_REJECTED') oracle.receipts.checkRefused(this.process.name, position, key);
      else throw error;
    }
  }

  /** When all is over: asks for the fate of writes that nobody has asked for. */
  async askLate(count: number): Promise<void> {
    for (const { position, key, receipt } of this.acknowledged.slice(-count)) {
      await this.#stored(position, key, receipt).catch((error: unknown) => this.#world.expect(error));
    }
  }

  async read(key: string): Promise<void> {
    const fromStep = this.#world.scheduler.steps;
    const value = await this.cache.get(key);
    this.#world.oracle.reads.checkRead(this.process.name, key, jsonOf(value), fromStep);
  }

  async #has(key: string): Promise<void> {
    const fromStep = this.#world.scheduler.steps;
    this.#world.oracle.reads.checkHas(this.process.name, key, await this.cache.has(key), fromStep);
  }

  async #readMany(): Promise<void> {
    const fromStep = this.#world.scheduler.steps;
    const values = await this.cache.getMany(KEYS);
    for (const key of KEYS) this.#world.oracle.reads.checkRead(this.process.name, key, jsonOf(values.get(key)), fromStep);
  }

  async #getOrLoad(key: string): Promise<void> {
    const fromStep = this.#world.scheduler.steps;
    const made = this.#world.value();
    const loads = { count: 0 };
    const load = (): unknown => {
      loads.count++;
      this.#loaded.add(JSON.stringify(made));
      return made;
    };
    const [value] = await this.#writes.track(key, jsonOf(made), () => [this.cache.getOrLoad(key, load)], () => loads.count > 0);
    // What somebody else's call has loaded meanwhile is as good.
    if (loads.count === 0 && !this.#loaded.has(JSON.stringify(value))) this.#world.oracle.reads.checkRead(this.process.name, key, jsonOf(value), fromStep);
  }

  /** When nothing changes any more, what is read is what is stored. */
  async readSettled(): Promise<void> {
    for (const key of KEYS) {
      const { reads } = this.#world.oracle;
      const before = reads.settled(key);
      const value = await this.cache.get(key).catch((error: unknown) => this.#world.expect(error));
      reads.checkSettled(key, jsonOf(value), before);
    }
  }

  /** Writes a key of each lane once more. */
  async touchLanes(): Promise<void> {
    const { prng, setup } = this.#world;
    const lanes = Array.from({ length: setup.lanes }, (_, lane) => KEYS.filter((key) => laneOf(key, setup.lanes) === lane));
    for (const key of lanes.map((keys) => prng.pick(keys))) await this.cache.set(key, { n: 'last' }).catch((error: unknown) => this.#world.expect(error));
  }

  /** Everybody reads at the end, and flushes until nothing is left. */
  async readAll(): Promise<void> {
    await Promise.all(KEYS.map((key) => this.read(key).catch((error: unknown) => this.#world.expect(error))));
  }

  async drain(): Promise<void> {
    for (;;) {
      try {
        await this.cache.flush();
        return;
      } catch (error) {
        this.#world.expect(error);
        await new Promise<void>((resolve) => this.process.clock.after(50, resolve));
      }
    }
  }
}
