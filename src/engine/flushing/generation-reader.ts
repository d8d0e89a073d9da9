import type { GenerationRow } from '../../core/lane-flush.ts';
import { traitsOf } from '../../core/shape.ts';
import { TOMBSTONE } from '../../core/slot.ts';
import type { Mutation } from '../../ports/store.ts';
import type { EngineContext } from '../base/context.ts';
import { READ_KEYS_MAX } from '../base/settings.ts';
import { eventName } from '../shapes/appends.ts';
import { deltaPages, eventPages, scorePages } from '../shapes/pages.ts';
import { LaneTaken, type ReadableGeneration } from './readable-generation.ts';

/**
 * Reads generations out of the front as batches of exactly `batchSize` rows (the last may be smaller), sorted by key.
 * The next page is on its way while the store works on a batch. `missing` has, by lane, the keys whose value was removed
 * behind the lane's back.
 */
export class GenerationReader implements AsyncIterable<readonly Mutation[]> {
  readonly #context: EngineContext;
  readonly #generations: readonly ReadableGeneration[];
  readonly #batchSize: number;
  readonly missing = new Map<number, string[]>();

  constructor(context: EngineContext, generations: readonly ReadableGeneration[], batchSize: number) {
    this.#context = context;
    this.#generations = generations;
    this.#batchSize = batchSize;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Mutation[]> {
    const { shape } = this.#context.settings;
    const ordered = shape === 'log' ? (batch: Mutation[]) => batch : sorted;
    let rows: Mutation[] = [];
    for (const generation of this.#generations) {
      for await (const page of shape === '' ? this.#documents(generation) : this.#others(generation)) {
        rows.push(...page);
        while (rows.length >= this.#batchSize) {
          yield ordered(rows.slice(0, this.#batchSize));
          rows = rows.slice(this.#batchSize);
        }
      }
    }
    if (rows.length > 0) yield ordered(rows);
  }

  async *#documents(generation: ReadableGeneration): AsyncGenerator<Mutation[]> {
    // A key can come twice: when it was frozen while it was read, or by the way the front scans. Its value is the same.
    const seen = new Set<string>();
    for await (const page of this.#pages(generation)) {
      const rows: Mutation[] = [];
      for (const row of page) {
        if (seen.has(row.key)) continue;
        seen.add(row.key);
        const mutation = this.#mutation(generation.lane, row);
        if (mutation !== undefined) rows.push(mutation);
      }
      yield rows;
    }
  }

  /** Increments, events and scores: what was cut and is not there any more is missing. */
  async *#others(generation: ReadableGeneration): AsyncGenerator<Mutation[]> {
    const { lane, entries, fromSeq } = generation;
    let found = 0;
    const { shape } = this.#context.settings;
    const pages = shape === 'log' ? eventPages : traitsOf(shape).isRanked ? scorePages : deltaPages;
    for await (const page of pages(this.#context, generation, READ_KEYS_MAX)) {
      found += page.length;
      yield page;
    }
    // Which events are gone is taken to be the last ones; which keys or members others had nobody knows any more.
    const name = shape === 'log' ? (i: number) => eventName(lane, fromSeq + i) : () => '';
    if (found < entries)
      this.missing.set(
        lane,
        Array.from({ length: entries - found }, (_, i) => name(found + i)),
      );
  }

  async *#pages(generation: ReadableGeneration): AsyncGenerator<readonly GenerationRow[]> {
    let next = this.#page(generation, '');
    for (;;) {
      const page = await next;
      if (page.kind === 'refused') throw new LaneTaken(generation.lane);
      if (page.next === '') {
        yield page.rows;
        return;
      }
      next = this.#page(generation, page.next);
      // If nobody comes back for it, its rejection is nobody's.
      next.catch(() => undefined);
      yield page.rows;
    }
  }

  #page(generation: ReadableGeneration, cursor: string) {
    return this.#context.front.readGeneration(
      generation.lane,
      generation.epoch,
      generation.generation,
      cursor,
      READ_KEYS_MAX,
    );
  }

  #mutation(lane: number, row: GenerationRow): Mutation | undefined {
    if (row.raw === undefined) {
      const keys = this.missing.get(lane);
      if (keys === undefined) this.missing.set(lane, [row.key]);
      else keys.push(row.key);
      return undefined;
    }
    return { lane, key: row.key, json: row.raw === TOMBSTONE ? undefined : row.raw };
  }
}

/** No key comes twice. */
const sorted = (rows: Mutation[]): Mutation[] => rows.sort((a, b) => (a.key < b.key ? -1 : 1));
