import { isMillraceError, type Receipt } from '../../../src/index.ts';
import type { Victim } from '../faults.ts';
import { redriveOne, type Letters } from '../redrive.ts';
import type { SimConnection } from '../sim-front.ts';
import type { SimProcess } from '../sim-process.ts';
import { WAITERS_MAX } from '../surroundings.ts';
import type { Pos } from '../oracle/executed.ts';
import type { ShapeOracle } from './shape-oracle.ts';
import type { ShapeSurroundings } from './surroundings.ts';

/** What `createCounters` and `createLog` have in common. */
interface ShapeCache {
  readonly deadLetters: Letters;
  ready(): Promise<void>;
  flush(): Promise<void>;
  resume(options: { readonly acceptStoreRollback: boolean }): Promise<void>;
  close(options: { readonly timeout: number }): Promise<unknown>;
  on(name: 'loss', listener: (event: { readonly lane: number; readonly count: number }) => void): unknown;
  on(name: 'error' | 'stopped', listener: (event: { readonly error: Error }) => void): unknown;
}

/** How many operations have a dead letter tried again. */
const REDRIVE_CHANCE = 0.05;

/** A write that was acknowledged. */
interface Acknowledged {
  readonly position: Pos;
  readonly key: string;
  readonly synced: boolean;
  readonly receipt: Receipt;
}

export type Ack = 'buffered' | 'fsynced' | 'stored';

/** One process of the simulated world, with counters or a log and those who use them. */
export abstract class ShapeClient<O extends ShapeOracle, C extends ShapeCache = ShapeCache> implements Victim {
  protected readonly world: ShapeSurroundings<O>;
  readonly process: SimProcess;
  readonly connection: SimConnection;
  readonly cache: C;
  readonly losses = new Map<number, number>();
  readonly busy = new Set<string>();
  readonly acknowledged: Acknowledged[] = [];
  closed = false;
  isClosing = false;

  protected constructor(world: ShapeSurroundings<O>, process: SimProcess, connection: SimConnection, cache: C) {
    this.world = world;
    this.process = process;
    this.connection = connection;
    this.cache = cache;
    cache.on('loss', ({ lane, count }) => {
      world.journal.note(() => `${process.name} is told of the loss of ${count} on lane ${lane}`);
      this.losses.set(lane, (this.losses.get(lane) ?? 0) + count);
    });
    cache.on('error', ({ error }) => world.expect(error));
    cache.on('stopped', ({ error }) => world.expect(error));
    for (let i = 0; i < world.setup.workers; i++) void this.#work();
  }

  protected abstract choose(): [name: string, operation: () => Promise<unknown>];
  protected abstract read(): Promise<void>;
  abstract readSettled(): Promise<void>;

  get isUsable(): boolean {
    return this.process.alive && !this.closed;
  }

  kill(): void {
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
    const { prng, scheduler, journal } = this.world;
    for (;;) {
      await new Promise<void>((resolve) => this.process.clock.after(prng.between(0, prng.chance(0.1) ? 400 : 40), resolve));
      if (this.world.ending || this.closed) return;
      journal.count('operations');
      const [name, operation] = prng.chance(REDRIVE_CHANCE) ? (['redrive', () => this.#redrive()] as const) : this.choose();
      const doing = `${name} since ${Math.round(scheduler.nowMs)} ms (${scheduler.steps})`;
      journal.note(() => `${this.process.name} ${name}`);
      this.busy.add(doing);
      try {
        await operation();
      } catch (error) {
        this.world.expect(error);
      }
      this.busy.delete(doing);
    }
  }

  /** Somebody has seen to what the store refused. */
  async #redrive(): Promise<void> {
    const { prng, shapes: oracle, journal } = this.world;
    const redriven = await redriveOne(this.cache.deadLetters, prng, journal);
    if (redriven?.outcome === 'redriven') oracle.checkRedriven(this.process.name, redriven.letter);
    if (redriven?.outcome === 'superseded') oracle.checkSuperseded(this.process.name, redriven.letter);
  }

  protected pickAck(): Ack {
    return this.world.prng.pick(['buffered', 'buffered', 'buffered', 'fsynced', 'stored']);
  }

  /** Takes an acknowledgement in; sometimes waits until it is stored. */
  protected async keep(key: string, receipt: Receipt, ack: Ack): Promise<void> {
    const { shapes: oracle, journal, prng } = this.world;
    journal.count(`acknowledged: ${ack}`);
    // `stored` is tried with a receipt, whose position tells what it is about.
    if (ack === 'stored') return;
    const position = receipt as unknown as Pos;
    oracle.checkAcknowledged(this.process.name, position, key);
    this.acknowledged.push({ position, key, synced: ack === 'fsynced', receipt });
    if (prng.chance(0.2)) await this.#stored(position, key, receipt);
  }

  async #stored(position: Pos, key: string, receipt: Receipt): Promise<void> {
    const { shapes: oracle, journal } = this.world;
    try {
      await receipt.stored();
      journal.count('receipt: stored');
      oracle.checkFate(this.process.name, position, key, 'stored');
    } catch (error) {
      const code = isMillraceError(error) ? error.code : '';
      journal.count(`receipt: ${code}`);
      if (code === 'MILLRACE_LOST') oracle.checkFate(this.process.name, position, key, 'lost');
      else if (code === 'MILLRACE_REJECTED') oracle.checkFate(this.process.name, position, key, 'refused');
      else throw error;
    }
  }

  async askLate(count: number): Promise<void> {
    for (const { position, key, receipt } of this.acknowledged.slice(-count)) {
      await this.#stored(position, key, receipt).catch((error: unknown) => this.world.expect(error));
    }
  }

  /** Does so much more; only reads with `readOnly`. */
  async stir(count: number, readOnly: boolean): Promise<void> {
    const { prng } = this.world;
    for (let i = 0; i < count; i++) {
      await new Promise<void>((resolve) => this.process.clock.after(prng.between(0, 40), resolve));
      await (readOnly ? this.read() : this.choose()[1]()).catch((error: unknown) => this.world.expect(error));
    }
  }

  async readAll(): Promise<void> {
    await this.read().catch((error: unknown) => this.world.expect(error));
  }

  drain(): Promise<void> {
    return this.#untilDone(() => this.cache.flush());
  }

  /** As an operator, who tries again what failed. */
  acceptStoreRollback(): Promise<void> {
    return this.#untilDone(() => this.cache.resume({ acceptStoreRollback: true }));
  }

  async #untilDone(task: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await task();
        return;
      } catch (error) {
        this.world.expect(error);
        await new Promise<void>((resolve) => this.process.clock.after(50, resolve));
      }
    }
  }
}

/** Options that counters and logs share. */
export function optionsOf<O extends ShapeOracle>(world: ShapeSurroundings<O>, process: SimProcess, flushes: boolean) {
  const { setup, prng } = world;
  return {
    name: 'sim',
    lanes: setup.lanes,
    ack: prng.chance(0.2) ? 'fsynced' : 'buffered',
    flush: flushes ? { maxDelay: prng.pick([5, 50, 300]), batchSize: prng.between(1, 5), concurrency: prng.between(1, 2), lease: 400 } : false,
    backpressure: { maxEntries: setup.maxEntries, onFull: setup.onFull === 'reject' ? 'reject' : 'wait', maxWaiters: WAITERS_MAX },
    retry: { attempts: setup.attempts, minDelay: 5, maxDelay: 200 },
    clock: process.clock,
    random: { fraction: () => prng.fraction(), token: () => world.token() },
  } as const;
}
