import type { Mutation } from '../../ports/store.ts';
import type { GenerationPages, ReadableGeneration } from './generation-pages.ts';

/**
 * Reads generations out of the front as batches of exactly `batchSize` rows (the last may be smaller), sorted by key
 * where the shape allows it. `missing` has, by lane, what was removed behind the lane's back.
 */
export class GenerationReader implements AsyncIterable<readonly Mutation[]> {
  readonly #pages: GenerationPages;
  readonly #generations: readonly ReadableGeneration[];
  readonly #batchSize: number;
  readonly missing = new Map<number, string[]>();

  constructor(pages: GenerationPages, generations: readonly ReadableGeneration[], batchSize: number) {
    this.#pages = pages;
    this.#generations = generations;
    this.#batchSize = batchSize;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Mutation[]> {
    const ordered = this.#pages.isSorted ? sorted : (batch: Mutation[]) => batch;
    let rows: Mutation[] = [];
    for (const generation of this.#generations) {
      for await (const page of this.#pages.read(generation)) {
        if (page.missing.length > 0) this.#miss(generation.lane, page.missing);
        rows.push(...page.rows);
        while (rows.length >= this.#batchSize) {
          yield ordered(rows.slice(0, this.#batchSize));
          rows = rows.slice(this.#batchSize);
        }
      }
    }
    if (rows.length > 0) yield ordered(rows);
  }

  #miss(lane: number, names: readonly string[]): void {
    this.missing.set(lane, [...(this.missing.get(lane) ?? []), ...names]);
  }
}

/** No key comes twice. */
const sorted = (rows: Mutation[]): Mutation[] => rows.sort((a, b) => (a.key < b.key ? -1 : 1));
