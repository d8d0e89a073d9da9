import { NO_FENCE } from '../../src/core/lane-recover.ts';
import type { Fence } from '../../src/core/lane.ts';
import type { Judge } from '../../src/core/letter.ts';
import { MillraceError } from '../../src/errors.ts';
import type { ApplyResult, DeadLetter, DeadLetterStore, FencedLane, Flush, LaneGeneration, LaneStore, Mutation, RefusedMutation, RetryResult, Store } from '../../src/ports/store.ts';
import { MemoryLetters } from '../../src/testing/memory-letters.ts';
import { isPoison, type Oracle } from './oracle.ts';
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
  readonly letters: MemoryLetters;
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
    this.letters = new MemoryLetters('sim', () => scheduler.nowMs);
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
    const refused: RefusedMutation[] = [];
    let rows = 0;
    const written = batches.flat();
    const superseded = this.letters.supersede(new Set(written.filter(({ lane }) => flush.lanes.some((other) => other.lane === lane && other.letters)).map(({ key }) => key)));
    for (const { lane, letters } of flush.lanes) if (letters) this.letters.sweep(lane);
    for (const mutation of written) {
      const { lane, key, json } = mutation;
      if (isPoison(json)) {
        const verdict = flush.judge({ code: '23514', attempts: undefined });
        const id = this.letters.insert(mutation, flush.lanes.find((other) => other.lane === lane) as LaneGeneration, '23514', verdict);
        refused.push({ id, lane, key, code: '23514', message: 'refused', state: verdict.state });
        continue;
      }
      rows++;
      if (json === undefined) this.rows.delete(key);
      else this.rows.set(key, json);
    }
    for (const { lane, epoch, generation, cutSeq, digest } of flush.lanes) this.fences[lane] = { ...(this.fences[lane] as Fence), epoch, generation, seq: cutSeq, digest };
    for (const { lane, cutSeq } of flush.lanes) this.oracle.committed(lane, cutSeq, this.rows, new Set(refused.map(({ key }) => key)), this.scheduler.nowMs);
    return { kind: 'applied', rows, statements: batches.length, refused, superseded };
  }

  /** The moment of a retry's commit. What is poison stays so. */
  retry(lane: number, epoch: number, letters: readonly DeadLetter[], judgeRefusal: Judge): RetryResult {
    if (this.fences[lane]?.epoch !== epoch) return { kind: 'fenced' };
    return { kind: 'retried', letters: this.letters.retry(letters, judgeRefusal, () => '23514') };
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
      retry: (lane, epoch, letters, judgeRefusal) => this.#call(() => database.retry(lane, epoch, letters, judgeRefusal)),
      deadLetters: this.#letters(),
      close: async () => undefined,
    };
  }

  #letters(): DeadLetterStore {
    const { store } = this.#database.letters;
    return {
      list: (page) => this.#call(() => store.list(page)),
      get: (id) => this.#call(() => store.get(id)),
      ofKey: (key) => this.#call(() => store.ofKey(key)),
      count: () => this.#call(() => store.count()),
      find: (ids) => this.#call(() => store.find(ids)),
      ofWrite: (key, seq) => this.#call(() => store.ofWrite(key, seq)),
      ofGeneration: (lane, generation) => this.#call(() => store.ofGeneration(lane, generation)),
      due: (lane, limit) => this.#call(() => store.due(lane, limit)),
      storedKeys: (lane) => this.#call(() => store.storedKeys(lane)),
      redrive: (id) => this.#call(() => store.redrive(id)),
      discard: (id) => this.#call(() => store.discard(id)),
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
  #call<T>(statement: () => T | Promise<T>): Promise<T> {
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
