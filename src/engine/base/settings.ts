import type { AckLevel } from '../../core/acks.ts';
import type { Shape } from '../../core/shape.ts';

/** A cache's options, parsed: every default filled in, every span in milliseconds. */
export interface Settings {
  readonly name: string;
  readonly policy: 'write-behind' | 'write-through' | 'cache-aside';
  readonly lanes: number;
  /** What the cache holds; its policy is write-behind unless it holds documents. */
  readonly shape: Shape;
  /** Largest total of a counter, in its smallest unit. */
  readonly sumMax: bigint;
  /** How long one operation waits for a leaderboard to be loaded. */
  readonly loadWaitMs: number;
  readonly ttlMs: number | undefined;
  readonly ack: AckLevel;
  /** undefined: other processes flush. */
  readonly flush: FlushSettings | undefined;
  readonly retry: RetrySettings;
  readonly backpressure: BackpressureSettings;
  readonly refreshAhead: number | undefined;
  readonly maxValueBytes: number;
}

export interface FlushSettings {
  readonly maxDelayMs: number;
  /** Rows of one statement: fewest that are waited for, and most. */
  readonly batchSize: number;
  readonly batchSizeMax: number;
  readonly concurrency: number;
  readonly leaseMs: number;
}

export interface RetrySettings {
  readonly attempts: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

export interface BackpressureSettings {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly onFull: 'wait' | 'reject' | 'write-through';
  /** How many writes may wait for room, with how many bytes, and for how long. */
  readonly maxWaiters: number;
  readonly maxWaitingBytes: number;
  readonly maxWaitMs: number;
}

/** Largest key, in bytes of UTF-8. LMDB's limit on keys leaves room for this and the lane's name. */
export const KEY_BYTES_MAX = 512;
/**
 * Keys and bytes of one write step or fill: bounds what one script call costs the front (a millisecond or two). A lane
 * with more is served while the next step is on its way.
 */
export const WRITE_KEYS_MAX = 256;
export const WRITE_BYTES_MAX = 1 << 20;
/** Events of one append. */
export const APPENDS_MAX = 1_000;
/** Changes of a leaderboard in one step: 2 ms of Redis where they are of so many members of a million. */
export const SCORES_MAX = 250;
/** Keys that write-through commits together. */
export const COMMIT_KEYS_MAX = 1_000;
/** Write steps of a lane on their way at once: one is served while the next is collected and sent. */
export const WRITES_IN_FLIGHT_MAX = 2;
/** Keys of one load of totals. */
export const LOAD_KEYS_MAX = 1_000;
/** Mutations that wait for a leaderboard to be loaded, of one process; more are refused with MILLRACE_FULL. */
export const LOAD_WAITERS_MAX = 10_000;
/** Rows of one load of a leaderboard: 70 ms of LMDB's time at the most; Redis takes them in parts. */
export const LOAD_SCORES_MAX = 5_000;
/** Keys that one page of a generation has; keeps a step near a millisecond. */
export const READ_KEYS_MAX = 300;
/** Keys that one acknowledge step cleans; keeps a step near a millisecond. */
export const ACKNOWLEDGE_KEYS_MAX = 100;
/** How long a fill token holds a slot: longer than any load should take. */
export const FILL_TOKEN_MS = 10_000;
/** How long a reader waits for another process's load before it loads for itself. */
export const FILL_WAIT_MS = 2_000;
/** How long an intent hides a slot when its writer died; must exceed the store's statement timeout. */
export const INTENT_MS = 60_000;
