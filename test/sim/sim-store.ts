import { NO_FENCE } from '../../src/core/lane-recover.ts';
import type { Fence } from '../../src/core/lane.ts';
import { MillraceError } from '../../src/errors.ts';
import type { ApplyResult, DeadLetter, DeadMutation, FencedLane, Flush, LaneGeneration, LaneStore, Mutation, Store } from '../../src/ports/store.ts';
import type { Oracle } from './oracle.ts';
import type { Prng } from './prng.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimProcess } from './sim-process.ts';

/** How a fence is judged; a mutant replaces it. */
export function judge(fence: Fence | undefined, generation: LaneGeneration): FencedLane['verdict'] | undefined {
  if (fence === undefined) return 'diverged';
  if (fence.epoch === generation.epoch && fence.generation === generation.generation - 1) return undefined;
  if (fence.generation === generation.generation && fence.digest === generation.digest) return 'applied';
  return fence.epoch > generation.epoch ? 'superseded' : 'diverged';
}

/** The simulated database: rows and fences, committed together; slow, down, or silent about a commit when told to be. */
export class SimDatabase {
  readonly scheduler: Scheduler;
  readonly prng: Prng;
  readonly oracle: Oracle;
  readonly judge: typeof judge;
  readonly rows = new Map<string, string>();
  readonly fences: Fence[];
  readonly letters: DeadLetter[] = [];
  down = false;
  slowMs = 0;
  /** So many next commits are refused (deadlock), or happen without an answer. */
  deadlocks = 0;
  silentCommits = 0;

  constructor(lanes: number, scheduler: Scheduler, prng: Prng, oracle: Oracle, judgeFence: typeof judge) {
    this.scheduler = scheduler;
    this.prng = prng;
    this.oracle = oracle;
    this.judge = judgeFence;
    this.fences = Array.from({ length: lanes }, () => NO_FENCE);
  }

  /** The moment of a commit: fences and rows in one step. */
  commit(flush: Flush, batches: readonly (readonly Mutation[])[]): ApplyResult {
    const fenced = flush.lanes.flatMap((generation): FencedLane[] => {
      const fence = this.fences[generation.lane];
      const verdict = this.judge(fence, generation);
      return verdict === undefined ? [] : [{ lane: generation.lane, verdict, fence }];
    });
    if (fenced.length > 0) return { kind: 'fenced', lanes: fenced };
    const dead: DeadMutation[] = [];
    let rows = 0;
    for (const batch of batches) {
      for (const { lane, key, json } of batch) {
        if (json !== undefined && json.includes('poison')) {
          dead.push({ lane, key, code: '23514', message: 'refused' });
          const { generation, fromSeq, cutSeq } = flush.lanes.find((other) => other.lane === lane) as LaneGeneration;
          this.letters.push({ id: `${this.letters.length}`, cache: 'sim', lane, key, kind: 'put', json, code: '23514', message: 'refused', attempts: 1, generation, fromSeq, cutSeq, createdAt: new Date(0) });
          continue;
        }
        rows++;
        if (json === undefined) this.rows.delete(key);
        else this.rows.set(key, json);
      }
    }
    for (const { lane, epoch, generation, cutSeq, digest } of flush.lanes) this.fences[lane] = { ...(this.fences[lane] as Fence), epoch, generation, seq: cutSeq, digest };
    for (const { lane, cutSeq } of flush.lanes) this.oracle.committed(lane, cutSeq, this.rows, new Set(dead.map(({ key }) => key)), this.scheduler.nowMs);
    return { kind: 'applied', rows, statements: batches.length, dead };
  }
}

/** One process's sessions with the database. */
export class SimSession implements Store {
  readonly kind = 'simulated';
  readonly capabilities = { transactions: true, deadLetters: true };
  readonly #database: SimDatabase;
  readonly #process: SimProcess;

  constructor(database: SimDatabase, process: SimProcess) {
    this.#database = database;
    this.#process = process;
  }

  async attach(): Promise<LaneStore> {
    const database = this.#database;
    return {
      checkKey: () => undefined,
      checkValue: () => undefined,
      load: (keys) => this.#call(() => new Map(keys.flatMap((key) => (database.rows.has(key) ? [[key, database.rows.get(key) as string]] : [])))),
      commit: () => Promise.reject(new Error('not simulated')),
      raiseEpoch: (lane) =>
        this.#call(() => {
          const fence = database.fences[lane] as Fence;
          database.oracle.epochRaised(lane, fence.epoch + 1);
          return (database.fences[lane] = { ...fence, epoch: fence.epoch + 1 });
        }),
      moveFence: () => Promise.reject(new Error('not simulated')),
      beginEpoch: (lane, epoch, epochs) =>
        this.#call(() => {
          const fence = database.fences[lane] as Fence;
          if (fence.epoch !== epoch) return false;
          database.fences[lane] = { ...fence, epochs };
          return true;
        }),
      apply: (flush) => this.#apply(flush),
      deadLetters: {
        list: () => this.#call(() => database.letters),
        get: (id) => this.#call(() => database.letters.find((letter) => letter.id === id)),
        ofKey: (key) => this.#call(() => database.letters.findLast((letter) => letter.key === key)),
        ofWrite: (key, seq) => this.#call(() => database.letters.find((letter) => letter.key === key && letter.fromSeq <= seq && seq <= letter.cutSeq)),
        ofGeneration: (lane, generation) => this.#call(() => database.letters.filter((letter) => letter.lane === lane && letter.generation === generation)),
        remove: () => Promise.reject(new Error('not simulated')),
        count: () => this.#call(() => database.letters.length),
      },
      close: async () => undefined,
    };
  }

  async #apply(flush: Flush): Promise<ApplyResult> {
    const database = this.#database;
    await this.#call(() => undefined);
    const batches: (readonly Mutation[])[] = [];
    for await (const batch of flush.batches) {
      batches.push(batch);
      await this.#call(() => undefined);
    }
    return this.#call(() => {
      if (database.deadlocks > 0) {
        database.deadlocks--;
        throw unavailable('deadlock');
      }
      const result = database.commit(flush, batches);
      if (database.silentCommits > 0) {
        database.silentCommits--;
        throw unavailable('the connection was lost at COMMIT');
      }
      return result;
    });
  }

  /** One statement: sent, executed whatever becomes of the process, answered. */
  #call<T>(statement: () => T): Promise<T> {
    const { scheduler, prng } = this.#database;
    const latency = (): number => prng.between(0, 5) + (prng.chance(0.3) ? prng.between(0, this.#database.slowMs) : 0);
    return new Promise((resolve, reject) => {
      scheduler.after(latency(), () => {
        let settle: () => void;
        try {
          if (this.#database.down) throw unavailable('down');
          const result = statement();
          settle = () => resolve(result);
        } catch (error) {
          settle = () => reject(error as Error);
        }
        scheduler.after(latency(), () => this.#process.deliver(settle));
      });
    });
  }
}

const unavailable = (message: string): MillraceError => new MillraceError('MILLRACE_STORE_UNAVAILABLE', message);
