import { isMillraceError, type Receipt } from '../../src/index.ts';
import type { Victim } from './faults.ts';
import type { Pos } from './oracle/executed.ts';
import type { ReceiptJudge } from './oracle/receipt-judge.ts';
import type { Letters } from './redrive.ts';
import type { SimConnection } from './sim-front.ts';
import type { SimProcess } from './sim-process.ts';
import type { Surroundings } from './surroundings.ts';

/** What caches of every shape have. */
export interface SimCache {
  readonly deadLetters: Letters;
  ready(): Promise<void>;
  flush(): Promise<void>;
  resume(options: { readonly acceptStoreRollback: boolean }): Promise<void>;
  close(options: { readonly timeout: number }): Promise<unknown>;
  on(name: 'loss', listener: (event: { readonly lane: number; readonly count: number }) => void): unknown;
  on(name: 'error' | 'stopped', listener: (event: { readonly error: Error }) => void): unknown;
}

export type Ack = 'buffered' | 'fsynced' | 'stored';

/** A write that was acknowledged. */
interface Acknowledged {
  readonly position: Pos;
  readonly key: string;
  readonly synced: boolean;
  readonly receipt: Receipt;
}

/** One process of the simulated world, with a cache and those who use it. */
export abstract class BaseClient<W extends Surroundings, C extends SimCache> implements Victim {
  protected readonly world: W;
  readonly process: SimProcess;
  readonly connection: SimConnection;
  readonly cache: C;
  /** Loss that it was told of, by lane. */
  readonly losses = new Map<number, number>();
  /** Operations under way: what each is, and since when. */
  readonly busy = new Set<string>();
  /** Writes that were acknowledged to it. */
  readonly acknowledged: Acknowledged[] = [];
  closed = false;
  /**
   * Until it is closed, what was asked of it may still happen, also when one of many has failed and the operation with
   * it.
   */
  isClosing = false;

  protected constructor(world: W, process: SimProcess, connection: SimConnection, cache: C) {
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

  /** Longest rest between two operations of one of those who use it, ms; now and then it is much longer. */
  protected abstract get restMsMax(): number;
  protected abstract get judge(): ReceiptJudge;
  /** Chooses what is done next. */
  protected abstract next(): readonly [name: string, operation: () => Promise<unknown>];
  /** When nothing changes any more, what is read is what is stored. */
  abstract readSettled(): Promise<void>;
  abstract readAll(): Promise<void>;

  get isUsable(): boolean {
    return this.process.alive && !this.closed;
  }

  /** Its process ends without a word. */
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

  /** Flushes until nothing is left. */
  drain(): Promise<void> {
    return this.untilDone(() => this.cache.flush());
  }

  /** When all is over: asks for the fate of writes that nobody has asked for. */
  async askLate(count: number): Promise<void> {
    for (const { position, key, receipt } of this.acknowledged.slice(-count)) {
      await this.#stored(position, key, receipt).catch((error: unknown) => this.world.expect(error));
    }
  }

  protected pickAck(): Ack {
    return this.world.prng.pick(['buffered', 'buffered', 'buffered', 'fsynced', 'stored']);
  }

  /** Takes an acknowledgement in; sometimes waits until it is stored. */
  protected async keep(key: string, receipt: Receipt, ack: Ack): Promise<void> {
    const { journal, prng } = this.world;
    journal.count(`acknowledged: ${ack}`);
    // `stored` is tried with a receipt, whose position tells what it is about.
    if (ack === 'stored') return;
    const position = receipt as unknown as Pos;
    this.judge.checkAcknowledged(this.process.name, position, key);
    this.acknowledged.push({ position, key, synced: ack === 'fsynced', receipt });
    if (prng.chance(0.2)) await this.#stored(position, key, receipt);
  }

  /** Notes what is under way, until what it returns is called. */
  protected begin(name: string): () => void {
    const { scheduler } = this.world;
    const doing = `${name} since ${Math.round(scheduler.nowMs)} ms (${scheduler.steps})`;
    this.busy.add(doing);
    return () => this.busy.delete(doing);
  }

  protected async untilDone(task: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await task();
        return;
      } catch (error) {
        this.world.expect(error);
        await this.rest(50);
      }
    }
  }

  protected rest(ms: number): Promise<void> {
    return new Promise((resolve) => this.process.clock.after(ms, resolve));
  }

  async #work(): Promise<void> {
    const { prng, journal } = this.world;
    for (;;) {
      await this.rest(prng.between(0, prng.chance(0.1) ? 400 : this.restMsMax));
      if (this.world.ending || this.closed) return;
      journal.count('operations');
      const [name, operation] = this.next();
      journal.note(() => `${this.process.name} ${name}`);
      const ended = this.begin(name);
      try {
        await operation();
      } catch (error) {
        this.world.expect(error);
      }
      ended();
    }
  }

  /** Waits for a receipt, and checks what it says. */
  async #stored(position: Pos, key: string, receipt: Receipt): Promise<void> {
    const { journal } = this.world;
    try {
      await receipt.stored();
      journal.count('receipt: stored');
      this.judge.checkFate(this.process.name, position, key, 'stored');
    } catch (error) {
      const code = isMillraceError(error) ? error.code : '';
      journal.count(`receipt: ${code}`);
      if (code === 'MILLRACE_LOST') this.judge.checkFate(this.process.name, position, key, 'lost');
      else if (code === 'MILLRACE_REJECTED') this.judge.checkFate(this.process.name, position, key, 'refused');
      else throw error;
    }
  }
}
