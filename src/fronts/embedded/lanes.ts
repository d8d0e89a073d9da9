import type { SyncLevel } from '../../core/acks.ts';
import type { LaneTable } from '../../core/lane.ts';

/** A lane's table in an embedded front, open in one step. */
export interface EmbeddedTable extends LaneTable {
  /** Whether the lane was recovered or adopted under the front's present run id. Cheaper than reading the header. */
  isCurrent(): boolean;
}

/** One cache's lanes in an embedded front: where the pure steps of `core/lane-*.ts` run. */
export interface EmbeddedLanes {
  /**
   * Runs a step in a transaction and resolves when it is committed; steps run in the order of the calls.
   * `keys` tells how much work it is. Rejects with MILLRACE_FRONT_UNAVAILABLE, and then nothing was written or it is
   * not known.
   */
  step<T>(lane: number, keys: number, run: (table: EmbeddedTable, runId: string) => T): Promise<T>;
  /** Reads what is committed now, without a transaction of its own and without waiting for steps. */
  view<T>(lane: number, run: (table: EmbeddedTable, runId: string) => T): T;
  /** See `LaneFront.sync`. */
  sync(level: SyncLevel): Promise<void>;
  close(): Promise<void>;
}
