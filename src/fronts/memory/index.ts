/**
 * A front in this process, which dies with it.
 *
 * @module millrace/memory
 */
import type { Attachment, Front, FrontCapabilities, LaneFront } from '../../ports/front.ts';
import { checkAcks, checkLanes } from '../embedded/checks.ts';
import { embeddedFront } from '../embedded/lane-front.ts';
import type { EmbeddedLanes } from '../embedded/lanes.ts';
import { Sweeper } from '../embedded/sweeper.ts';
import { MemoryTable } from './memory-table.ts';

const CAPABILITIES: FrontCapabilities = { acks: ['buffered'], defaultAck: 'buffered', durable: false, shared: false };
/** Keys that one part of a sweep looks at: well under a millisecond. */
const SWEEP_KEYS_MAX = 1_000;

/**
 * A front in the memory of the process. `buffered` is the only level, and what it acknowledged dies with the process;
 * other levels are refused with MILLRACE_ACK when a cache attaches. Caches that use the same front object and name
 * share their state, which lives as long as the front object does. It has no limit of its own: writes are bounded by
 * the cache's backpressure, values by their expiry.
 */
export function memoryFront(): Front {
  const caches = new Map<string, MemoryCache>();
  let runId = '';
  return {
    kind: 'memory',
    capabilities: CAPABILITIES,
    async attach(attachment: Attachment): Promise<LaneFront> {
      checkAcks(
        attachment,
        CAPABILITIES,
        "a front in memory dies with its process, so it gives 'buffered' only; use the LMDB or the Redis front",
      );
      if (runId === '') runId = attachment.random.token();
      let cache = caches.get(attachment.cache);
      if (cache === undefined) caches.set(attachment.cache, (cache = new MemoryCache(runId)));
      checkLanes(attachment, cache.headers());
      return embeddedFront(cache.attach(attachment), attachment);
    },
  };
}

/** One cache's tables, shared by all who attach to it. */
class MemoryCache {
  readonly #runId: string;
  readonly #tables = new Map<number, MemoryTable>();
  readonly #sweeper = new Sweeper((nowMs) => this.#sweep(nowMs));

  constructor(runId: string) {
    this.#runId = runId;
  }

  *headers() {
    for (const table of this.#tables.values()) yield table.readHeader();
  }

  attach({ clock }: Attachment): EmbeddedLanes {
    const run: EmbeddedLanes['view'] = (lane, step) => {
      const table = this.#table(lane);
      table.nowMs = clock.now();
      return step(table, this.#runId);
    };
    const stop = this.#sweeper.use(clock);
    return {
      step: async (lane, _keys, step) => run(lane, step),
      view: run,
      // No level that could be synced to gets through `attach`.
      sync: async () => undefined,
      close: async () => stop(),
    };
  }

  #table(lane: number): MemoryTable {
    let table = this.#tables.get(lane);
    if (table === undefined)
      this.#tables.set(lane, (table = new MemoryTable(this.#runId, (atMs) => this.#sweeper.due(atMs))));
    return table;
  }

  #sweep(nowMs: number): { more: boolean; nextAtMs: number | undefined } {
    let left = SWEEP_KEYS_MAX;
    let nextAtMs = Number.POSITIVE_INFINITY;
    for (const table of this.#tables.values()) {
      const swept = table.sweep(nowMs, left);
      left -= swept.looked;
      nextAtMs = Math.min(nextAtMs, swept.nextAtMs);
    }
    return { more: nextAtMs <= nowMs, nextAtMs: Number.isFinite(nextAtMs) ? nextAtMs : undefined };
  }
}
