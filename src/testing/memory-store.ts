/** A store in memory, for tests. */
import { fromScaled, toScaled } from '../core/decimal.ts';
import { judgeFence } from '../core/fence.ts';
import type { EpochStart, Fence } from '../core/lane.ts';
import { NO_FENCE } from '../core/lane-recover.ts';
import { type Judge, lettersInTheWay } from '../core/letter.ts';
import { type Holds, kindOf, kindTraits, shapeOf, traitsOf } from '../core/shape.ts';
import { MillraceError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { ScoresPage, StoredScores } from '../ports/scores-store.ts';
import type {
  ApplyResult,
  AttachedStore,
  DeadLetter,
  FencedLane,
  Flush,
  LaneGeneration,
  LaneStore,
  Mutation,
  RefusedMutation,
  RetryResult,
  Store,
  StoreCapabilities,
} from '../ports/store.ts';
import type { StoredTotals } from '../ports/totals-store.ts';
import { MemoryLetters } from './memory-letters.ts';

/** Where a test can make the store slow, make it fail, or look on. A hook that throws is a fault of the server. */
export interface MemoryStoreHooks {
  /** Before a row is taken into the transaction; return a code to have it refused. */
  refuse?(row: Mutation): string | undefined;
  /** Before `load` looks at the rows. */
  beforeLoad?(keys: readonly string[]): Promise<void> | void;
  /** After `load` has looked at the rows. */
  afterLoad?(keys: readonly string[]): Promise<void> | void;
  /** At the beginning of a flush or a direct write, before any lock. */
  beforeApply?(): Promise<void> | void;
  /** After the rows are there, just before they are committed. */
  beforeCommit?(): Promise<void> | void;
  /** After the commit, before the caller learns of it. */
  afterCommit?(): Promise<void> | void;
}

/** A statement that was committed. */
export interface CommittedBatch {
  /** The rows of it. */
  readonly rows: readonly Mutation[];
}

/**
 * A transactional store in memory that keeps the contract of `ports/store.ts`, for tests: fences, dead letters and
 * all. What is committed survives "crashes" of caches that use it, because it belongs to the test.
 *
 * `new MemoryStore()` holds documents; `new MemoryStore({}, 'counters')` holds counters, and likewise 'log' and
 * 'scores' (of a leaderboard).
 */
export class MemoryStore implements Store {
  /** Its kind, for reports. */
  readonly kind = 'memory';
  /** What it can do: everything. */
  readonly capabilities: StoreCapabilities = { transactions: true, deadLetters: true };
  /** What it is the store of; documents where it is undefined. */
  readonly holds?: Holds;
  /** Where a test can intervene; they may be changed at any time. */
  readonly hooks: MemoryStoreHooks;
  /** By key: the document as JSON text, or the total or the score as decimal text. */
  readonly rows = new Map<string, string>();
  /** Of a log: what was appended, in the order of the table. */
  readonly events: unknown[] = [];
  /** Every committed statement. */
  readonly batches: CommittedBatch[] = [];
  /** Every version that each key went through; undefined where it was deleted. */
  readonly versions = new Map<string, (string | undefined)[]>();
  /** How far each lane is stored, by cache and lane. */
  readonly fences = new Map<string, Fence>();
  readonly #pinned = new Map<string, number>();
  readonly #letters = new Map<string, MemoryLetters>();

  constructor(hooks: MemoryStoreHooks = {}, holds?: Holds) {
    this.hooks = hooks;
    if (holds !== undefined) this.holds = holds;
  }

  async attach({
    cache,
    lanes,
    clock,
    writeBehind = true,
  }: {
    readonly cache: string;
    readonly lanes?: number;
    readonly clock: Clock;
    readonly writeBehind?: boolean;
  }): Promise<AttachedStore> {
    const letters = this.#letters.get(cache) ?? new MemoryLetters(cache, () => clock.now());
    this.#letters.set(cache, letters);
    const fault = writeBehind ? undefined : lettersInTheWay(await letters.store.count());
    if (fault !== undefined) throw new MillraceError('MILLRACE_OPTIONS', fault, { cache });
    if (writeBehind && lanes !== undefined) this.#pin(cache, lanes);
    const { isSummed, isRanked } = traitsOf(shapeOf(this.holds));
    return {
      checkKey: () => undefined,
      checkValue: () => undefined,
      load: (keys) => this.#load(keys),
      commit: (mutations) => this.#commitDirectly(letters, mutations),
      ...(writeBehind && { lanes: this.#lanes(cache, letters) }),
      ...(isSummed && { totals: { load: (lanes, keys) => this.#loadTotals(cache, lanes, keys) } }),
      ...(isRanked && { scores: { load: (page) => this.#loadScores(cache, page) } }),
      close: () => Promise.resolve(),
    };
  }

  /** The number of lanes is that of the first cache of the name. */
  #pin(cache: string, lanes: number): void {
    const pinned = this.#pinned.get(cache) ?? lanes;
    this.#pinned.set(cache, pinned);
    if (pinned === lanes) return;
    const message = `the store has ${pinned} lanes for the cache, not ${lanes}. Set lanes: ${pinned}`;
    throw new MillraceError('MILLRACE_LANES', message, { cache });
  }

  #lanes(cache: string, letters: MemoryLetters): LaneStore {
    return {
      apply: (flush) => this.#apply(cache, letters, flush),
      fences: {
        raiseEpoch: (lane, above = 0) => Promise.resolve(this.#raise(cache, lane, above)),
        moveFence: (lane, epoch, to) => Promise.resolve(this.#move(cache, lane, epoch, to)),
        beginEpoch: (lane, epoch, epochs) => Promise.resolve(this.#begin(cache, lane, epoch, epochs)),
      },
      deadLetters: {
        ...letters.store,
        retry: (lane, epoch, due, judge) =>
          this.#retry({ letters, fence: () => this.fences.get(`${cache}:${lane}`), epoch, due, judge }),
      },
    };
  }

  /** Every letter of all caches, finished ones included. */
  get letters(): readonly DeadLetter[] {
    return [...this.#letters.values()].flatMap(({ all }) => all);
  }

  async #load(keys: readonly string[]): Promise<Map<string, string>> {
    await this.hooks.beforeLoad?.(keys);
    const found = this.#found(keys);
    await this.hooks.afterLoad?.(keys);
    return found;
  }

  #found(keys: readonly string[]): Map<string, string> {
    const found = new Map<string, string>();
    for (const key of keys) {
      const json = this.rows.get(key);
      if (json !== undefined) found.set(key, json);
    }
    return found;
  }

  #generation(cache: string, lane: number): number {
    return this.fences.get(`${cache}:${lane}`)?.generation ?? 0;
  }

  async #loadTotals(cache: string, lanes: readonly number[], keys: readonly string[]): Promise<StoredTotals> {
    await this.hooks.beforeLoad?.(keys);
    const found = {
      totals: this.#found(keys),
      generations: new Map(lanes.map((lane) => [lane, this.#generation(cache, lane)])),
    };
    await this.hooks.afterLoad?.(keys);
    return found;
  }

  async #loadScores(cache: string, page: ScoresPage): Promise<StoredScores> {
    const named = 'members' in page ? page.members : [];
    await this.hooks.beforeLoad?.(named);
    const generation = this.#generation(cache, 0);
    let scores: ReadonlyMap<string, string> = this.#found(named);
    let next: string | undefined;
    if (!('members' in page)) {
      const members = [...this.rows.keys()]
        .filter((member) => page.after === '' || member > page.after)
        .toSorted((a, b) => (a < b ? -1 : 1));
      const taken = members.slice(0, page.limit);
      scores = this.#found(taken);
      if (members.length > taken.length) next = taken.at(-1);
    }
    await this.hooks.afterLoad?.(named);
    return { scores, generation, next };
  }

  async #commitDirectly(letters: MemoryLetters, mutations: readonly Mutation[]): Promise<void> {
    await this.hooks.beforeApply?.();
    for (const row of mutations) {
      const code = this.hooks.refuse?.(row);
      if (code !== undefined)
        throw new MillraceError('MILLRACE_REJECTED', `the row was refused (${code})`, { key: row.key });
    }
    await this.hooks.beforeCommit?.();
    letters.supersede(new Set(mutations.map(({ key }) => key)));
    this.#write(mutations);
    await this.hooks.afterCommit?.();
  }

  #raise(cache: string, lane: number, above: number): Fence {
    const fence = this.fences.get(`${cache}:${lane}`) ?? NO_FENCE;
    const raised = { ...fence, epoch: Math.max(fence.epoch, above) + 1 };
    this.fences.set(`${cache}:${lane}`, raised);
    return raised;
  }

  #move(cache: string, lane: number, epoch: number, to: Pick<Fence, 'generation' | 'seq'>): boolean {
    const fence = this.fences.get(`${cache}:${lane}`);
    if (fence?.epoch !== epoch) return false;
    this.fences.set(`${cache}:${lane}`, { ...fence, ...to, digest: '' });
    return true;
  }

  #begin(cache: string, lane: number, epoch: number, epochs: readonly EpochStart[]): boolean {
    const fence = this.fences.get(`${cache}:${lane}`);
    if (fence?.epoch !== epoch) return false;
    this.fences.set(`${cache}:${lane}`, { ...fence, epochs });
    return true;
  }

  async #apply(cache: string, letters: MemoryLetters, flush: Flush): Promise<ApplyResult> {
    await this.hooks.beforeApply?.();
    const batches: Mutation[][] = [];
    const bad: { readonly row: Mutation; readonly code: string }[] = [];
    for await (const batch of flush.batches) {
      batches.push(
        batch.filter((row) => {
          const code = this.hooks.refuse?.(row);
          if (code !== undefined) bad.push({ row, code });
          return code === undefined;
        }),
      );
    }
    await this.hooks.beforeCommit?.();
    // From here on nothing waits: fence, rows and letters are one atomic step.
    const fenced = flush.lanes
      .map((generation) => this.#judge(cache, generation))
      .filter((verdict) => verdict !== undefined);
    if (fenced.length > 0) return { kind: 'fenced', lanes: fenced };
    const lanes = new Map(flush.lanes.map((generation) => [generation.lane, generation]));
    for (const { lane, epoch, generation, cutSeq, digest } of flush.lanes)
      this.fences.set(`${cache}:${lane}`, {
        ...this.fences.get(`${cache}:${lane}`),
        epoch,
        generation,
        seq: cutSeq,
        digest,
      });
    for (const rows of batches) this.#write(rows);
    const mayHaveLetters = [...batches.flat(), ...bad.map(({ row }) => row)].filter(
      (row) => kindTraits(kindOf(row)).isReplaced && lanes.get(row.lane)?.letters === true,
    );
    const superseded = letters.supersede(new Set(mayHaveLetters.map(({ key }) => key)));
    for (const { lane, letters: lettered } of flush.lanes) if (lettered) letters.sweep(lane);
    const refused = bad.map(({ row, code }): RefusedMutation => {
      const verdict = flush.judge({ code, attempts: undefined });
      const id = letters.insert(row, lanes.get(row.lane) as LaneGeneration, code, verdict);
      return { id, lane: row.lane, key: row.key, code, message: 'refused', state: verdict.state };
    });
    await this.hooks.afterCommit?.();
    const written = batches.filter((rows) => rows.length > 0);
    return {
      kind: 'applied',
      rows: written.reduce((sum, rows) => sum + rows.length, 0),
      statements: written.length,
      refused,
      superseded,
    };
  }

  async #retry({ letters, fence, epoch, due, judge }: Retry): Promise<RetryResult> {
    await this.hooks.beforeApply?.();
    await this.hooks.beforeCommit?.();
    if (fence()?.epoch !== epoch) return { kind: 'fenced' };
    const written: Mutation[] = [];
    const after = letters.retry(epoch, due, judge, (row) => {
      const code = this.hooks.refuse?.(row);
      if (code === undefined) written.push(row);
      return code;
    });
    this.#write(written);
    await this.hooks.afterCommit?.();
    return { kind: 'retried', letters: after };
  }

  #judge(cache: string, generation: LaneGeneration): FencedLane | undefined {
    const fence = this.fences.get(`${cache}:${generation.lane}`);
    const verdict = judgeFence(generation, fence);
    return verdict === undefined ? undefined : { lane: generation.lane, verdict, fence };
  }

  #write(rows: readonly Mutation[]): void {
    if (rows.length === 0) return;
    this.batches.push({ rows });
    for (const row of rows) {
      const { key, json } = row;
      const { isOrdered, isDelta } = kindTraits(kindOf(row));
      if (isOrdered) {
        const [, event] = JSON.parse(json as string) as [order: number, event: unknown];
        this.events.push(event);
        continue;
      }
      const version = isDelta ? sumOf(this.rows.get(key) ?? '0', json as string) : json;
      if (version === undefined) this.rows.delete(key);
      else this.rows.set(key, version);
      const versions = this.versions.get(key);
      if (versions === undefined) this.versions.set(key, [version]);
      else versions.push(version);
    }
  }
}

interface Retry {
  readonly letters: MemoryLetters;
  readonly fence: () => Fence | undefined;
  readonly epoch: number;
  readonly due: readonly DeadLetter[];
  readonly judge: Judge;
}

/** Of two decimal texts. */
function sumOf(a: string, b: string): string {
  const scale = Math.max(...[a, b].map((text) => text.split('.')[1]?.length ?? 0));
  return fromScaled((toScaled(a, scale) as bigint) + (toScaled(b, scale) as bigint), scale);
}
