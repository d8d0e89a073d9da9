import { MillraceError } from '../../src/errors.ts';
import type { ApplyResult, AttachedStore, DeadLetterStore, Flush, Mutation, Store } from '../../src/ports/store.ts';
import { ReadAhead } from '../../src/stores/sql/read-ahead.ts';
import { shown } from './journal.ts';
import { Attempts } from './oracle/attempts.ts';
import type { SimDatabase } from './sim-database.ts';
import type { SimProcess } from './sim-process.ts';
import { RETRY_MS_MAX, type Surroundings } from './surroundings.ts';

/** One process's sessions with the database. */
export class SimSession implements Store {
  readonly kind = 'simulated';
  readonly capabilities = { transactions: true, deadLetters: true };
  readonly #world: Surroundings;
  readonly #database: SimDatabase;
  readonly #process: SimProcess;
  readonly #attempts: Attempts;

  constructor(world: Surroundings, database: SimDatabase, process: SimProcess) {
    this.#world = world;
    this.#database = database;
    this.#process = process;
    this.#attempts = new Attempts(process.name, () => world.scheduler.nowMs, RETRY_MS_MAX, world.oracle.findings);
  }

  async attach(): Promise<AttachedStore> {
    const database = this.#database;
    await this.#ask('attach', () => undefined);
    return {
      checkKey: () => undefined,
      checkValue: () => undefined,
      load: (keys) => this.#ask('load', () => database.load(keys)),
      commit: (mutations) =>
        this.#attempts.watch(() =>
          this.#commit(
            'commit directly',
            () => {
              database.commitDirectly(mutations);
              if (!this.#process.alive) for (const { key } of mutations) this.#world.oracle.reads.orphaned(key);
            },
            // Without a fence it may take the place of a later write, which the front goes on to serve.
            () => {
              for (const { key } of mutations) this.#world.oracle.reads.failedDirectly(key);
            },
          ),
        ),
      lanes: {
        apply: (flush) => this.#attempts.watch(() => this.#apply(flush)),
        fences: {
          raiseEpoch: (lane, above) => this.#ask('raiseEpoch', () => database.raiseEpoch(lane, above)),
          moveFence: (lane, epoch, to) => this.#ask('moveFence', () => database.moveFence(lane, epoch, to)),
          beginEpoch: (lane, epoch, epochs) => this.#ask('beginEpoch', () => database.beginEpoch(lane, epoch, epochs)),
        },
        deadLetters: this.#letters(),
      },
      close: async () => undefined,
    };
  }

  /** A call of one statement. */
  #ask<T>(name: string, statement: () => T | Promise<T>): Promise<T> {
    return this.#attempts.watch(() => this.#call(name, statement));
  }

  #letters(): DeadLetterStore {
    const { store } = this.#database.letters;
    return {
      list: (page) => this.#ask('letters', () => store.list(page)),
      get: (id) => this.#ask('letters', () => store.get(id)),
      ofKey: (key) => this.#ask('letters', () => store.ofKey(key)),
      count: () => this.#ask('letters', () => store.count()),
      find: (ids) => this.#ask('letters', () => store.find(ids)),
      ofWrite: (key, seq) => this.#ask('letters', () => store.ofWrite(key, seq)),
      ofGeneration: (lane, generation) => this.#ask('letters', () => store.ofGeneration(lane, generation)),
      due: (lane, limit) => this.#ask('letters', () => store.due(lane, limit)),
      storedKeys: (lane) => this.#ask('letters', () => store.storedKeys(lane)),
      retry: (lane, epoch, letters, judge) =>
        this.#attempts.watch(() => this.#commit('retry', () => this.#database.retry(lane, epoch, letters, judge))),
      redrive: (id) =>
        this.#ask('letters', async () => {
          const letter = await store.get(id);
          const result = await store.redrive(id);
          if (letter !== undefined && result?.kind === 'waiting')
            this.#world.oracle.revived(letter.lane, letter.key, letter.json);
          return result;
        }),
      discard: (id) => this.#ask('letters', () => store.discard(id)),
    };
  }

  async #apply(flush: Flush): Promise<ApplyResult> {
    const database = this.#database;
    const ahead = new ReadAhead(flush.batches);
    try {
      await this.#call('begin', () => undefined);
      const batches: (readonly Mutation[])[] = [];
      for await (const batch of ahead) {
        batches.push(batch);
        await this.#call('statement', () => undefined);
      }
      return await this.#commit('commit', () => database.commit(flush, batches));
    } finally {
      ahead.stop();
    }
  }

  /**
   * A commit, whose answer can be lost: before it happened, after it, or while it has still to happen, because it was
   * on its way to the server, or waits there for a lock, when the connection broke.
   */
  #commit<T>(name: string, commit: () => T, onLate = (): void => undefined): Promise<T> {
    const { scheduler, prng } = this.#world;
    const database = this.#database;
    const { restores } = database;
    return this.#call(name, () => {
      if (restores !== database.restores) throw unavailable('restored');
      const fault = database.commitFaults.shift();
      if (fault === 'deadlock' || fault === 'lost') throw unavailable(fault);
      if (fault === undefined) {
        const result = commit();
        // It took so long that its process is gone: nobody tells the front, and others may have written meanwhile.
        if (!this.#process.alive) onLate();
        return result;
      }
      const happen = (): void => {
        try {
          commit();
        } catch {
          // Nobody hears of a refusal.
        }
      };
      if (fault === 'silent') happen();
      else {
        scheduler.after(prng.between(1, 300), () => {
          if (restores === database.restores) happen();
          onLate();
        });
      }
      throw unavailable('the connection was lost at COMMIT');
    });
  }

  /** One statement: sent, executed whatever becomes of the process, answered. */
  #call<T>(name: string, statement: () => T | Promise<T>): Promise<T> {
    const { scheduler, prng } = this.#world;
    const database = this.#database;
    const latency = (): number =>
      prng.between(0, 5) + (database.slowMs > 0 && prng.chance(0.3) ? prng.between(0, database.slowMs) : 0);
    return new Promise((resolve, reject) => {
      scheduler.after(latency(), () => {
        let settle: () => void;
        let result: unknown;
        try {
          if (database.down) throw unavailable('down');
          const value = statement();
          result = value;
          settle = () => resolve(value);
        } catch (error) {
          result = { kind: 'failed', reason: (error as Error).message };
          settle = () => reject(error as Error);
        }
        this.#world.journal.note(() => `  store ${name} by ${this.#process.name} ${shown(result)}`);
        this.#world.reached(name, result, this.#process);
        scheduler.after(latency(), () => this.#process.deliver(settle));
      });
    });
  }
}

const unavailable = (message: string): MillraceError => new MillraceError('MILLRACE_STORE_UNAVAILABLE', message);
