import type { GenerationRow } from '../../core/lane-flush.ts';
import { laneOf } from '../../core/lane-of.ts';
import { TOMBSTONE } from '../../core/slot.ts';
import type { Mutation } from '../../ports/store.ts';
import { untilAborted } from '../base/abort.ts';
import type { Level } from '../base/level.ts';
import { READ_KEYS_MAX } from '../base/settings.ts';
import type { GenerationPage } from '../flushing/generation-pages.ts';
import { type Receipt, STORED_RECEIPT } from '../lanes/receipt.ts';
import type { Caller } from '../writing/caller.ts';
import { DirectWriter } from '../writing/direct-writer.ts';
import { DocumentCaller } from './document-batch.ts';
import { DocumentSteps } from './document-steps.ts';
import { keyedPages } from './pages.ts';
import type { PlugParts, ShapePlug, Ways } from './plug.ts';
import { BY_KEY, QueuedWays } from './queued-ways.ts';
import { Reader } from './reader.ts';

/** Documents by key: the last value of each is what counts. */
export const documents: ShapePlug<DocumentWays> = {
  pages: ({ front }) => ({
    isSorted: true,
    async *read({ lane, epoch, generation }) {
      const read = (cursor: string) => front.readGeneration(lane, epoch, generation, cursor, READ_KEYS_MAX);
      const keyOf = ({ key }: GenerationRow): string => key;
      const rowOf = (row: GenerationRow): GenerationRow => row;
      for await (const rows of keyedPages(lane, { read, keyOf, rowOf, isAhead: true })) yield pageOf(lane, rows);
    },
  }),
  open: (parts) =>
    parts.context.settings.policy === 'write-behind' ? new LaneDocuments(parts) : new DirectDocuments(parts),
};

/** The ways of documents, whatever the policy. */
export interface DocumentWays extends Ways {
  readonly reader: Reader;
  /** Writes, and resolves when the front has it at `ack`, or store and front have it. `json` undefined deletes. */
  write(key: string, json: string | undefined, ttlMs: number | undefined, level: Level): Promise<Receipt>;
}

/** Write-behind: through the lanes. */
class LaneDocuments extends QueuedWays<DocumentCaller> implements DocumentWays {
  readonly reader: Reader;
  readonly #lanes: number;

  constructor(parts: PlugParts) {
    const { context, hooks } = parts;
    super(parts, new DocumentSteps(context, hooks), BY_KEY);
    this.#lanes = context.settings.lanes;
    this.reader = new Reader(context, (lane) => hooks.recover(lane));
  }

  write(key: string, json: string | undefined, ttlMs: number | undefined, { ack, signal }: Level): Promise<Receipt> {
    const lane = laneOf(key, this.#lanes);
    const slot = json ?? TOMBSTONE;
    if (signal !== undefined) {
      const make = (resolve: (receipt: Receipt) => void, reject: Caller['reject']) =>
        new DocumentCaller(key, slot, ttlMs, ack, resolve, reject);
      return this.askWithSignal(lane, signal, make);
    }
    return new Promise((resolve, reject) =>
      this.queues.ask(lane, new DocumentCaller(key, slot, ttlMs, ack, resolve, reject)),
    );
  }
}

/** Write-through and cache-aside: past the lanes. */
class DirectDocuments implements DocumentWays {
  readonly reader: Reader;
  readonly #writer: DirectWriter;
  readonly #cache: string;

  constructor({ context, hooks }: PlugParts) {
    this.#cache = context.settings.name;
    this.reader = new Reader(context, (lane) => hooks.recover(lane));
    this.#writer = new DirectWriter(context, (lane) => hooks.recover(lane));
  }

  write(key: string, json: string | undefined, ttlMs: number | undefined, { signal }: Level): Promise<Receipt> {
    const written = this.#writer.write(key, json, ttlMs).then(() => STORED_RECEIPT);
    return untilAborted(written, signal, this.#cache, key);
  }

  idle(): Promise<void> {
    return this.#writer.idle();
  }

  /** Nothing waits for room. */
  sent(): Promise<void> {
    return Promise.resolve();
  }

  turnAway(): void {
    // Nobody waits for room.
  }
}

/** A value that was removed behind the lane's back is missing. */
function pageOf(lane: number, rows: readonly GenerationRow[]): GenerationPage {
  const mutations: Mutation[] = [];
  const missing: string[] = [];
  for (const { key, raw } of rows) {
    if (raw === undefined) missing.push(key);
    else mutations.push({ lane, key, json: raw === TOMBSTONE ? undefined : raw });
  }
  return { rows: mutations, missing };
}
