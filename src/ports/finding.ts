import type { AckLevel } from '../core/acks.ts';
import type { Shape } from '../core/shape.ts';
import type { Clock } from './clock.ts';

/** One thing that an examination looked at, and what it means for what a cache promises. */
export interface Finding {
  /**
   * `error`: the cache does not work, or cannot keep what its options promise. `warning`: it works, and less survives
   * than one may think.
   */
  readonly severity: 'ok' | 'warning' | 'error';
  /** What was looked at: a stable name such as 'redis.maxmemory-policy'. */
  readonly check: string;
  /** What is there. No credentials, no values of rows. */
  readonly found: string;
  /** What follows from it; missing where all is well. */
  readonly means?: string;
  /** What to change: a setting, a command, an option. Missing where all is well. */
  readonly change?: string;
}

/** What a front or a store has to know of a cache to examine its own side of it. */
export interface Examination {
  readonly cache: string;
  readonly lanes: number;
  /** As in the attachments. */
  readonly shape?: Shape;
  /** The cache's level. */
  readonly ack: AckLevel;
  readonly writeBehind: boolean;
  readonly ttlMs: number | undefined;
  /** Bytes that may be pending. */
  readonly maxBytes: number;
  /** Store transactions at the same time; 0 where this process does not flush. */
  readonly concurrency: number;
  readonly clock: Clock;
}

export const fine = (check: string, found: string): Finding => ({ severity: 'ok', check, found });
export const warning = (check: string, found: string, means: string, change: string): Finding => ({
  severity: 'warning',
  check,
  found,
  means,
  change,
});
export const wrong = (check: string, found: string, means: string, change: string): Finding => ({
  severity: 'error',
  check,
  found,
  means,
  change,
});
