import { laneOf } from '../../src/core/lane-of.ts';
import { type Cache, createCache, type Receipt, type WriteOptions } from '../../src/index.ts';
import { type Ack, BaseClient } from './base-client.ts';
import { DirectWrites } from './direct-writes.ts';
import type { Pos } from './oracle/executed.ts';
import type { ReceiptJudge } from './oracle/receipt-judge.ts';
import { redriveOne } from './redrive.ts';
import type { SimConnection } from './sim-front.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimSession } from './sim-session.ts';
import { RETRY_MS_MAX, type Surroundings, WAITERS_MAX } from './surroundings.ts';
import type { Theme } from './theme.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

/** Between two dead letters that a process has tried again. */
const REDRIVE_MS_MAX = 150;

const jsonOf = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));

type ThemedSurroundings = Surroundings & { readonly theme: Theme };

/** A process with a cache of documents. */
export class Client extends BaseClient<ThemedSurroundings, Cache<unknown>> {
  readonly #writes: DirectWrites;
  /** What its loaders have made: whoever joins one is given it, written or not. */
  readonly #loaded = new Set<string>();

  constructor(
    world: ThemedSurroundings,
    process: SimProcess,
    connection: SimConnection,
    session: SimSession,
    flushes: boolean,
  ) {
    const { prng, setup } = world;
    super(
      world,
      process,
      connection,
      createCache<unknown>({
        name: 'sim',
        policy: setup.policy,
        front: connection,
        store: session,
        lanes: setup.lanes,
        ...(setup.ttlMs === undefined ? {} : { ttl: setup.ttlMs }),
        ...(setup.ttlMs !== undefined && prng.chance(0.3) ? { refreshAhead: 0.5 } : {}),
        ...(setup.policy === 'write-behind'
          ? {
              ack: prng.chance(0.2) ? 'fsynced' : 'buffered',
              flush: flushes
                ? {
                    maxDelay: prng.pick([5, 50, 300]),
                    batchSize: prng.between(1, 5),
                    concurrency: prng.between(1, 2),
                    lease: '400ms',
                  }
                : false,
              backpressure: { maxEntries: setup.maxEntries, onFull: setup.onFull, maxWaiters: WAITERS_MAX },
            }
          : {}),
        retry: { attempts: setup.attempts, minDelay: 5, maxDelay: RETRY_MS_MAX },
        clock: process.clock,
        random: { fraction: () => prng.fraction(), token: () => world.token() },
      }),
    );
    this.#writes = new DirectWrites(world, connection);
    if (world.redrives === true) void this.#operate();
  }

  protected get restMsMax(): number {
    return this.world.theme.pauseMsMax;
  }

  protected get judge(): ReceiptJudge {
    return this.world.oracle.receipts;
  }

  override kill(): void {
    this.#writes.kill();
    super.kill();
  }

  protected next(): [string, () => Promise<unknown>] {
    const key = this.world.prng.pick(KEYS);
    const [name, operation] = this.#choose(key);
    return [`${name} ${key}`, operation];
  }

  /** Somebody has seen to what the store refused, again and again. */
  async #operate(): Promise<void> {
    const { prng, journal, oracle } = this.world;
    for (;;) {
      await this.rest(prng.between(0, REDRIVE_MS_MAX));
      if (this.world.ending || this.closed) return;
      const ended = this.begin('redrive');
      try {
        const redriven = await redriveOne(this.cache.deadLetters, prng, journal);
        if (redriven !== undefined && redriven.outcome !== 'scheduled')
          oracle.checkRedriven(this.process.name, redriven.letter, redriven.outcome);
      } catch (error) {
        this.world.expect(error);
      }
      ended();
    }
  }

  #choose(key: string): [string, () => Promise<unknown>] {
    const { prng } = this.world;
    const choice = prng.fraction();
    if (choice < 0.4) return ['set', () => this.#write([[key, this.world.value()]])];
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
    return KEYS.filter(() => this.world.prng.chance(0.4));
  }

  /** Several writes of one key at the same time, the last as given. */
  async #write([[key, value]]: [[string, unknown]]): Promise<void> {
    const { prng } = this.world;
    const options = this.#options();
    const burst = prng.chance(0.2) ? prng.between(2, 4) : 1;
    const values = Array.from({ length: burst }, (_, i) => (i === burst - 1 ? value : this.world.value()));
    const writes = this.#writes.track(key, jsonOf(values.at(-1)), () =>
      values.map((each) => this.#ask(key, each, options)),
    );
    const [last] = (await writes).slice(-1);
    if (last === undefined) return;
    if (!this.#policyIsDirect && options.ack !== 'stored')
      this.world.oracle.receipts.checkLast(
        this.process.name,
        last as unknown as Pos,
        key,
        values.slice(0, -1).map(jsonOf),
      );
    await this.#acknowledge(key, last, options.ack);
  }

  async #writeMany(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const options = this.#options();
    const deletes = this.world.prng.chance(0.3);
    const values = new Map(keys.map((key) => [key, deletes ? undefined : this.world.value()]));
    if (!this.#policyIsDirect)
      for (const [key, value] of values) this.world.oracle.asked(this.process.name, key, jsonOf(value));
    const receipts = this.#policyIsDirect
      ? await Promise.all(
          keys.map(
            async (key) =>
              (
                await this.#writes.track(key, jsonOf(values.get(key)), () => [this.#ask(key, values.get(key), options)])
              )[0],
          ),
        )
      : await (deletes ? this.cache.deleteMany(keys, options) : this.cache.setMany([...values], options));
    for (const [i, key] of keys.entries()) await this.#acknowledge(key, receipts[i] as Receipt, options.ack);
  }

  /** One write; undefined deletes. */
  #ask(key: string, value: unknown, options: WriteOptions): Promise<Receipt> {
    this.world.oracle.asked(this.process.name, key, jsonOf(value));
    return value === undefined ? this.cache.delete(key, options) : this.cache.set(key, value, options);
  }

  get #policyIsDirect(): boolean {
    return this.world.setup.policy !== 'write-behind';
  }

  #options(): WriteOptions & { readonly ack?: Ack } {
    const ttl = this.world.prng.chance(0.2) ? { ttl: this.world.prng.between(1, 300) } : {};
    return this.#policyIsDirect ? ttl : { ...ttl, ack: this.pickAck() };
  }

  /** Without a level, of a direct policy: then it was stored before. */
  #acknowledge(key: string, receipt: Receipt, ack: Ack | undefined): Promise<void> {
    return ack === undefined ? Promise.resolve() : this.keep(key, receipt, ack);
  }

  async read(key: string): Promise<void> {
    const fromStep = this.world.scheduler.steps;
    const value = await this.cache.get(key);
    this.world.oracle.reads.checkRead(this.process.name, key, jsonOf(value), fromStep);
  }

  async #has(key: string): Promise<void> {
    const fromStep = this.world.scheduler.steps;
    this.world.oracle.reads.checkHas(this.process.name, key, await this.cache.has(key), fromStep);
  }

  async #readMany(): Promise<void> {
    const fromStep = this.world.scheduler.steps;
    const values = await this.cache.getMany(KEYS);
    for (const key of KEYS)
      this.world.oracle.reads.checkRead(this.process.name, key, jsonOf(values.get(key)), fromStep);
  }

  async #getOrLoad(key: string): Promise<void> {
    const fromStep = this.world.scheduler.steps;
    const made = this.world.value();
    const loads = { count: 0 };
    const load = (): unknown => {
      loads.count++;
      this.#loaded.add(JSON.stringify(made));
      return made;
    };
    const [value] = await this.#writes.track(
      key,
      jsonOf(made),
      () => [this.cache.getOrLoad(key, load)],
      () => loads.count > 0,
    );
    // What somebody else's call has loaded meanwhile is as good.
    if (loads.count === 0 && !this.#loaded.has(JSON.stringify(value)))
      this.world.oracle.reads.checkRead(this.process.name, key, jsonOf(value), fromStep);
  }

  /** When nothing changes any more, what is read is what is stored. */
  async readSettled(): Promise<void> {
    for (const key of KEYS) {
      const { reads } = this.world.oracle;
      const before = reads.settled(key);
      const value = await this.cache.get(key).catch((error: unknown) => this.world.expect(error));
      reads.checkSettled(key, jsonOf(value), before);
    }
  }

  /** Writes a key of each lane once more. */
  async touchLanes(): Promise<void> {
    const { prng, setup } = this.world;
    const lanes = Array.from({ length: setup.lanes }, (_, lane) =>
      KEYS.filter((key) => laneOf(key, setup.lanes) === lane),
    );
    for (const key of lanes.map((keys) => prng.pick(keys)))
      await this.cache.set(key, { n: 'last' }).catch((error: unknown) => this.world.expect(error));
  }

  async readAll(): Promise<void> {
    await Promise.all(KEYS.map((key) => this.read(key).catch((error: unknown) => this.world.expect(error))));
  }
}
