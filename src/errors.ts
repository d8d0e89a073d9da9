/** Every code that a {@link MillraceError} can carry. Codes are stable: scripts and alerts may match on them. */
export type MillraceErrorCode =
  | 'MILLRACE_OPTIONS' // unknown, missing or contradictory options; all faults are listed together
  | 'MILLRACE_CLOSED' // the cache is closing or closed
  | 'MILLRACE_KEY' // a key that is empty, too long, malformed, or not for the store; no letter of that id
  | 'MILLRACE_VALUE' // a value that is not JSON, too large, refused by the schema, or that the store cannot hold
  | 'MILLRACE_ACK' // an acknowledgement level that the front cannot give, or did not confirm in time
  | 'MILLRACE_ABORTED' // the caller's signal was aborted
  | 'MILLRACE_FULL' // backpressure: there was no room for the write, at once or for `maxWait`
  | 'MILLRACE_LANES' // the cache exists with another number of lanes
  | 'MILLRACE_FRONT_SETTINGS' // the front's server is set up so that a promise cannot be kept
  | 'MILLRACE_FRONT_UNAVAILABLE' // the front cannot be reached; the message says whether anything was sent
  | 'MILLRACE_STORE_UNAVAILABLE' // the store cannot be reached, or refuses work for a while
  | 'MILLRACE_STORE_SCHEMA' // the store's table or permissions are not as configured, or its error is unknown
  | 'MILLRACE_REJECTED' // the store refused this row; with write-behind it is kept as a dead letter
  | 'MILLRACE_LOST' // an acknowledged write is gone: the front lost its tail or was emptied
  | 'MILLRACE_LANE_STOPPED' // a lane is in a state that needs an operator
  | 'MILLRACE_TIMEOUT' // a leaderboard was not loaded within `loadWait`, or `millrace flush` did not end in time
  | 'MILLRACE_UNSUPPORTED' // the front or store does not offer this
  | 'MILLRACE_INTERNAL'; // a defect in Millrace

/** What a {@link MillraceError} is about. */
export interface ErrorContext {
  /** Name of the cache. */
  readonly cache?: string | undefined;
  /** The key. */
  readonly key?: string | undefined;
  /** The lane, from 0. */
  readonly lane?: number | undefined;
  /** What it was caused by, such as an error of a driver. */
  readonly cause?: unknown;
}

const BRAND = Symbol.for('millrace.error');

/**
 * The one error type that Millrace throws. `code` is stable. `message` says what happened and what to do, without
 * values of a row or credentials. `cause` is what was behind it, such as a driver's error. It may hold values of a row;
 * `toJSON` has no cause. Recognise the type with {@link isMillraceError}, which also works when two copies of the
 * package are loaded.
 */
export class MillraceError extends Error {
  /** What happened, for code to match on. */
  readonly code: MillraceErrorCode;
  /** Name of the cache; undefined where no single one is concerned. */
  readonly cache: string | undefined;
  /** The key; undefined where no single one is concerned. */
  readonly key: string | undefined;
  /** The lane, from 0; undefined where no single one is concerned. */
  readonly lane: number | undefined;

  /** For fronts and stores of your own. */
  constructor(code: MillraceErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'MillraceError';
    this.code = code;
    this.cache = context.cache;
    this.key = context.key;
    this.lane = context.lane;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /**
   * What `--json` and loggers that serialize by JSON print. It has no cause, because a cause may hold values of a row.
   */
  toJSON(): Record<string, unknown> {
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      cache: this.cache,
      key: this.key,
      lane: this.lane,
    };
  }
}

/** Whether `error` is a {@link MillraceError} of any loaded copy of the package. */
export function isMillraceError(error: unknown): error is MillraceError {
  return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
}
