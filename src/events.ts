import { isMillraceError, MillraceError } from './errors.ts';

/** What a cache reports through `cache.on(name, listener)`. A listener that throws is reported as `error`, and stops nothing. */
export interface CacheEvents {
  /** A flush was committed. */
  flush: FlushEvent;
  /** A flush failed and will be tried again after `retryInMs`. */
  'flush-failed': {
    readonly lanes: readonly number[];
    readonly error: MillraceError;
    readonly attempt: number;
    readonly retryInMs: number;
  };
  /** The store does not answer and is not asked (`open`), is back (`ramp`), or has been well for a while (`closed`). */
  breaker: BreakerEvent;
  /** A row was refused by the store, has no attempts left, and is kept as a dead letter. */
  'dead-letter': { readonly lane: number; readonly key: string; readonly code: string; readonly message: string };
  /** Acknowledged writes are gone. `count` is what is known of; `cause` names how it was found out. */
  loss: { readonly lane: number; readonly count: number; readonly cause: LossCause };
  /** A lane was brought in line with the store after a take-over or a restart of the front. */
  recovered: {
    readonly lane: number;
    readonly epoch: number;
    readonly outcome: 'created' | 'current' | 'behind';
    readonly dropped: number;
  };
  /**
   * A lane does not flush. With MILLRACE_LANE_STOPPED it takes no writes either. It is looked at again after
   * `retry.maxDelay`, and at once with `resume()`.
   */
  stopped: { readonly lane: number; readonly error: MillraceError };
  /** The cache was closed: what `close` reports. */
  closed: { readonly stored: number; readonly remaining: number; readonly dead: number };
  /** A setting or a situation that weakens a promise; the message says what to do. */
  warning: { readonly message: string };
  /** A fault in the background that has no other event. */
  error: { readonly error: MillraceError };
}

export interface FlushEvent {
  readonly lanes: readonly number[];
  /** Rows written or deleted, and in how many statements. */
  readonly rows: number;
  readonly statements: number;
  /** Rows that were refused: dead letters, and those that are tried again. */
  readonly dead: number;
  readonly waiting: number;
  readonly durationMs: number;
  /** Age of the oldest mutation in it when it was committed. */
  readonly lagMs: number;
}

export interface BreakerEvent {
  readonly state: 'open' | 'ramp' | 'closed';
  /** Failures in a row. */
  readonly failures: number;
  /** Until the store is asked again; 0 when it may be asked now. */
  readonly retryInMs: number;
  /** The last failure, without values; '' when the store has answered since. */
  readonly reason: string;
}

/**
 * `front-lost-tail`: the front came back without its last writes. `front-emptied`: it came back empty.
 * `value-removed`: the value of a pending key was removed behind the lane's back.
 * `store-rolled-back`: the store was restored to an earlier state, and an operator decided to go on from there.
 */
export type LossCause = 'front-lost-tail' | 'front-emptied' | 'value-removed' | 'store-rolled-back';

export type CacheEventName = keyof CacheEvents;
export type CacheListener<N extends CacheEventName> = (event: CacheEvents[N]) => void;

/** Calls listeners one after the other. What one throws is emitted as `error`, and does not reach the engine. */
export class Emitter {
  readonly #listeners = new Map<CacheEventName, Set<(event: never) => void>>();

  on<N extends CacheEventName>(name: N, listener: CacheListener<N>): void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()));
    listeners.add(listener);
  }

  off<N extends CacheEventName>(name: N, listener: CacheListener<N>): void {
    this.#listeners.get(name)?.delete(listener);
  }

  emit<N extends CacheEventName>(name: N, event: CacheEvents[N]): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined) return;
    for (const listener of listeners) {
      try {
        (listener as CacheListener<N>)(event);
      } catch (cause) {
        // A listener's fault must not stop a flush. An `error` listener that throws has had its say.
        if (name !== 'error')
          this.emit('error', {
            error: isMillraceError(cause)
              ? cause
              : new MillraceError('MILLRACE_INTERNAL', `A listener of '${name}' threw.`, { cause }),
          });
      }
    }
  }
}
