import type { AckLevel, SyncLevel } from '../core/acks.ts';
import type { Fence, LaneHeader, Unrecovered } from '../core/lane.ts';
import type { Acknowledgement, AcknowledgeResult, ClaimResult, CutResult, ReadResult } from '../core/lane-flush.ts';
import type { AdoptResult, ConfirmResult, RecoverResult } from '../core/lane-recover.ts';
import type { SlotsDone, SlotsResult } from '../core/lane-slots.ts';
import type { WriteBatch, WriteResult } from '../core/lane-write.ts';
import type { Shape } from '../core/shape.ts';
import type { Clock } from './clock.ts';
import type { Examination, Finding } from './finding.ts';
import type { Random } from './random.ts';
import type { ShapeFronts } from './shapes.ts';

/** What `redisFront`, `lmdbFront` and `memoryFront` return. It opens nothing until a cache attaches. */
export interface Front {
  /** Its kind, for reports: 'redis', 'lmdb', 'memory'. */
  readonly kind: string;
  /** What it can do. */
  readonly capabilities: FrontCapabilities;
  /**
   * Connects if need be, checks the server and the cache's lane count, and returns the cache's part of the front.
   * Rejects with a `MillraceError`: MILLRACE_FRONT_UNAVAILABLE, MILLRACE_FRONT_SETTINGS, MILLRACE_LANES or
   * MILLRACE_ACK.
   */
  attach(attachment: Attachment): Promise<LaneFront>;
  /**
   * Looks at everything on which its promises depend, also where a cache could not attach. Rejects with what {@link
   * attach} rejects with where it cannot be reached.
   */
  examine?(examination: Examination): Promise<Finding[]>;
}

/** What a front can do. */
export interface FrontCapabilities {
  /** Levels that this kind of front can give; a server's settings may take some away, which `attach` tells. */
  readonly acks: readonly AckLevel[];
  /** The level of a write that asks for none. */
  readonly defaultAck: AckLevel;
  /** Whether what it holds outlives the process. */
  readonly durable: boolean;
  /** Whether several processes can use it at the same time. */
  readonly shared: boolean;
}

export interface Attachment {
  readonly cache: string;
  readonly lanes: number;
  /** What the cache holds; default documents. Lanes that exist with another shape are refused with MILLRACE_OPTIONS. */
  readonly shape?: Shape;
  /** Levels the cache is going to use; one that the server cannot give is refused with MILLRACE_ACK. */
  readonly acks: readonly AckLevel[];
  readonly clock: Clock;
  readonly random: Random;
  /** Whether settings matter that only write-behind depends on (an eviction policy, say). */
  readonly writeBehind: boolean;
  /** Told when a connection was lost and is back: what was known about the lanes is to be checked again. */
  readonly onReconnect: () => void;
  readonly onWarning: (message: string) => void;
}

/** The lane is not in the state that this process last saw; it must be recovered (or adopted) first. */
export const UNRECOVERED: unique symbol = Symbol('unrecovered');

/**
 * One cache's lanes in a front: the steps that every shape has, and those of each. A method is one atomic step of the
 * lane protocol, described at the function of the same name in `core/lane-*.ts`; results are theirs. The front
 * remembers the run id and the incarnation that it last saw of each lane, passes them to every step, and learns them
 * anew when another process recovered the lane; `unrecovered` comes out only when nobody has. Steps on one lane take
 * effect in the order of the calls.
 *
 * A step rejects with MILLRACE_FRONT_UNAVAILABLE when its outcome is not known; it is never sent twice.
 */
export interface LaneFront extends CommonFront, ShapeFronts {}

/** The steps that every shape has; of slots, those that have any. */
export interface CommonFront {
  /** Raw slot, `undefined` when empty. See `core/slot.ts`. */
  read(lane: number, key: string): Promise<string | undefined | typeof UNRECOVERED>;
  /** Raw slots in the order of `keys`; `lanes[i]` is the lane of `keys[i]`. */
  readMany(lanes: readonly number[], keys: readonly string[]): Promise<(string | undefined)[] | typeof UNRECOVERED>;
  /** Raw slot with the ms it still has to live; `undefined` for one that does not expire. */
  readWithTtl(
    lane: number,
    key: string,
  ): Promise<{ raw: string | undefined; ttlMs: number | undefined } | typeof UNRECOVERED>;

  write(lane: number, batch: WriteBatch): Promise<WriteResult>;

  beginFill(lane: number, keys: readonly string[], token: string, tokenMs: number): Promise<SlotsResult>;
  beginRefresh(lane: number, keys: readonly string[], token: string): Promise<SlotsResult>;
  endFill(
    lane: number,
    keys: readonly string[],
    token: string,
    loaded: readonly (string | undefined)[],
    ttlMs: number | undefined,
  ): Promise<SlotsResult>;
  beginIntent(lane: number, keys: readonly string[], token: string, intentMs: number): Promise<SlotsDone>;
  finishIntent(
    lane: number,
    keys: readonly string[],
    token: string,
    committed: readonly (string | undefined)[],
    ttlMs: readonly (number | undefined)[],
  ): Promise<SlotsDone>;
  /** Of a leaderboard: `doubtScores`. */
  invalidate(lane: number, keys: readonly string[]): Promise<SlotsDone>;

  claim(lane: number, owner: string, leaseMs: number): Promise<ClaimResult>;
  release(lane: number, owner: string): Promise<void>;
  requestFlush(
    lane: number,
  ): Promise<{ readonly kind: 'requested'; readonly seq: number; readonly header: LaneHeader } | Unrecovered>;
  cut(lane: number, epoch: number, digest: string): Promise<CutResult>;
  readGeneration(lane: number, epoch: number, generation: number, cursor: string, limit: number): Promise<ReadResult>;
  acknowledge(lane: number, ack: Acknowledgement): Promise<AcknowledgeResult>;

  /**
   * The lane as it is, recovered or not; `undefined` when the front does not know it. `current`: no recovery is due.
   */
  header(lane: number): Promise<{ readonly header: LaneHeader | undefined; readonly current: boolean }>;
  recover(
    lane: number,
    recovery: {
      readonly fence: Fence;
      readonly owner: string;
      readonly leaseMs: number;
      readonly tentative?: boolean;
      readonly forget?: boolean;
    },
  ): Promise<RecoverResult>;
  confirm(lane: number, epoch: number): Promise<ConfirmResult>;
  /**
   * Resolves when nobody can read any more what earlier recoveries made the lane forget. Takes as long as a walk over
   * all keys.
   */
  swept(lane: number): Promise<void>;
  adopt(lane: number): Promise<AdoptResult>;

  /**
   * Resolves when every step that was acknowledged before the call is durable at `level`; rejects with MILLRACE_ACK
   * when the server did not confirm it.
   */
  sync(level: SyncLevel, lane: number): Promise<void>;
  inspect(lane: number, key: string): Promise<SlotReport>;
  /** Lets go of what this cache holds; the last cache of a front closes its connections. */
  close(): Promise<void>;
}

/** What a front knows of one key. */
export interface SlotReport {
  /** Of a member of a leaderboard: its weight. */
  readonly raw: string | undefined;
  readonly ttlMs: number | undefined;
  readonly pending: boolean;
  /** In the generation that is being flushed. */
  readonly inFlight: boolean;
  readonly header: LaneHeader | undefined;
}
