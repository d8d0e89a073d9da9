import { judgeFence } from '../../src/core/fence.ts';
import type { Fence } from '../../src/core/lane.ts';
import { NO_FENCE } from '../../src/core/lane-recover.ts';
import type { Judge } from '../../src/core/letter.ts';
import { MillraceError } from '../../src/errors.ts';
import type {
  ApplyResult,
  DeadLetter,
  FencedLane,
  Flush,
  LaneGeneration,
  Mutation,
  RefusedMutation,
  RetryResult,
} from '../../src/ports/store.ts';
import { MemoryLetters } from '../../src/testing/memory-letters.ts';
import { isPoison } from './oracle/oracle.ts';
import type { Surroundings } from './surroundings.ts';

/** How many commits a restored store can be behind. */
const COPIES_KEPT = 4;

/** What a row is refused with. */
const REFUSAL = '23514';

/** What the database says of an answer that will never come. */
type CommitFault = 'deadlock' | 'silent' | 'lost' | 'late';

/**
 * The simulated database: rows, fences and letters, committed together; slow, down, or silent about a commit when told
 * to be.
 */
export class SimDatabase {
  readonly #world: Surroundings;
  rows = new Map<string, string>();
  fences: Fence[];
  readonly letters: MemoryLetters;
  down = false;
  /** How often an earlier state was restored: transactions of before are gone with it. */
  restores = 0;
  slowMs = 0;
  /** As it was before each of the last commits. */
  readonly #copies: {
    readonly rows: ReadonlyMap<string, string>;
    readonly fences: readonly Fence[];
    readonly restore: () => void;
  }[] = [];
  /** What becomes of the next commits. */
  readonly commitFaults: CommitFault[] = [];

  constructor(world: Surroundings, lanes: number) {
    this.#world = world;
    this.fences = Array.from({ length: lanes }, () => NO_FENCE);
    this.letters = new MemoryLetters('sim', () => world.scheduler.nowMs);
  }

  /** An earlier state is restored: some of the last commits have never been. False: there is none. */
  restore(): boolean {
    const copy = this.#copies.length === 0 ? undefined : this.#world.prng.pick(this.#copies);
    if (copy === undefined) return false;
    this.restores++;
    this.rows = new Map(copy.rows);
    this.fences = [...copy.fences];
    copy.restore();
    return true;
  }

  /** A copy of the present state is kept. */
  protected copy(): void {
    const letters = this.letters.snapshot();
    const judged = this.copyJudged();
    const restore = (): void => {
      letters();
      judged();
    };
    this.#copies.push({ rows: new Map(this.rows), fences: [...this.fences], restore });
    if (this.#copies.length > COPIES_KEPT) this.#copies.shift();
  }

  /** What takes whoever judges back to the present state. */
  protected copyJudged(): () => void {
    return () => this.#world.oracle.rolledBack(this.rows, this.fences);
  }

  load(keys: readonly string[]): Map<string, string> {
    return new Map(keys.flatMap((key) => (this.rows.has(key) ? [[key, this.rows.get(key) as string]] : [])));
  }

  raiseEpoch(lane: number, above = 0): Fence {
    const fence = this.fences[lane] as Fence;
    const epoch = Math.max(fence.epoch, above) + 1;
    this.#world.oracle.epochRaised(lane, epoch);
    return (this.fences[lane] = { ...fence, epoch });
  }

  moveFence(lane: number, epoch: number, to: Pick<Fence, 'generation' | 'seq'>): boolean {
    const fence = this.fences[lane] as Fence;
    if (fence.epoch !== epoch) return false;
    this.fences[lane] = { ...fence, ...to, digest: '' };
    return true;
  }

  beginEpoch(lane: number, epoch: number, epochs: Fence['epochs']): boolean {
    const fence = this.fences[lane] as Fence;
    if (fence.epoch !== epoch) return false;
    this.fences[lane] = { ...fence, ...(epochs === undefined ? {} : { epochs }) };
    return true;
  }

  /** Writes outside any lane: all or nothing. */
  commitDirectly(mutations: readonly Mutation[]): void {
    const refused = mutations.find(({ json }) => isPoison(json));
    if (refused !== undefined)
      throw new MillraceError('MILLRACE_REJECTED', 'refused', { key: refused.key, lane: refused.lane });
    for (const { key, json } of mutations) this.#write(key, json);
    this.letters.supersede(new Set(mutations.map(({ key }) => key)));
    this.#world.oracle.committedDirectly(mutations);
  }

  /** Lanes whose fence does not let the generation in. */
  protected fencedOf(flush: Flush): FencedLane[] {
    return flush.lanes.flatMap((generation): FencedLane[] => {
      const fence = this.fences[generation.lane];
      const verdict = judgeFence(generation, fence);
      return verdict === undefined ? [] : [{ lane: generation.lane, verdict, fence }];
    });
  }

  /** The moment of a commit: fences and rows in one step. */
  commit(flush: Flush, batches: readonly (readonly Mutation[])[]): ApplyResult {
    const fenced = this.fencedOf(flush);
    if (fenced.length > 0) return { kind: 'fenced', lanes: fenced };
    this.copy();
    const refused: RefusedMutation[] = [];
    const written = batches.flat();
    this.#world.oracle.checkBatches(batches);
    const superseded = this.letters.supersede(
      new Set(
        written
          .filter(({ lane }) => flush.lanes.some((other) => other.lane === lane && other.letters))
          .map(({ key }) => key),
      ),
    );
    for (const { lane, letters } of flush.lanes) if (letters) this.letters.sweep(lane);
    for (const mutation of written) {
      const { lane, key, json } = mutation;
      if (!isPoison(json)) {
        this.#write(key, json);
        continue;
      }
      const verdict = flush.judge({ code: REFUSAL, attempts: undefined });
      const id = this.letters.insert(
        mutation,
        flush.lanes.find((other) => other.lane === lane) as LaneGeneration,
        REFUSAL,
        verdict,
      );
      refused.push({ id, lane, key, code: REFUSAL, message: 'refused', state: verdict.state });
    }
    for (const { lane, epoch, generation, cutSeq, digest } of flush.lanes)
      this.fences[lane] = { ...(this.fences[lane] as Fence), epoch, generation, seq: cutSeq, digest };
    for (const generation of flush.lanes)
      this.#world.oracle.committed(generation, this.rows, new Set(refused.map(({ key }) => key)));
    return { kind: 'applied', rows: written.length - refused.length, statements: batches.length, refused, superseded };
  }

  /** The moment of a retry's commit: the store has changed its mind about some rows. */
  retry(lane: number, epoch: number, letters: readonly DeadLetter[], judge: Judge): RetryResult {
    if (this.fences[lane]?.epoch !== epoch) return { kind: 'fenced' };
    const stored: Mutation[] = [];
    const after = this.letters.retry(epoch, letters, judge, (row) => {
      if (this.#world.prng.chance(0.6)) return REFUSAL;
      stored.push(row);
      return undefined;
    });
    for (const { key, json } of stored) this.#write(key, json);
    for (const row of stored) this.#world.oracle.retried(row);
    for (const { key, json, state } of after) if (state === 'dead') this.#world.oracle.buried(lane, key, json);
    return { kind: 'retried', letters: after };
  }

  #write(key: string, json: string | undefined): void {
    if (json === undefined) this.rows.delete(key);
    else this.rows.set(key, json);
  }
}
