import type { AckLevel } from '../core/acks.ts';
import { LOG } from '../core/shape.ts';
import type { Store } from '../ports/store.ts';
import { type CommonOptions, finish, type ParsedParts, readShape } from './parts.ts';
import { OptionReader } from './reader.ts';
import type { BackpressureOptions } from './settings.ts';

/** Options of `createLog`. */
export interface LogOptions<E> extends CommonOptions {
  /** `postgresLog`. */
  readonly store: Store;
  /**
   * Events of one key are stored in their order, whoever appends them. Default: those of one process are in their
   * order, and all go through one of the lanes.
   */
  readonly key?: (event: E) => string;
  /** An entry is an event that is pending. */
  readonly backpressure?: BackpressureOptions;
  /** What `append` waits for. Default: what the front does best without waiting for the store. */
  readonly ack?: AckLevel;
  /** Ordered sequences that keys are hashed to; pinned when the log is first used. 1 to 256, default 4. */
  readonly lanes?: number;
  /** Largest event as JSON text, in bytes. Default 1 MiB. */
  readonly maxValueBytes?: number;
}

/** Options of one `append` or `appendMany`. */
export interface AppendOptions {
  /** What these wait for. Default: the log's `ack`. */
  readonly ack?: AckLevel;
  /** Gives up waiting. The event may still be appended. */
  readonly signal?: AbortSignal;
}

export interface ParsedLog<E> extends ParsedParts {
  readonly key: ((event: E) => string) | undefined;
}

/** Throws one MILLRACE_OPTIONS error that lists every fault. */
export function parseLogOptions<E>(options: LogOptions<E>): ParsedLog<E> {
  const read = new OptionReader(options, 'createLog');
  const parts = readShape(read, 'log', 'postgresLog({ pool, table, value })');
  if (options?.key !== undefined && typeof options.key !== 'function')
    read.fault('key must be a function of an event.');
  read.known([
    'name',
    'front',
    'store',
    'key',
    'flush',
    'retry',
    'backpressure',
    'ack',
    'lanes',
    'maxValueBytes',
    'clock',
    'random',
  ]);
  return { ...finish(read, parts, { shape: LOG }), key: options.key };
}
