import type { EpochStart, Fence } from '../core/lane.ts';
import type { Clock } from './clock.ts';

/** What `postgresStore` returns, and what a custom store is wrapped into. It opens nothing until a cache attaches. */
export interface Store {
  readonly kind: string;
  readonly capabilities: StoreCapabilities;
  /**
   * What it shares with stores that are down when it is down, such as a connection pool: their caches have one breaker in
   * a process. Default: the store itself.
   */
  readonly origin?: object;
  /**
   * Connects if need be and checks table, columns, key and the cache's lane count. Rejects with a `MillraceError`:
   * MILLRACE_STORE_UNAVAILABLE, MILLRACE_STORE_SCHEMA or MILLRACE_LANES.
   */
  attach(attachment: StoreAttachment): Promise<LaneStore>;
}

export interface StoreCapabilities {
  /**
   * Whether a generation, its fence and its dead letters are committed together. Without it a generation may be
   * applied more than once, and a worker that slept through its lease can still write: only what an absolute value
   * survives is promised, and counters and logs are refused.
   */
  readonly transactions: boolean;
  /** Whether rejected rows are kept with the store's data. Without it a rejected row stops its lane. */
  readonly deadLetters: boolean;
}

export interface StoreAttachment {
  readonly cache: string;
  readonly lanes: number;
  readonly clock: Clock;
  /** Whether lanes are flushed into it: fences and dead letters are needed. */
  readonly writeBehind: boolean;
  readonly onWarning: (message: string) => void;
}

/** One key's new value; `json` undefined deletes the row. */
export interface Mutation {
  readonly lane: number;
  readonly key: string;
  readonly json: string | undefined;
}

/** One lane's generation in a flush, with the fence that it moves from and to. */
export interface LaneGeneration {
  readonly lane: number;
  readonly epoch: number;
  /** The fence's generation must be `generation - 1`. */
  readonly generation: number;
  /** Seqs of its mutations and of its cut. */
  readonly fromSeq: number;
  readonly cutSeq: number;
  readonly digest: string;
}

/** Generations of one or more lanes that are committed together. */
export interface Flush {
  readonly lanes: readonly LaneGeneration[];
  /** Rows of one statement each, sorted by key, a key at most once in the whole flush. Can be read once. */
  readonly batches: AsyncIterable<readonly Mutation[]>;
}

export interface DeadMutation {
  readonly lane: number;
  readonly key: string;
  /** The store's code (an SQLSTATE) and a message without row values. */
  readonly code: string;
  readonly message: string;
}

export type ApplyResult =
  /** Committed. `rows` were written or deleted in `statements` statements; `dead` were refused and kept. */
  | { readonly kind: 'applied'; readonly rows: number; readonly statements: number; readonly dead: readonly DeadMutation[] }
  /** Nothing was committed, because these lanes' fences are not where the flush expected them. */
  | { readonly kind: 'fenced'; readonly lanes: readonly FencedLane[] };

/**
 * `applied`: the same generation and digest is there already. `superseded`: a higher epoch, another worker has the
 * lane. `diverged`: anything else.
 */
export interface FencedLane {
  readonly lane: number;
  readonly verdict: 'applied' | 'superseded' | 'diverged';
  readonly fence: Fence | undefined;
}

/**
 * One cache's part of a store. Methods reject with a `MillraceError` whose code is the class of the fault:
 * MILLRACE_STORE_UNAVAILABLE (transient, or the outcome of a commit is not known: try again, the fence decides),
 * MILLRACE_STORE_SCHEMA (configuration: an operator is needed), MILLRACE_REJECTED (a row was refused).
 */
export interface LaneStore {
  /** Why the store cannot hold this key or value, or undefined. Called before a write is acknowledged; no I/O. */
  checkKey(key: string): string | undefined;
  checkValue(json: string): string | undefined;

  /** JSON text by key; keys without a row are missing. */
  load(keys: readonly string[]): Promise<Map<string, string>>;
  /** Writes rows of distinct keys in one atomic statement each for puts and deletes, outside any lane. */
  commit(mutations: readonly Mutation[]): Promise<void>;

  /**
   * Raises a lane's epoch above its last and above `above`, which a front remembers after the store forgot it, and returns
   * the fence after that; who had the lane before cannot commit any more.
   */
  raiseEpoch(lane: number, above?: number): Promise<Fence>;
  /**
   * Moves the fence of a lane to where the front is, if `epoch` is still the lane's last: what the store lost in between
   * is given up. False, and nothing moved, when a higher epoch was issued meanwhile.
   */
  moveFence(lane: number, epoch: number, to: Pick<Fence, 'generation' | 'seq'>): Promise<boolean>;
  /**
   * Records where epochs began, if `epoch` is still the lane's last; false, and nothing recorded, when a higher one was
   * issued meanwhile. {@link raiseEpoch} gives them back in the fence.
   */
  beginEpoch(lane: number, epoch: number, epochs: readonly EpochStart[]): Promise<boolean>;
  apply(flush: Flush): Promise<ApplyResult>;

  readonly deadLetters: DeadLetterStore | undefined;
  /** Lets go of what this cache holds; a pool or client that was passed in stays open. */
  close(): Promise<void>;
}

export interface DeadLetter {
  readonly id: string;
  readonly cache: string;
  readonly lane: number;
  readonly key: string;
  readonly kind: 'put' | 'delete';
  /** The refused value as JSON text; undefined for a delete. */
  readonly json: string | undefined;
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  /** The generation that it was in, and the seqs of that. */
  readonly generation: number;
  readonly fromSeq: number;
  readonly cutSeq: number;
  readonly createdAt: Date;
}

export interface DeadLetterStore {
  list(page: { readonly limit: number; readonly after?: string | undefined }): Promise<DeadLetter[]>;
  get(id: string): Promise<DeadLetter | undefined>;
  /** The latest of the key. */
  ofKey(key: string): Promise<DeadLetter | undefined>;
  /** The one of the key in the generation that holds `seq`. */
  ofWrite(key: string, seq: number): Promise<DeadLetter | undefined>;
  /** What was refused of a generation whose answer somebody else got, or nobody. */
  ofGeneration(lane: number, generation: number): Promise<DeadLetter[]>;
  /** Removes letters; returns how many there were. */
  remove(ids: readonly string[]): Promise<number>;
  count(): Promise<number>;
}
