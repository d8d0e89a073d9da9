import type { AckLevel } from '../core/acks.ts';
import { SCALE_MAX } from '../core/decimal.ts';
import type { Duration } from '../core/duration.ts';
import { SUM_MAX } from '../core/lane-deltas.ts';
import { countersOf } from '../core/shape.ts';
import type { Store } from '../ports/store.ts';
import { type CommonOptions, finish, type ParsedParts, readShape } from './parts.ts';
import { OptionReader } from './reader.ts';
import type { BackpressureOptions } from './settings.ts';

/** Options of `createCounters`. */
export interface CountersOptions extends CommonOptions {
  /** `postgresCounters`. */
  readonly store: Store;
  /** Totals are bigints, exact up to ±9.2·10^18. Default: numbers, exact up to ±(2^53 - 1); beyond is refused. */
  readonly bigint?: boolean;
  /**
   * Totals are decimals with so many digits behind the point, as strings: 1 to 18. Pinned when the counters are first
   * used.
   */
  readonly scale?: number;
  /**
   * How long the front keeps a total after it was loaded. Default: for ever. Increments that are pending never expire.
   */
  readonly ttl?: Duration;
  /** An entry is a key with increments that are pending, however many. */
  readonly backpressure?: BackpressureOptions;
  /** What `increment` and `add` wait for. Default: what the front does best without waiting for the store. */
  readonly ack?: AckLevel;
  /** Ordered sequences that keys are hashed to; pinned when the counters are first used. 1 to 256, default 4. */
  readonly lanes?: number;
}

/** Options of one `increment` or `add`. */
export interface IncrementOptions {
  /** What this one waits for. Default: the counters' `ack`. */
  readonly ack?: AckLevel;
  /** Gives up waiting. The increment may still happen. */
  readonly signal?: AbortSignal;
}

/** Which numbers the totals are. */
export interface ParsedCounters extends ParsedParts {
  readonly numbers: 'number' | 'bigint' | 'decimal';
  readonly scale: number;
}

/** Throws one MILLRACE_OPTIONS error that lists every fault. */
export function parseCountersOptions(options: CountersOptions): ParsedCounters {
  const read = new OptionReader(options, 'createCounters');
  const parts = readShape(read, 'counters', 'postgresCounters({ pool, table, key, count })');
  const isBigint = read.boolean('bigint');
  const scale = options?.scale === undefined ? 0 : read.integer('scale', 0, 1, SCALE_MAX);
  if (isBigint && scale > 0) read.fault('bigint and scale exclude each other: decimals are strings.');
  read.known([
    'name',
    'front',
    'store',
    'bigint',
    'scale',
    'ttl',
    'flush',
    'retry',
    'backpressure',
    'ack',
    'lanes',
    'clock',
    'random',
  ]);
  const numbers = scale > 0 ? 'decimal' : isBigint ? 'bigint' : 'number';
  return {
    ...finish(read, parts, {
      shape: countersOf(scale),
      sumMax: numbers === 'number' ? BigInt(Number.MAX_SAFE_INTEGER) : SUM_MAX,
    }),
    numbers,
    scale,
  };
}
