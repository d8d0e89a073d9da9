import type { SyncLevel } from '../../core/acks.ts';
import type { LaneEnv, LaneTable } from '../../core/lane.ts';
import { MillraceError } from '../../errors.ts';
import type { EmbeddedLanes, EmbeddedTable } from './lanes.ts';

/** UTF-8 bytes that a key may have: what the embedded fronts' tables are laid out for. */
const KEY_BYTES_MAX = 512;

/** Runs pure steps on the tables of one cache's lanes, until it is closed. */
export class EmbeddedSteps {
  readonly #lanes: EmbeddedLanes;
  readonly #cache: string;
  #closed: Promise<void> | undefined;

  constructor(lanes: EmbeddedLanes, cache: string) {
    this.#lanes = lanes;
    this.#cache = cache;
  }

  /** Reads what is committed. */
  view<T>(lane: number, run: (table: EmbeddedTable, runId: string) => T): T {
    this.#checkOpen();
    return this.#lanes.view(lane, run);
  }

  /** A step about these keys. */
  async step<T>(lane: number, keys: readonly string[], run: (table: LaneTable, env: LaneEnv) => T): Promise<T> {
    this.#checkOpen();
    // Before the step: one that failed half way could leave the half.
    this.checkKeys(keys);
    return this.#lanes.step(lane, keys.length + 1, (table, runId) => run(table, envOf(table, runId)));
  }

  /** A step that does not believe what the header says; `size` tells how much work it is. */
  raw<T>(lane: number, size: number, run: (table: EmbeddedTable, runId: string) => T): Promise<T> {
    this.#checkOpen();
    return this.#lanes.step(lane, size, run);
  }

  sync(level: SyncLevel): Promise<void> {
    this.#checkOpen();
    return this.#lanes.sync(level);
  }

  checkKeys(keys: readonly string[]): void {
    for (const key of keys) {
      if (key.length * 3 <= KEY_BYTES_MAX && key !== '') continue;
      if (key !== '' && Buffer.byteLength(key) <= KEY_BYTES_MAX) continue;
      throw new MillraceError('MILLRACE_KEY', `a key has 1 to ${KEY_BYTES_MAX} bytes in UTF-8`, {
        cache: this.#cache,
        key,
      });
    }
  }

  #checkOpen(): void {
    if (this.#closed !== undefined)
      throw new MillraceError('MILLRACE_CLOSED', 'the cache is closed', { cache: this.#cache });
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#lanes.close());
  }
}

/** The lane as it is, if it was recovered under the present run; otherwise an environment that no step accepts. */
export function envOf(table: LaneTable, runId: string): LaneEnv {
  return { runId, incarnation: table.readHeader()?.incarnation ?? '' };
}
