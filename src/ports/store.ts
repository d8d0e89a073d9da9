import type { FenceVerdict } from '../core/fence.ts';
import type { EpochStart, Fence } from '../core/lane.ts';
import type { Judge, LetterState } from '../core/letter.ts';
import type { Holds, MutationKind, NamedKind, Shape } from '../core/shape.ts';
import type { Clock } from './clock.ts';
import type { Examination, Finding } from './finding.ts';
import type { ShapeLoads } from './shapes.ts';

/**
 * The port of the database behind a cache: what the engine asks of a store, and what a store tells.
 *
 * A {@link Store} is what users make. A cache that attaches to it gets an {@link AttachedStore}: its rows
 * ({@link RowStore}), and a part for each thing that only some caches need: {@link LaneStore} to be flushed into,
 * {@link TotalsStore} for counters, {@link ScoresStore} for leaderboards. What a store cannot do is a part that is
 * missing, never a method that fails.
 */

/** What `postgresStore` returns, and what a custom store is wrapped into. It opens nothing until a cache attaches. */
export interface Store {
  /** Its kind, for reports: 'postgres', 'pglite', 'custom', 'memory'. */
  readonly kind: string;
  /** What it can do. */
  readonly capabilities: StoreCapabilities;
  /** What it can be the store of; default documents. */
  readonly holds?: Holds;
  /**
   * What it shares with stores that are down when it is down, such as a connection pool: their caches have one breaker
   * in a process. Default: the store itself.
   */
  readonly origin?: object;
  /**
   * Connects if need be and checks table, columns, key and the cache's lane count. Rejects with a `MillraceError`:
   * MILLRACE_STORE_UNAVAILABLE, MILLRACE_STORE_SCHEMA or MILLRACE_LANES.
   */
  attach(attachment: StoreAttachment): Promise<AttachedStore>;
  /**
   * Looks at everything on which its promises depend, also where a cache could not attach. Where it cannot be reached
   * it rejects with what {@link attach} rejects with.
   */
  examine?(examination: Examination): Promise<Finding[]>;
}

/** What a store can do. */
export interface StoreCapabilities {
  /**
   * Whether a generation, its fence and its dead letters are committed together: its lanes have `fences`. Without it a
   * generation may be applied more than once, and a worker that slept through its lease can still write: only what an
   * absolute value survives is promised, and counters, logs and leaderboards are refused.
   */
  readonly transactions: boolean;
  /**
   * Whether rejected rows are kept with the store's data: its lanes have `deadLetters`. Without it a rejected row stops
   * its lane.
   */
  readonly deadLetters: boolean;
}

export interface StoreAttachment {
  readonly cache: string;
  readonly lanes: number;
  /** What the cache holds; default documents. */
  readonly shape?: Shape;
  readonly clock: Clock;
  /** Whether lanes are flushed into it: {@link AttachedStore.lanes} is needed. */
  readonly writeBehind: boolean;
  readonly onWarning: (message: string) => void;
}

/**
 * One key's new value; `json` undefined deletes the row. With a `kind` it is what a counter goes up by, as decimal
 * text, or an event of a log, as `[order, event]`; `key` then names the event by its seq.
 */
export interface Mutation {
  readonly lane: number;
  readonly key: string;
  readonly json: string | undefined;
  readonly kind?: NamedKind;
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
  /**
   * Whether the lane may have letters: those of the generation's keys are superseded by it. Costs nothing when false.
   */
  readonly letters: boolean;
}

/** Generations of one or more lanes that are committed together. */
export interface Flush {
  readonly lanes: readonly LaneGeneration[];
  /** Rows of one statement each, sorted by key, a key at most once in the whole flush. Can be read once. */
  readonly batches: AsyncIterable<readonly Mutation[]>;
  /** Decides what becomes of a row that is refused. */
  readonly judge: Judge;
}

/** A row that was refused and has a letter now. */
export interface RefusedMutation {
  /** Of its letter. */
  readonly id: string;
  readonly lane: number;
  readonly key: string;
  /** The store's code (an SQLSTATE) and a message without row values. */
  readonly code: string;
  readonly message: string;
  readonly state: 'waiting' | 'dead';
}

export type ApplyResult =
  /**
   * Committed. `rows` were written or deleted in `statements` statements; `refused` are kept as letters; `superseded`
   * letters that waited gave way to a later write of their key.
   */
  | {
      readonly kind: 'applied';
      readonly rows: number;
      readonly statements: number;
      readonly refused: readonly RefusedMutation[];
      readonly superseded: number;
    }
  /** Nothing was committed, because these lanes' fences are not where the flush expected them. */
  | { readonly kind: 'fenced'; readonly lanes: readonly FencedLane[] };

export interface FencedLane {
  readonly lane: number;
  readonly verdict: FenceVerdict;
  readonly fence: Fence | undefined;
}

/** The letters as they are after a retry; `fenced`: nothing was committed, because another epoch has the lane. */
export type RetryResult =
  | { readonly kind: 'retried'; readonly letters: readonly DeadLetter[] }
  | { readonly kind: 'fenced' };

/**
 * One cache's part of a store: its rows, and what else the cache can have of it. Methods of all parts reject with a
 * `MillraceError` whose code is the class of the fault:
 * MILLRACE_STORE_UNAVAILABLE (transient, or the outcome of a commit is not known: try again, the fence decides),
 * MILLRACE_STORE_SCHEMA (configuration: an operator is needed), MILLRACE_REJECTED (a row was refused).
 */
export interface AttachedStore extends RowStore, ShapeLoads {
  /** Where lanes can be flushed into it, and {@link StoreAttachment.writeBehind} asked for that. */
  readonly lanes?: LaneStore | undefined;
  /** Lets go of what this cache holds; a pool or client that was passed in stays open. */
  close(): Promise<void>;
}

/** Rows by key. All that a cache needs which writes through, or aside. */
export interface RowStore {
  /** Why the store cannot hold this key or value, or undefined. Called before a write is acknowledged; no I/O. */
  checkKey(key: string): string | undefined;
  checkValue(json: string): string | undefined;

  /** JSON text by key; keys without a row are missing. */
  load(keys: readonly string[]): Promise<Map<string, string>>;
  /**
   * Writes rows of distinct keys in one atomic statement each for puts and deletes, outside any lane; supersedes
   * letters.
   */
  commit(mutations: readonly Mutation[]): Promise<void>;
}

/** What lanes are flushed into. */
export interface LaneStore {
  /**
   * Commits generations with their fences, all or none. A row that is refused becomes a letter in the same commit and
   * does not take its neighbours along. Where more are refused than can be told apart in a bounded time, whole batches
   * become waiting letters without an attempt used up, due at once.
   *
   * Without fences or letters there is less: batches are stored as they come, and a row that is refused rejects.
   */
  apply(flush: Flush): Promise<ApplyResult>;
  /** Of a store with {@link StoreCapabilities.transactions}. */
  readonly fences?: FenceStore | undefined;
  /** Of a store with {@link StoreCapabilities.deadLetters}. */
  readonly deadLetters?: DeadLetterStore | undefined;
}

/** The fences of a cache's lanes. */
export interface FenceStore {
  /**
   * Raises a lane's epoch above its last and above `above`, which a front remembers after the store forgot it, and
   * returns the fence after that; who had the lane before cannot commit any more.
   */
  raiseEpoch(lane: number, above?: number): Promise<Fence>;
  /**
   * Moves the fence of a lane to where the front is, if `epoch` is still the lane's last: what the store lost in
   * between is given up. False, and nothing moved, when a higher epoch was issued meanwhile.
   */
  moveFence(lane: number, epoch: number, to: Pick<Fence, 'generation' | 'seq'>): Promise<boolean>;
  /**
   * Records where epochs began, if `epoch` is still the lane's last; false, and nothing recorded, when a higher one was
   * issued meanwhile. {@link raiseEpoch} gives them back in the fence.
   */
  beginEpoch(lane: number, epoch: number, epochs: readonly EpochStart[]): Promise<boolean>;
}

/** A row that the store refused, as the store keeps it. */
export interface DeadLetter {
  /** Names it in its store; ids grow with time. */
  readonly id: string;
  /** Name of the cache. */
  readonly cache: string;
  /** Lane of the key, from 0. */
  readonly lane: number;
  /** Key of the row; of an event, what names the event. */
  readonly key: string;
  /** What the write was to do. */
  readonly kind: MutationKind;
  /** Whether it is tried again. */
  readonly state: LetterState;
  /** The refused value as JSON text; undefined for a delete, and for a letter that is finished. */
  readonly json: string | undefined;
  /** The store's code, an SQLSTATE where there is one. */
  readonly code: string;
  /** The store's reason, without the row's values. */
  readonly message: string;
  /** Attempts used up. */
  readonly attempts: number;
  /** How often it was tried again; a redrive leaves it. */
  readonly tries: number;
  /** Epoch that tried it again last; undefined when none did. Only who had that epoch counts what became of it. */
  readonly triedIn: number | undefined;
  /** When it is tried again, by the store's clock; undefined unless it waits. */
  readonly retryAt: Date | undefined;
  /** Since when the store has a later write of the key; undefined when it has none. */
  readonly supersededAt: Date | undefined;
  /** Number of the generation that it was in. */
  readonly generation: number;
  /** First sequence number of that generation. */
  readonly fromSeq: number;
  /** Last sequence number of that generation. */
  readonly cutSeq: number;
  /** When it was refused for the first time, by the store's clock. */
  readonly createdAt: Date;
}

/** Letters of a lane that are due, at most as many as were asked for. */
export interface DueLetters {
  /** Oldest due first, distinct keys. */
  readonly letters: readonly DeadLetter[];
  /** Until the next is due that waits, by the store's clock; 0 or less when one is; undefined when none waits. */
  readonly nextInMs: number | undefined;
  /** Whether the lane has letters at all, finished ones included. */
  readonly any: boolean;
}

/** How many letters there are. */
export interface LetterCounts {
  /** Tried again. */
  readonly waiting: number;
  /** Dead, and the latest word on their key. */
  readonly dead: number;
  /** Dead, with a later write of their key in the store. */
  readonly superseded: number;
}

/** `revived`: it was dead. `superseded`: the store has a later write of its key, or a later letter; it was removed. */
export type RedriveResult =
  | { readonly kind: 'waiting'; readonly lane: number; readonly revived: boolean }
  | { readonly kind: 'superseded' };

/**
 * The letters of a cache. `list`, `get`, `ofKey` and `count` know those that wait or are dead. A finished one is kept
 * for `FINISHED_KEPT_MS` (`core/letter.ts`) at least, and until a generation of its lane is committed, for those who
 * wait for it.
 */
export interface DeadLetterStore {
  list(page: {
    readonly limit: number;
    readonly after?: string | undefined;
    readonly state?: 'waiting' | 'dead' | undefined;
  }): Promise<DeadLetter[]>;
  get(id: string): Promise<DeadLetter | undefined>;
  /** The latest of the key. */
  ofKey(key: string): Promise<DeadLetter | undefined>;
  count(): Promise<LetterCounts>;

  /** Those of the given ids that there are, in any state. */
  find(ids: readonly string[]): Promise<DeadLetter[]>;
  /** The one of the key in the generation that holds `seq`, in any state. */
  ofWrite(key: string, seq: number): Promise<DeadLetter | undefined>;
  /** What was refused of a generation whose answer somebody else got, or nobody; in any state. */
  ofGeneration(lane: number, generation: number): Promise<DeadLetter[]>;
  due(lane: number, limit: number): Promise<DueLetters>;
  /** Keys of the lane that retries stored lately: what the front has of them may be older. */
  storedKeys(lane: number): Promise<string[]>;
  /**
   * Writes the rows of waiting letters of a lane, distinct keys, in one transaction, if `epoch` is still the lane's
   * last. A letter that does not wait any more, or has other {@link DeadLetter.tries} than the one given, is left
   * alone: an attempt that is carried out late must not count for a letter that was tried, and redriven, since.
   */
  retry(lane: number, epoch: number, letters: readonly DeadLetter[], judge: Judge): Promise<RetryResult>;

  /** Makes a letter wait and due at once, with all attempts before it. Undefined: there is no such letter. */
  redrive(id: string): Promise<RedriveResult | undefined>;
  /** Removes the value of a letter for good; returns the state that it was in. Undefined: there is no such letter. */
  discard(id: string): Promise<'waiting' | 'dead' | undefined>;
}
