import type { Fence } from '../../../src/core/lane.ts';
import type { Judge } from '../../../src/core/letter.ts';
import type {
  ApplyResult,
  AttachedStore,
  DeadLetter,
  Flush,
  LaneGeneration,
  Mutation,
  RefusedMutation,
  RetryResult,
} from '../../../src/ports/store.ts';
import { SimDatabase } from '../sim-database.ts';
import type { SimProcess } from '../sim-process.ts';
import { SimSession } from '../sim-session.ts';
import type { Surroundings } from '../surroundings.ts';
import type { LetterOf } from './entries.ts';
import type { ShapeOracle } from './shape-oracle.ts';

/** What a row is refused with. */
const REFUSAL = '23514';

/** What the table of a shape makes of its mutations. */
export interface Table {
  /** Whether it refuses a row with this at first. */
  refuses(json: string): boolean;
  write(rows: Map<string, string>, mutation: Mutation): void;
}

/** A page of a leaderboard is often slow on its way: what is stored meanwhile makes it too late. */
const SLOW_PAGE_CHANCE = 0.3;
const SLOW_PAGE_MS_MAX = 60;

/** Asks for all rows. */
const EVERY = 'every row';
const fenceOf = (lane: number): string => `fence of ${lane}`;

/** How often a row that was refused is refused again. */
const REFUSED_AGAIN_CHANCE = 0.6;

/** The simulated database with the rows of a shape. It may change its mind about what it refuses. */
export class ShapeDatabase extends SimDatabase {
  readonly #world: Surroundings;
  readonly #oracle: ShapeOracle;
  readonly #table: Table;

  constructor(world: Surroundings, lanes: number, oracle: ShapeOracle, table: Table) {
    super(world, lanes);
    this.#world = world;
    this.#oracle = oracle;
    this.#table = table;
  }

  /** Rows, and the generations of lanes by {@link fenceOf}, in one snapshot. */
  override load(keys: readonly string[]): Map<string, string> {
    const rows = keys.includes(EVERY) ? new Map(this.rows) : super.load(keys);
    this.fences.forEach(({ generation }, lane) => {
      if (keys.includes(fenceOf(lane))) rows.set(fenceOf(lane), String(generation));
    });
    return rows;
  }

  override raiseEpoch(lane: number, above = 0): Fence {
    const fence = this.fences[lane] as Fence;
    const epoch = Math.max(fence.epoch, above) + 1;
    this.#oracle.epochRaised(lane, epoch);
    return (this.fences[lane] = { ...fence, epoch });
  }

  protected override copyJudged(): () => void {
    return this.#oracle.copy();
  }

  override commit(flush: Flush, batches: readonly (readonly Mutation[])[]): ApplyResult {
    const fenced = this.fencedOf(flush);
    if (fenced.length > 0) return { kind: 'fenced', lanes: fenced };
    this.copy();
    this.#oracle.checkBatches(batches);
    for (const { lane, letters } of flush.lanes) if (letters) this.letters.sweep(lane);
    const refused: RefusedMutation[] = [];
    const buried: LetterOf[] = [];
    const written = batches.flat();
    const replaced = written.filter(
      ({ lane, kind }) => kind === undefined && flush.lanes.some((other) => other.lane === lane && other.letters),
    );
    const superseded = this.letters.supersede(new Set(replaced.map(({ key }) => key)));
    for (const mutation of written) {
      const { lane, key, json } = mutation;
      if (json === undefined || !this.#table.refuses(json)) {
        this.#table.write(this.rows, mutation);
        continue;
      }
      const verdict = flush.judge({ code: REFUSAL, attempts: undefined });
      const generation = flush.lanes.find((other) => other.lane === lane) as LaneGeneration;
      const id = this.letters.insert(mutation, generation, REFUSAL, verdict);
      if (verdict.state === 'dead') buried.push({ ...generation, key });
      refused.push({ id, lane, key, code: REFUSAL, message: 'refused', state: verdict.state });
    }
    for (const { lane, epoch, generation, cutSeq, digest } of flush.lanes)
      this.fences[lane] = { ...(this.fences[lane] as Fence), epoch, generation, seq: cutSeq, digest };
    for (const generation of flush.lanes) this.#oracle.committed(generation, this.rows);
    for (const letter of buried) this.#oracle.buried(letter);
    return { kind: 'applied', rows: written.length - refused.length, statements: batches.length, refused, superseded };
  }

  override retry(lane: number, epoch: number, letters: readonly DeadLetter[], judge: Judge): RetryResult {
    if (this.fences[lane]?.epoch !== epoch) return { kind: 'fenced' };
    const after = this.letters.retry(epoch, letters, judge, (row) => {
      if (this.#world.prng.chance(REFUSED_AGAIN_CHANCE)) return REFUSAL;
      this.#table.write(this.rows, row);
      return undefined;
    });
    const stored = after
      .filter(({ state }) => state === 'stored')
      .map(({ id }) => letters.find((letter) => letter.id === id) as DeadLetter);
    if (stored.length > 0) this.#oracle.retried(lane, stored, this.rows);
    for (const letter of after) if (letter.state === 'dead') this.#oracle.buried(letter);
    return { kind: 'retried', letters: after };
  }
}

/** One process's sessions with it. */
export class ShapeSession extends SimSession {
  readonly holds: 'counters' | 'log' | 'scores';
  readonly #world: Surroundings;
  readonly #process: SimProcess;

  constructor(world: Surroundings, database: ShapeDatabase, process: SimProcess, holds: 'counters' | 'log' | 'scores') {
    super(world, database, process);
    this.holds = holds;
    this.#world = world;
    this.#process = process;
  }

  override async attach(): Promise<AttachedStore> {
    const attached = await super.attach();
    const { prng, setup } = this.#world;
    const { clock } = this.#process;
    const pageMax = setup.keysPerStep;
    return {
      ...attached,
      totals: {
        async load(lanes, keys) {
          const found = await attached.load([...keys, ...lanes.map(fenceOf)]);
          const generations = new Map(lanes.map((lane) => [lane, Number(found.get(fenceOf(lane)))]));
          for (const lane of lanes) found.delete(fenceOf(lane));
          return { totals: found, generations };
        },
      },
      scores: {
        async load(page) {
          const found = await attached.load([EVERY, fenceOf(0)]);
          if (prng.chance(SLOW_PAGE_CHANCE))
            await new Promise<void>((resolve) => clock.after(prng.between(0, SLOW_PAGE_MS_MAX), resolve, true));
          const generation = Number(found.get(fenceOf(0)));
          found.delete(fenceOf(0));
          // Its order is its own, and a page as long as it likes.
          const rows = [...found]
            .filter(([member]) =>
              'members' in page ? page.members.includes(member) : page.after === '' || member < page.after,
            )
            .sort(([a], [b]) => (a < b ? 1 : -1));
          if ('members' in page || rows.length <= pageMax)
            return { scores: new Map(rows), generation, next: undefined };
          const scores = new Map(rows.slice(0, pageMax));
          return { scores, generation, next: [...scores.keys()].at(-1) };
        },
      },
    };
  }
}
