import { type Counters, createCounters, isMillraceError } from '../../../src/index.ts';
import type { Ack } from '../base-client.ts';
import type { SimConnection } from '../sim-front.ts';
import type { SimProcess } from '../sim-process.ts';
import type { CountersOracle } from './counters-oracle.ts';
import { type ShapeDatabase, ShapeSession } from './database.ts';
import { optionsOf, ShapeClient } from './shape-client.ts';
import type { ShapeSurroundings } from './surroundings.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e'];
/** So large that no two sums of a few are the same by chance. */
const BY_MAX = 1_000_000;

/** A process with counters. */
export class CountersClient extends ShapeClient<CountersOracle, Counters<bigint>> {
  /** Increments under way, and all that were when one of them was. */
  readonly #under = new Set<{ readonly key: string; readonly by: bigint; readonly others: bigint[] }>();

  constructor(
    world: ShapeSurroundings<CountersOracle>,
    process: SimProcess,
    connection: SimConnection,
    database: ShapeDatabase,
    flushes: boolean,
  ) {
    const { ttlMs } = world.setup;
    super(
      world,
      process,
      connection,
      createCounters({
        ...optionsOf(world, process, flushes),
        front: connection,
        store: new ShapeSession(world, database, process, 'counters'),
        bigint: true,
        ...(ttlMs !== undefined && { ttl: ttlMs }),
      }),
    );
  }

  protected choose(): [string, () => Promise<unknown>] {
    const { prng } = this.world;
    const key = prng.pick(KEYS);
    const choice = prng.fraction();
    if (choice < 0.4) return [`add ${key}`, () => this.#burst(key, false)];
    if (choice < 0.6) return [`increment ${key}`, () => this.#burst(key, true)];
    if (choice < 0.85) return [`get ${key}`, () => this.#get(key)];
    if (choice < 0.92) return ['getMany', () => this.read()];
    if (choice < 0.97) return ['flush', () => this.cache.flush()];
    return [`inspect ${key}`, () => this.cache.inspect(key)];
  }

  /** One increment, or several at the same time. */
  async #burst(key: string, isWanted: boolean): Promise<void> {
    const { prng } = this.world;
    const ack = this.pickAck();
    const count = prng.chance(0.3) ? prng.between(2, 4) : 1;
    const done = await Promise.allSettled(
      Array.from({ length: count }, () => this.#increment(key, BigInt(prng.between(1, BY_MAX)), isWanted, ack)),
    );
    for (const each of done) if (each.status === 'rejected') throw each.reason;
  }

  async #increment(key: string, by: bigint, isWanted: boolean, ack: Ack): Promise<void> {
    const { shapes: oracle, scheduler } = this.world;
    const { name } = this.process;
    const fromStep = scheduler.steps;
    const own = { key, by, others: [] as bigint[] };
    for (const other of this.#under) {
      if (other.key !== key) continue;
      own.others.push(other.by);
      other.others.push(by);
    }
    this.#under.add(own);
    try {
      if (isWanted) {
        const total = await this.cache.increment(key, by, { ack });
        // With `stored`, much can have happened since it was acknowledged.
        oracle.checkIncremented(name, key, total, fromStep, own.others);
      } else {
        const receipt = await this.cache.add(key, by, { ack });
        oracle.tally.acknowledged(name, key, by);
        this.#under.delete(own);
        await this.keep(key, receipt, ack);
        return;
      }
      oracle.tally.acknowledged(name, key, by);
    } catch (error) {
      if (this.#under.has(own) && !(isMillraceError(error) && error.code === 'MILLRACE_FULL'))
        oracle.tally.unknown(name, key, by);
      throw error;
    } finally {
      this.#under.delete(own);
    }
  }

  override kill(): void {
    for (const { key, by } of this.#under) this.world.shapes.tally.unknown(this.process.name, key, by);
    super.kill();
  }

  async #get(key: string): Promise<void> {
    const fromStep = this.world.scheduler.steps;
    this.world.shapes.checkTotal(this.process.name, key, await this.cache.get(key), fromStep);
  }

  protected async read(): Promise<void> {
    const fromStep = this.world.scheduler.steps;
    const totals = await this.cache.getMany(KEYS);
    for (const [key, total] of totals) this.world.shapes.checkTotal(this.process.name, key, total, fromStep);
  }

  async readSettled(): Promise<void> {
    this.world.shapes.tally.check();
    for (const key of KEYS) {
      const total = await this.cache.get(key).catch((error: unknown) => this.world.expect(error));
      if (total !== undefined) this.world.shapes.checkSettled(key, total as bigint);
    }
  }
}
