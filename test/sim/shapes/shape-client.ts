import { BaseClient, type SimCache } from '../base-client.ts';
import type { ReceiptJudge } from '../oracle/receipt-judge.ts';
import { redriveOne } from '../redrive.ts';
import type { SimProcess } from '../sim-process.ts';
import { WAITERS_MAX } from '../surroundings.ts';
import type { ShapeOracle } from './shape-oracle.ts';
import type { ShapeSurroundings } from './surroundings.ts';

const REST_MS_MAX = 40;
/** How many operations have a dead letter tried again. */
const REDRIVE_CHANCE = 0.05;

/** A process with counters, a log or a leaderboard. */
export abstract class ShapeClient<O extends ShapeOracle, C extends SimCache = SimCache> extends BaseClient<
  ShapeSurroundings<O>,
  C
> {
  protected abstract choose(): [name: string, operation: () => Promise<unknown>];
  protected abstract read(): Promise<void>;

  protected get restMsMax(): number {
    return REST_MS_MAX;
  }

  protected get judge(): ReceiptJudge {
    return this.world.shapes;
  }

  protected next(): [string, () => Promise<unknown>] {
    return this.world.prng.chance(REDRIVE_CHANCE) ? ['redrive', () => this.#redrive()] : this.choose();
  }

  /** Somebody has seen to what the store refused. */
  async #redrive(): Promise<void> {
    const { prng, shapes: oracle, journal } = this.world;
    const redriven = await redriveOne(this.cache.deadLetters, prng, journal);
    if (redriven?.outcome === 'redriven') oracle.checkRedriven(this.process.name, redriven.letter);
    if (redriven?.outcome === 'superseded') oracle.checkSuperseded(this.process.name, redriven.letter);
  }

  /** Does so much more; only reads with `readOnly`. */
  async stir(count: number, readOnly: boolean): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.rest(this.world.prng.between(0, REST_MS_MAX));
      await (readOnly ? this.read() : this.choose()[1]()).catch((error: unknown) => this.world.expect(error));
    }
  }

  async readAll(): Promise<void> {
    await this.read().catch((error: unknown) => this.world.expect(error));
  }

  /** As an operator, who tries again what failed. */
  acceptStoreRollback(): Promise<void> {
    return this.untilDone(() => this.cache.resume({ acceptStoreRollback: true }));
  }
}

/** Options that counters and logs share. */
export function optionsOf<O extends ShapeOracle>(world: ShapeSurroundings<O>, process: SimProcess, flushes: boolean) {
  const { setup, prng } = world;
  return {
    name: 'sim',
    lanes: setup.lanes,
    ack: prng.chance(0.2) ? 'fsynced' : 'buffered',
    flush: flushes
      ? {
          maxDelay: prng.pick([5, 50, 300]),
          batchSize: prng.between(1, 5),
          concurrency: prng.between(1, 2),
          lease: 400,
        }
      : false,
    backpressure: {
      maxEntries: setup.maxEntries,
      onFull: setup.onFull === 'reject' ? 'reject' : 'wait',
      maxWaiters: WAITERS_MAX,
    },
    retry: { attempts: setup.attempts, minDelay: 5, maxDelay: 200 },
    clock: process.clock,
    random: { fraction: () => prng.fraction(), token: () => world.token() },
  } as const;
}
